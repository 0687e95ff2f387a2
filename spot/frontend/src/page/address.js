// The visitor's choices as parameters of the page's address: they survive a reload, and can be shared and undone by Back.

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

/** Calls back when the visitor goes back or forward. */
export function onWalk(callback, signal) {
  addEventListener("popstate", callback, { signal });
}
