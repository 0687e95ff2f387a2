// When to try again, and when not to. Pure.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Full jitter: anywhere up to a bound that doubles, so that clients cut at one moment do not come back at one. */
export function delay(attempt, random = Math.random) {
  return Math.round(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt));
}

// Close codes after which the same request would be refused again.
const FINAL = new Map([
  [1009, "A message was too big for the server."],
  [4400, "The server could not read the request."],
  [4403, "The server does not accept this page's origin."],
  [4404, "The server does not know this coin or currency."],
  [4413, "The server is at its limit of different views."],
  [4430, "Too many connections from this address."],
]);

const PASSING = new Map([
  [1012, "The server is restarting."],
  [1013, "The server is busy."],
  [4429, "Too many messages were sent."],
  [4508, "This connection was too slow."],
]);

// Limits of the server: final for who asks again at once, but others may leave.
const CROWDED = new Set([4413, 4430]);

/** What a close code means: `final` (do not reconnect), a sentence, and whether it is for too much company. */
export function closing(code) {
  if (FINAL.has(code)) return { final: true, reason: FINAL.get(code), crowded: CROWDED.has(code) };
  return { final: false, reason: PASSING.get(code) ?? "The connection was lost.", crowded: false };
}
