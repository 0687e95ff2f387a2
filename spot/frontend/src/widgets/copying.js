// Taking data out of the page: to the clipboard, and as files.

import { plain } from "../data/csv.js";
import { el } from "./dom.js";

const RUNS = /^\s*[=+\-@]/; // what a spreadsheet would take for a formula

function cell(value) {
  if (value == null) return "";
  if (typeof value === "number") return plain(value);
  const text = String(value).replace(/[\t\r\n]+/g, " ");
  return RUNS.test(text) ? `'${text}` : text;
}

/** A table as lines with tabs, which every spreadsheet takes from the clipboard; numbers have all their digits. */
export function tabbed(headers, rows) {
  return [headers, ...rows].map((row) => `${row.map(cell).join("\t")}\n`).join("");
}

/** Puts a text onto the clipboard; false where the browser does not let us. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no https, or not allowed
  }
}

/** Saves a text as a file. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A time as file names take it: 20261119T173000Z. */
export function stamp(time) {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");
}
