// When to try again, and when not to. Pure.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const SLOW_MS = [20_000, 60_000]; // a server at a limit is asked seldom

/** Full jitter: anywhere up to a bound that doubles, so that clients cut at one moment do not come back at one. */
export function delay(attempt, random = Math.random, crowded = false) {
  if (crowded) return Math.round(SLOW_MS[0] + random() * (SLOW_MS[1] - SLOW_MS[0]));
  return Math.round(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt));
}

// Close codes after which the same request would be refused again.
const FINAL = new Map([
  [1009, "A message was too big for the server."],
  [4400, "The server could not read the request."],
  [4403, "The server does not accept this page's origin."],
  [4404, "The server does not know this coin or currency."],
]);

// Close codes after which it is worth trying again.
const PASSING = new Map([
  [1012, "The server is restarting."],
  [1013, "The server is busy."],
  [4413, "The server is at its limit of different views."],
  [4429, "Too many messages were sent."],
  [4430, "Too many connections come from this address. Closing other tabs of this site helps."],
  [4508, "This connection was too slow."],
]);

// Limits of the server: others may leave, so it is worth asking again, but slowly.
const CROWDED = new Set([4413, 4430]);
// The server refuses the question, such as a coin that it does not know. The connection itself was fine.
const QUESTIONS = new Set([4400, 4404]);

/** What a close code means: `final` (do not reconnect), a sentence, whether too many ask at once, and whether only the question was refused. */
export function closing(code) {
  const final = FINAL.has(code);
  const reason = FINAL.get(code) ?? PASSING.get(code) ?? "The connection was lost.";
  return { final, reason, crowded: CROWDED.has(code), question: QUESTIONS.has(code) };
}
