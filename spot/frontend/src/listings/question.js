// The query of the listings panel, from the parameters of the address. Pure.

export const EXCHANGES = [["", "All"], ["binance", "Binance"], ["upbit", "Upbit"], ["bithumb", "Bithumb"]];

/** The choices, each with its types of announcements. */
export const KINDS = [
  ["", "Everything", null],
  ["listings", "Listings", "spot_listing,futures_listing,listing"],
  ["delistings", "Delistings", "spot_delisting,futures_delisting,delisting"],
  ["airdrops", "Airdrops", "hodler_airdrop,airdrop"],
  ["warnings", "Warnings", "monitoring_tag_extend,monitoring_tag_remove,caution,caution_released"],
];

function known(options, value) {
  return options.some(([key]) => key === value) ? value : "";
}

/** The choices in force; nonsense counts as not given. `get(name)` reads the address. */
export function choices(get) {
  const at = Number(get("news.page") || 1);
  return {
    exchange: known(EXCHANGES, get("news.from")),
    kind: known(KINDS, get("news.kind")),
    search: get("news.q").slice(0, 100),
    page: Number.isInteger(at) && at > 0 && at < 1e6 ? at : 1,
  };
}

export function parameters(get) {
  const { exchange, kind, search, page } = choices(get);
  return { cex: exchange || null, type: KINDS.find(([key]) => key === kind)[2], search: search || null, page };
}

/** The message of an empty list. */
export function emptiness({ exchange, kind, search }) {
  if (!exchange && !kind && !search) return "Nothing announced yet.";
  if (exchange && !kind && !search) return "Nothing announced by this exchange yet.";
  return "No announcement fits.";
}
