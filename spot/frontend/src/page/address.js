// The page's address keeps what the visitor chose, so that it can be reloaded, shared and walked back.

/** The value of a parameter of the address, or the given default. */
export function get(name, otherwise) {
  return new URLSearchParams(location.search).get(name) ?? otherwise;
}

/** Writes parameters; null or "" removes one. `step` makes a new entry for the Back button. */
export function set(changes, { step = true } = {}) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === location.href) return;
  if (step) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

/** Calls back when the visitor walks through the history. */
export function onWalk(callback, signal) {
  addEventListener("popstate", callback, { signal });
}
