// The query of the movers, from the parameters of the address. Pure.

import { WINDOWS } from "../data/windows.js";

export const COUNTS = ["5", "10", "25", "50"];
/** The parameters of the address that make up the question. */
export const PARAMETERS = ["movers", "movers.rows", "movers.volume", "movers.cap"];
// In dollars, whatever the currency of the page.
export const VOLUMES = ["0", "1000000", "10000000", "100000000"];
export const CAPS = ["10000000", "100000000", "1000000000", "10000000000"];

function whole(text) {
  return /^\d{1,15}$/.test(text) ? String(Number(text)) : "";
}

/** Window and number of coins, and the least volume and market cap in dollars, "" for the server's own. Nonsense is not
 * given. */
export function choices(get) {
  const [window, count] = [get("movers"), get("movers.rows")];
  return {
    window: WINDOWS.includes(window) ? window : "24h",
    count: COUNTS.includes(count) ? count : COUNTS[0],
    volume: whole(get("movers.volume")),
    cap: whole(get("movers.cap")),
  };
}

/** The amounts to choose from, with the one in force among them. */
export function offered(amounts, amount) {
  return amount === "" || amounts.includes(amount) ? amounts : [...amounts, amount];
}
