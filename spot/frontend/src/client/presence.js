// All open feeds of a page rest in a hidden tab, wake when it is visible again, and reconnect together once the server
// answers one of them.

const REST_MS = 5 * 60_000; // hidden for so long, a tab gives its connections up
const BEAT_MS = 5_000;
const SLEPT_MS = 20_000; // without a beat for so long, the machine itself has slept
const TOGETHER_MS = 1_000; // within which the other feeds follow the first that has come back

const feeds = new Set();
let resting = null;

function all(step) {
  for (const feed of [...feeds]) feed[step]();
}

function hidden() {
  clearTimeout(resting);
  resting = setTimeout(() => [...feeds].filter((feed) => !feed.always).forEach((feed) => feed.rest()), REST_MS);
}

function seen() {
  clearTimeout(resting);
  all("wake");
}

/** Listens to the page, where there is one: the client also runs in Node. */
export function listen({ document, window }) {
  if (!document?.addEventListener || !window?.addEventListener) return;
  const shown = () => (document.hidden ? hidden() : seen());
  document.addEventListener("visibilitychange", shown);
  document.addEventListener("freeze", () => all("rest"));
  window.addEventListener("online", () => all("wake"));
  window.addEventListener("offline", () => all("wake")); // a feed that looks connected checks its connection
  // A page with open sockets cannot be kept for the Back button.
  window.addEventListener("pagehide", () => all("rest"));
  window.addEventListener("pageshow", ({ persisted }) => persisted && seen());
  let beat = Date.now();
  setInterval(() => {
    if (!document.hidden && Date.now() - beat > SLEPT_MS) all("wake");
    beat = Date.now();
  }, BEAT_MS);
  if (document.hidden) hidden();
}

export function attend(feed) {
  feeds.add(feed);
}

export function leave(feed) {
  feeds.delete(feed);
}

/** The server has answered a feed that had lost its connection: the others do not wait for the end of their delays. */
export function recovered(first) {
  for (const feed of feeds) {
    if (feed === first || feed.link !== "waiting" || feed.server !== first.server) continue;
    setTimeout(() => feed.link === "waiting" && feed.retry(), feed.random() * TOGETHER_MS);
  }
}

listen({ document: globalThis.document, window: globalThis.window });
