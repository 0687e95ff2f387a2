// Merges rows of coins that were fetched by their ids into the market table. Pure.

/** The own coins that a whole answer lacks. */
export function absent(own, keys) {
  const shown = new Set(keys);
  return own.filter((id) => !shown.has(id));
}

const CELLS = { Logo: "logo", Symbol: "symbol", Name: "name", Price: "price", "Market Cap": "market_cap", "24h Volume": "volume_24h", Rank: "market_cap_rank", Category: "category", "24h High": "high_24h", "24h Low": "low_24h" };

/** A row of the ticker tape as a row of the market table with these headers. */
export function cells(row, headers) {
  const cells = headers.map((header) => row[CELLS[header] ?? header.replace(/^(\w+) Change \(%\)$/, "price_change_$1")] ?? null);
  return Object.assign(cells, { as_of: row.as_of ?? null, stale: row.stale ?? false });
}

/** A view of the table with more rows, in the order asked for by a header; without one they come last. */
export function joined(view, more, { header, order }) {
  if (!more.length) return view;
  const rows = new Map(view.rows);
  for (const row of more) rows.set(row.id, cells(row, view.headers));
  const keys = [...view.keys, ...more.map(({ id }) => id).filter((id) => !view.rows.has(id))];
  const place = view.headers.indexOf(header);
  if (place >= 0) keys.sort((a, b) => compared(rows.get(a)[place], rows.get(b)[place], order === "asc" ? 1 : -1));
  const number = view.headers.indexOf("Row");
  if (number >= 0) for (const [index, key] of keys.entries()) rows.set(key, Object.assign(cloned(rows.get(key)), { [number]: index + 1 }));
  return { ...view, keys, rows };
}

function cloned(row) {
  return Object.assign(row.slice(), { as_of: row.as_of, stale: row.stale });
}

/** Missing values come last in both directions. */
function compared(a, b, way) {
  if (a === null || b === null) return (a === null) - (b === null);
  return way * (typeof a === "string" ? a.localeCompare(b) : a - b);
}
