// The age of one row: a coin whose price has stopped is not live because its neighbours are. Pure.

import { age, isNumber } from "./format.js";

/** "30 d old" for a row whose price has stopped; "" for one that is fresh. */
export function oldness(row, now) {
  if (!row?.stale) return "";
  return isNumber(row.as_of) ? `${age(now - row.as_of)} old` : "old";
}

/** "Price of 29 Oct 2026, 30 d old" for a row whose price has stopped; "" for one that is fresh. */
export function stopped(row, now, locale, timeZone) {
  if (!row?.stale) return "";
  if (!isNumber(row.as_of)) return "The time of this price is not known";
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone }).format(row.as_of);
  return `Price of ${day}, ${oldness(row, now)}`;
}
