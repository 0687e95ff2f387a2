// Coins in groups, by their category: who is in which, in which order, and how a group has moved. Pure.

import { isNumber } from "../data/format.js";

export const OTHER = "Other"; // those that no category has

function capOf({ market_cap: cap }) {
  return isNumber(cap) ? cap : 0;
}

/** A Map from label to ids, the largest group first and the rest last. While the groups are those of `before`, a list
 * of labels, they keep that order: they would change places with every tick. */
export function grouped(ids, rows, before = []) {
  const found = new Map();
  const caps = new Map();
  for (const id of ids) {
    const row = rows.get(id);
    const label = row.category ?? OTHER;
    if (!found.has(label)) found.set(label, []);
    found.get(label).push(id);
    caps.set(label, (caps.get(label) ?? 0) + capOf(row));
  }
  const known = before.length === found.size && before.every((label) => found.has(label));
  const order = known ? before : [...found.keys()].sort((a, b) => (a === OTHER) - (b === OTHER) || caps.get(b) - caps.get(a));
  return new Map(order.map((label) => [label, found.get(label)]));
}

/** The change of coins together over a window, in percent: the mean of theirs, weighted by market cap. Null when nothing
 * is known of any. */
export function weighted(ids, rows, window) {
  let [sum, weight] = [0, 0];
  for (const id of ids) {
    const row = rows.get(id);
    const change = row?.[`price_change_${window}`];
    if (!isNumber(change) || !isNumber(row.market_cap)) continue;
    sum += change * row.market_cap;
    weight += row.market_cap;
  }
  return weight ? sum / weight : null;
}

/** What coins have together of a field; null when no value of any is known. */
export function total(ids, rows, field) {
  const known = ids.map((id) => rows.get(id)?.[field]).filter(isNumber);
  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
}

const PADDING = 10; // pixels to the left and right of a heading together
const GAP = 6; // and between its two parts
const SHORTEST = 30; // a name that is shortened to less says nothing beside its change
const LEAST = 16; // below this not even a letter has room

/** What of a heading has room in a strip: "both" its name and its change, its "name" alone, or "" for nothing. A name
 * that does not fit is shortened; the card tells it whole. `name` and `change` are the widths of the two. */
export function room(strip, lineHeight, name, change) {
  if (strip.height < lineHeight || strip.width < LEAST) return "";
  const left = strip.width - PADDING - GAP - change;
  return left >= Math.min(name, SHORTEST) ? "both" : "name";
}
