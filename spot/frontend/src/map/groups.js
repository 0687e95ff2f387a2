// Coins grouped by category: members, order, and the change of a group. Pure.

import { isNumber } from "../data/format.js";

export const OTHER = "Other"; // coins without a category

function capOf({ market_cap: cap }) {
  return isNumber(cap) ? cap : 0;
}

/** A Map from label to ids, the largest group first and the rest last. While the groups are those of `before`, a list
 * of labels, they keep that order: they would change places with every tick. */
export function grouped(ids, rows, before = []) {
  const groups = new Map();
  const caps = new Map();
  for (const id of ids) {
    const row = rows.get(id);
    const label = row.category ?? OTHER;
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label).push(id);
    caps.set(label, (caps.get(label) ?? 0) + capOf(row));
  }
  const unchanged = before.length === groups.size && before.every((label) => groups.has(label));
  const order = unchanged ? before : [...groups.keys()].sort((a, b) => (a === OTHER) - (b === OTHER) || caps.get(b) - caps.get(a));
  return new Map(order.map((label) => [label, groups.get(label)]));
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

/** The sum of a field over coins; null without any value. */
export function total(ids, rows, field) {
  const values = ids.map((id) => rows.get(id)?.[field]).filter(isNumber);
  return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
}

const PADDING = 10; // pixels to the left and right of a heading together
const GAP = 6; // and between its two parts
const SHORTEST = 30; // a name shortened to less is useless
const LEAST = 16; // below this not even a letter has room

/** The parts of a heading that fit into a strip: "both" name and change, the "name" alone, or "" for none. A name that
 * does not fit is shortened; the card has the whole. `name` and `change` are the widths of the two. */
export function room(strip, lineHeight, name, change) {
  if (strip.height < lineHeight || strip.width < LEAST) return "";
  const left = strip.width - PADDING - GAP - change;
  return left >= Math.min(name, SHORTEST) ? "both" : "name";
}
