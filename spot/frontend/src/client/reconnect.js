// Whether and when to connect again. Pure.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const SLOW_MS = [20_000, 60_000]; // from try to try while the server is at a limit

/** Full jitter: a random delay up to a bound that doubles, so that clients do not reconnect all at once. */
export function delay(attempt, random = Math.random, crowded = false) {
  if (crowded) return Math.round(SLOW_MS[0] + random() * (SLOW_MS[1] - SLOW_MS[0]));
  return Math.round(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt));
}

/**
 * The close codes of the server. `final`: the same request would be refused again. `crowded`: the server is at a limit;
 * retry slowly. `question`: it refuses the parameters, such as an unknown coin; the connection itself was fine. The codes
 * equal those of CLOSES in spot/codes.py, which tests/test_docs_javascript.py checks.
 */
export const CLOSES = new Map([
  [1009, { final: true, reason: "A message was too big for the server." }],
  [1012, { reason: "The server is restarting." }],
  [1013, { reason: "The server is busy." }],
  [4400, { final: true, question: true, reason: "The server could not read the request." }],
  [4401, { final: true, reason: "The server asks for a valid key." }],
  [4402, { final: true, reason: "The credits of this month are used up." }],
  [4403, { final: true, reason: "The server does not accept this page's origin." }],
  [4404, { final: true, question: true, reason: "The server does not know this coin or currency." }],
  [4405, { final: true, reason: "The plan does not include these data." }],
  [4409, { reason: "The limits of this connection have changed." }],
  [4413, { crowded: true, reason: "The server is at its limit of different views." }],
  [4429, { reason: "Too many messages were sent." }],
  [4430, { crowded: true, reason: "Too many connections come from this address. Closing other tabs of this site helps." }],
  [4508, { reason: "This connection was too slow." }],
]);

const LOST = { final: false, crowded: false, question: false, reason: "The connection was lost." };

/** The meaning of a close code. Codes that the server does not send mean that the connection was lost. */
export function closing(code) {
  return { ...LOST, ...CLOSES.get(code) };
}
