// The last week of one coin, for the card of a tile: the market feed has it, and the map's own does not carry 500 of them.

import { withTicket } from "../client/ticket.js";

const PATH = "/tzone_apis/services/spot/market";
const KEEP_MS = 600_000; // the points are an hour apart
const KEEP = 60;
const cache = new Map(); // "server currency id" -> {at, prices}

async function asked(url) {
  const answer = await fetch(await withTicket(url), { headers: { Accept: "application/json" } });
  if (!answer.ok) return null;
  const { headers, rows } = await answer.json();
  return rows[0]?.[headers.indexOf("7d Chart")] ?? null;
}

/** A promise of the prices, oldest first, or of null. Recent answers are cached. */
export function week(server, currency, id) {
  const key = `${server} ${currency} ${id}`;
  const cached = cache.get(key);
  if (cached && Date.now() - cached.at < KEEP_MS) return cached.prices;
  const url = new URL(PATH, server);
  const query = { vs_currency: currency, per_page: 500, page_size: 1, price_change_percentage: "24h", filters: JSON.stringify({ id }) };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const prices = asked(url).catch(() => null);
  cache.delete(key);
  cache.set(key, { at: Date.now(), prices });
  if (cache.size > KEEP) cache.delete(cache.keys().next().value);
  return prices;
}
