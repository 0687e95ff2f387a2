// The filters of the market: parsed from input and address, written to the address, the server and in words. Pure.
//
// A set of filters is an object by filter id: {cap: {low: 1e9, high: null}, name: "bit"}. Absent means no such filter.

import { readNumber } from "../data/read_number.js";

const AMOUNTS = ["price", "cap", "volume"];

const percentage = (window, words) => ({ id: window, field: `price_change_${window}`, words, kind: "percent" });

export const FILTERS = [
  { id: "price", field: "price", words: "Price", kind: "money" },
  { id: "cap", field: "market_cap", words: "Market cap", kind: "money" },
  { id: "volume", field: "volume_24h", words: "24 h volume", kind: "money" },
  percentage("1h", "1 h change"),
  percentage("24h", "24 h change"),
  percentage("7d", "7 d change"),
  percentage("30d", "30 d change"),
  percentage("1y", "1 y change"),
  { id: "name", field: "name", words: "Name", kind: "text" },
  { id: "symbol", field: "symbol", words: "Symbol", kind: "text" },
  { id: "category", field: "category", words: "Category", kind: "text" },
];

const LONGEST = 100; // characters of a text, as the server has it

/** Parses the input of one filter: {value} (null for no filter), or {low} or {high} with an error message. */
export function readRange(filter, low, high, locale) {
  const [from, to] = [readNumber(low, locale), readNumber(high, locale)];
  const example = filter.kind === "percent" ? "a percentage such as −5 or 2.5" : "a number such as 1500, 2.5M or 1B";
  const wrong = (text) => `“${text.trim()}” is not a number. Enter ${example}.`;
  if (from === undefined || to === undefined) {
    return { ...(from === undefined && { low: wrong(low) }), ...(to === undefined && { high: wrong(high) }) };
  }
  if (AMOUNTS.includes(filter.id) && (from < 0 || to < 0)) return { [from < 0 ? "low" : "high"]: `${filter.words} is never below 0.` };
  if (from !== null && to !== null && from > to) return { high: "The highest is below the lowest." };
  return { value: from === null && to === null ? null : { low: from, high: to } };
}

/** The filters that an address holds, and the names of those that cannot be read. `get(name)` is "" for none. */
export function fromAddress(get) {
  const filters = {};
  const unread = [];
  for (const filter of FILTERS) {
    const text = get(`f.${filter.id}`).trim();
    if (!text) continue;
    const value = filter.kind === "text" ? text.slice(0, LONGEST) : rangeFrom(filter, text);
    if (value) filters[filter.id] = value;
    else unread.push(filter.words);
  }
  return { filters, unread };
}

function rangeFrom(filter, text) {
  const [low, high, ...more] = text.split("..");
  if (high === undefined || more.length) return null;
  return readRange(filter, low, high, "en-US").value ?? null;
}

/** Changes of the address for these filters; null removes. */
export function toAddress(filters) {
  return Object.fromEntries(FILTERS.map(({ id }) => [`f.${id}`, addressed(filters[id])]));
}

function addressed(value) {
  if (value == null || typeof value === "string") return value ?? null;
  return `${value.low ?? ""}..${value.high ?? ""}`;
}

/** The text of the `filters` parameter, null for none. With `ids`, only those coins; an empty list matches none. */
export function toWire(filters, ids = null) {
  const wire = {};
  for (const { id, field, kind } of FILTERS) {
    const value = filters[id];
    if (value == null) continue;
    if (kind === "text") wire[field] = { contains: value };
    else wire[field] = { ...(value.low !== null && { gte: value.low }), ...(value.high !== null && { lte: value.high }) };
  }
  if (ids) wire.id = ids.length ? ids : { eq: null }; // every coin has an id
  return Object.keys(wire).length ? JSON.stringify(wire) : null;
}

/** "Market cap ≥ $1.00B", "24 h change −5% to 5%", "Name has “bit”". `write(filter, number)` writes a number. */
export function inWords(filter, value, write) {
  if (filter.kind === "text") return `${filter.words} has “${value}”`;
  const { low, high } = value;
  if (high === null) return `${filter.words} ≥ ${write(filter, low)}`;
  if (low === null) return `${filter.words} ≤ ${write(filter, high)}`;
  return `${filter.words} ${write(filter, low)} to ${write(filter, high)}`;
}

/** The filter that a refusal of the server concerns, and the message with the field's name in words. */
export function refusal({ field, message }) {
  const [parameter, name] = (field ?? "").split(".");
  const filter = parameter === "filters" ? FILTERS.find(({ field }) => field === name) : undefined;
  if (!filter) return { filter: null, message };
  return { filter, message: message.replace(/filters\.[\w.]+/, filter.words) };
}
