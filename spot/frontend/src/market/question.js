// The query of the market table, from the parameters of the address. Pure.

import { fromAddress, toWire } from "./filters.js";
import { parameters } from "./layout.js";

export const SIZES = ["25", "50", "100", "250", "500"];

/** The field by which each column sorts. */
export const SORTS = {
  rank: "market_cap_rank",
  coin: "name",
  price: "price",
  ...Object.fromEntries(["1h", "24h", "7d", "14d", "30d", "200d", "1y"].map((window) => [window, `price_change_${window}`])),
  high: "high_24h",
  low: "low_24h",
  ath: "ath",
  cap: "market_cap",
  fdv: "fully_diluted_valuation",
  volume: "volume_24h",
  supply: "circulating_supply",
  max: "max_supply",
  category: "category",
};
const UPWARD = ["name", "market_cap_rank", "category"]; // which one wants from the first, not from the highest
const OWN_ROWS = 500; // all own coins stand on one page

/** The order in force, as {field, order}; both null for the server's own. `get(name)` reads the address. */
export function sorting(get) {
  const field = get("sort");
  if (!Object.values(SORTS).includes(field)) return { field: null, order: null };
  return { field, order: get("order") === "asc" ? "asc" : "desc" };
}

/** Numbers from the highest, names and ranks from the first; then the other way; then back to the server's own order. */
export function sortedNext({ field: by, order }, field) {
  const [first, second] = UPWARD.includes(field) ? ["asc", "desc"] : ["desc", "asc"];
  if (by !== field) return { sort: field, order: first, page: null };
  if (order === first) return { sort: field, order: second, page: null };
  return { sort: null, order: null, page: null };
}

/** The parameters for an address and the columns to show; `own` are the visitor's coins. Nonsense counts as not given. */
export function question(get, columns, own) {
  const { field, order } = sorting(get);
  const at = Number(get("page") || 1);
  const size = get("rows");
  return {
    search: get("q").slice(0, 100) || null,
    sort_by: field,
    sort_order: order,
    page: !get("mine") && Number.isInteger(at) && at > 0 && at < 1e6 ? at : 1,
    page_size: get("mine") ? OWN_ROWS : Number(SIZES.includes(size) ? size : SIZES[0]),
    filters: toWire(fromAddress(get).filters, get("mine") ? own : null),
    ...parameters(columns),
  };
}

/** Why there is no row, as [headline, explanation]. `conditions` are the filters in words. */
export function emptiness({ search, mine, own, conditions, market }) {
  if (mine && !own) return ["You have no coins of your own yet", "The star before a coin's name puts it among them."];
  const asked = [...(search ? [`has “${search}” in its name, symbol or id`] : []), ...conditions];
  const coins = mine ? "None of your coins" : `None of the coins in the ${market} market`;
  return ["No coin matches", asked.length ? `${coins} fits: ${asked.join("; ")}.` : `${coins} is in the ${market} market.`];
}
