// The columns of the market table and their order. Pure.
//
// Rank and coin lead, because they stay in view while the table is scrolled sideways; the price cannot be hidden. Without
// a choice of the visitor's own, the width of the table decides. A narrow table keeps a choice of its own.

export const LEADING = ["rank", "coin"];
export const KEPT = [...LEADING, "price"];
export const OTHERS = ["price", "1h", "24h", "7d", "14d", "30d", "200d", "1y", "high", "low", "ath", "cap", "fdv", "volume", "supply", "max", "category", "row", "chart"];

/** Columns that the server sends on demand, by the names that it has for them. */
const MORE = { rank: "market_cap_rank", category: "category", high: "high_24h", low: "low_24h", ath: "ath", fdv: "fully_diluted_valuation", supply: "circulating_supply", max: "max_supply" };

// From this width in pixels on, this is shown.
const USUAL = [
  [1150, ["price", "1h", "24h", "7d", "cap", "volume", "chart"]],
  [1000, ["price", "1h", "24h", "7d", "cap", "volume"]],
  [875, ["price", "1h", "24h", "7d", "cap"]],
  [600, ["price", "24h", "7d", "cap"]],
  [0, ["price", "24h"]],
];
const NARROW = 600;

/** Under which name a choice is kept that was made at this width. */
export function place(width) {
  return width < NARROW ? "market.columns.narrow" : "market.columns";
}

function usual(width) {
  return USUAL.find(([from]) => width >= from)[1];
}

/** The columns to show after the leading ones, from what was saved, which may be anything. */
export function shown(saved, width) {
  if (!Array.isArray(saved)) return usual(width);
  const ids = [...new Set(saved)].filter((id) => OTHERS.includes(id));
  return ids.includes("price") ? ids : ["price", ...ids];
}

/** All columns that can be chosen: those shown in their order, then the rest. */
export function offered(ids) {
  return [...ids, ...OTHERS.filter((id) => !ids.includes(id))];
}

/** The list without a column, or with it behind those that usually stand before it. */
export function toggled(ids, id) {
  if (KEPT.includes(id)) return ids;
  if (ids.includes(id)) return ids.filter((other) => other !== id);
  const before = OTHERS.slice(0, OTHERS.indexOf(id));
  const place = ids.findLastIndex((other) => before.includes(other)) + 1;
  return [...ids.slice(0, place), id, ...ids.slice(place)];
}

/** The list with one column a place further (1) or back (-1). */
export function moved(ids, id, by) {
  const from = ids.indexOf(id);
  const to = from + by;
  if (from < 0 || to < 0 || to >= ids.length) return ids;
  const list = ids.filter((other) => other !== id);
  list.splice(to, 0, id);
  return list;
}

/** The parameters that these columns need. */
export function parameters(ids) {
  const windows = OTHERS.filter((id) => /^\d/.test(id) && ids.includes(id));
  const more = ids.filter((id) => id in MORE).map((id) => MORE[id]);
  return { price_change_percentage: windows.join(",") || "24h", sparkline: ids.includes("chart"), columns: more.join() || null };
}

// In rem, with and without room. The coin has at least its own, and what is left.
const WIDTHS = {
  rank: [4.2, 2.4], coin: [13.5, 7.2], price: [8.5, 6.2], high: [8.5, 6.2], low: [8.5, 6.2], ath: [8.5, 6.2], cap: [8, 6], fdv: [8, 6], volume: [8, 6],
  supply: [8.5, 6.5], max: [8.5, 6.5], category: [9.5, 8], row: [4, 3], chart: [9.5, 8.6],
};
const WINDOW = [6.7, 5.4];
const DIGIT = [0.5, 0.46]; // of one character
const AROUND = [1.9, 1.1]; // of the space on both sides of a number

/**
 * How wide each column is, as {widths: {id: rem}, least: rem of all}: known before the numbers are, so that no number
 * moves a column. `longest` has the characters of the longest text in the columns that may need more.
 */
export function measured(ids, width, longest = {}) {
  const size = width < NARROW ? 1 : 0;
  const needed = (id) => (longest[id] ?? 0) * DIGIT[size] + AROUND[size];
  const widths = Object.fromEntries(ids.map((id) => [id, Math.max((WIDTHS[id] ?? WINDOW)[size], needed(id))]));
  return { widths, least: Object.values(widths).reduce((sum, width) => sum + width, 0) };
}
