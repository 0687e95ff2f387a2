// Recognises stablecoins by their ids and by their prices: the feeds do not mark them. Pure.

const NAMED = new Set([
  "tether", "usd-coin", "dai", "usds", "ethena-usde", "first-digital-usd", "paypal-usd", "usd1-wlfi", "usdd", "true-usd",
  "frax", "frax-usd", "gho", "crvusd", "ripple-usd", "usual-usd", "usdb", "liquity-usd", "gemini-dollar", "pax-dollar",
  "binance-usd", "binance-peg-busd", "bridged-usdc-polygon-pos-bridge", "euro-coin", "stasis-eurs", "eurite", "susds",
  "ethena-staked-usde", "falcon-finance", "global-dollar", "usdtb", "usdx-money-usdx", "resolv-usr", "elixir-deusd",
]);
const DOLLAR = "tether"; // what a dollar costs in the currency that is shown
const APART = 0.02; // how far from a dollar one may be, and may have moved against it
const WINDOWS = ["24h", "7d", "30d"];

function ratio(change) {
  return typeof change === "number" ? 1 + change / 100 : null;
}

/** Costs a dollar, and has moved as the dollar has over every window that both have. */
function isPegged(row, dollar) {
  if (!dollar?.price || !row.price || Math.abs(row.price / dollar.price - 1) > APART) return false;
  const moves = WINDOWS.map((window) => [ratio(row[`price_change_${window}`]), ratio(dollar[`price_change_${window}`])]);
  const pairs = moves.filter(([own, its]) => own !== null && its !== null);
  return pairs.length > 0 && pairs.every(([own, its]) => Math.abs(own / its - 1) <= APART);
}

/** The ids of the stablecoins among rows by id. */
export function stablecoins(rows) {
  const dollar = rows.get(DOLLAR);
  return new Set([...rows].filter(([id, row]) => NAMED.has(id) || isPegged(row, dollar)).map(([id]) => id));
}
