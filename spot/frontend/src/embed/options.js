// The attributes of embedded elements. Pure.

const MOST = { ticker: 50, heatmap: 500 };
const WINDOWS = ["1h", "24h", "7d", "14d", "30d", "200d", "1y"];
const SIZES = {
  market_cap: (row) => row.market_cap,
  root: (row) => Math.sqrt(row.market_cap),
  volume: (row) => row.volume_24h,
  equal: () => 1,
};

/** The ids of `coins="bitcoin, ethereum"`, each once; none for "" or no attribute. */
export function coins(text, most = MOST.heatmap) {
  const ids = (text ?? "").split(",").map((id) => id.trim().toLowerCase()).filter(Boolean);
  return [...new Set(ids)].slice(0, most);
}

/** A whole number from 1 to the most there can be. */
export function limit(text, otherwise, most) {
  const number = Number(text);
  return text && Number.isInteger(number) && number > 0 ? Math.min(number, most) : otherwise;
}

export function window(text) {
  return WINDOWS.includes(text) ? text : "24h";
}

/** The function from a row to the size of its tile. */
export function weight(text) {
  return Object.hasOwn(SIZES, text ?? "") ? SIZES[text] : SIZES.market_cap;
}

/** The feed of a ticker: the coins that were named in their order, else the largest. */
export function tickerFeed({ coins: named, limit: number }) {
  const ids = coins(named, MOST.ticker);
  const rows = limit(number, ids.length || 20, MOST.ticker);
  if (ids.length) return ["ticker-tape", { coin_ids: ids.slice(0, rows).join() }];
  return ["coin-heatmap", { per_page: rows }];
}

/** The feed of a map: the coins that were named, else the largest. */
export function heatmapFeed({ coins: named, limit: number }) {
  const ids = coins(named);
  const rows = limit(number, ids.length || 100, MOST.heatmap);
  if (!ids.length) return ["coin-heatmap", { per_page: rows }];
  return ["coin-heatmap", { per_page: MOST.heatmap, page_size: rows, filters: JSON.stringify({ id: ids }) }];
}

/** Where a click on a coin leads: `template` with {id} filled in, if it is a web address, else the server's own page. */
export function link(template, id, server, base) {
  const own = new URL(`/coin/${encodeURIComponent(id)}/`, server).href;
  if (!template) return own;
  const text = template.replaceAll("{id}", encodeURIComponent(id));
  if (!URL.canParse(text, base)) return own;
  const { protocol, href } = new URL(text, base);
  return /^https?:$/.test(protocol) ? href : own;
}

/** The server's address; null for none, or for what is no address. */
export function serverOf(text) {
  return text && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : null;
}

const ID = /^[a-z0-9][a-z0-9._-]{0,99}$/i;

function whole(text, most) {
  return /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= most ? "" : `a whole number from 1 to ${most}`;
}

function among(text, values) {
  return values.includes(text) ? "" : `one of ${values.join(", ")}`;
}

// The allowed values for an attribute whose text is invalid; "" for a valid one.
const CHECKS = {
  coins: (text) => (text.split(",").map((id) => id.trim()).filter(Boolean).every((id) => ID.test(id)) ? "" : "coin ids with commas between them, such as bitcoin,ethereum"),
  currency: (text) => (/^[a-z0-9]{2,10}$/i.test(text) ? "" : "a currency such as usd"),
  theme: (text) => among(text, ["light", "dark", "system"]),
  palette: (text) => among(text, ["red-green", "blue-orange"]),
  server: (text) => (serverOf(text) ? "" : "an address such as https://spot.example.org"),
  link: (text) => (/^(https?:|\/|[^:]*$)/i.test(text) ? "" : "an address such as /coins/{id}"),
};
const OWN_CHECKS = {
  "spot-ticker": { limit: (text) => whole(text, MOST.ticker) },
  "spot-heatmap": { limit: (text) => whole(text, MOST.heatmap), window: (text) => among(text, WINDOWS), size: (text) => among(text, Object.keys(SIZES)) },
};

/** A sentence for each attribute of an element that is not understood. `get(name)` is its text, or null. */
export function complaints(element, get) {
  const checks = Object.entries({ ...CHECKS, ...OWN_CHECKS[element] });
  const wrong = checks.map(([name, check]) => [name, get(name), get(name) ? check(get(name)) : ""]).filter(([, , allowed]) => allowed);
  return wrong.map(([name, text, allowed]) => `<${element} ${name}="${text}">: ${name} is ${allowed}.`);
}
