// The windows over which a price change is given. Pure.

export const WINDOWS = ["1h", "24h", "7d", "14d", "30d", "200d", "1y"];

/** The windows that most coins have a value for; only these can be chosen. */
export function available({ rows }) {
  const coins = [...rows.values()];
  const count = (window) => coins.filter((row) => Number.isFinite(row[`price_change_${window}`])).length;
  return new Set(WINDOWS.filter((window) => count(window) * 2 > coins.length));
}
