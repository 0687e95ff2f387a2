// The map in a sentence or two, for screen readers. Pure.

import { direction, percent, spaced } from "../data/format.js";
import { SETS, SIZES } from "./choices.js";

function extremes(ids, value) {
  const sorted = ids.filter((id) => Number.isFinite(value(id))).sort((a, b) => value(b) - value(a));
  return sorted.length ? [sorted[0], sorted.at(-1)] : [];
}

/** "The 100 largest coins … 34 rose, 60 fell, 6 stood still over 24 h. …" `groups` are [name, change] pairs. */
export function breadth(ids, rows, { set, size, window }, locale, groups = []) {
  const value = (id) => (rows.get(id)?.stale ? null : rows.get(id)?.[`price_change_${window}`]);
  const counts = { up: 0, down: 0, flat: 0, none: 0 };
  for (const id of ids) counts[direction(value(id))] += 1;
  const named = (id) => `${rows.get(id).name} ${percent(value(id), locale)}`;
  const [best, worst] = extremes(ids, value);
  const changes = new Map(groups);
  const [first, last] = extremes([...changes.keys()], (name) => changes.get(name));
  const group = (name) => `${name} ${percent(changes.get(name), locale)}`;
  const which = set === "all" ? "" : `, ${SETS[set][0].toLowerCase()}`;
  return [
    `The ${ids.length} largest coins${which}, sized by ${SIZES[size][1]}.`,
    `Over ${spaced(window)}, ${counts.up} rose, ${counts.down} fell and ${counts.flat} stood still${counts.none ? `; of ${counts.none} nothing is known` : ""}.`,
    best ? `Best ${named(best)}, worst ${named(worst)}.` : "",
    first ? `Of ${changes.size} groups, ${group(first)} did best and ${group(last)} worst.` : "",
  ].join(" ").trim();
}
