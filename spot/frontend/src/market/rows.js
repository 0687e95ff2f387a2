// The rows of the market table. They are created once, updated in place, and keep their order while under the pointer or
// focused. Drawing 500 rows costs as much as the rest of the page, so of a long page only visible rows are updated at
// once; the others in turns, or when they scroll into view.

import { serverNow } from "../client/socket.js";
import { oldness, stopped } from "../data/row_age.js";
import { page } from "../page/page.js";
import { flash } from "../widgets/change.js";
import { el, setAttribute } from "../widgets/dom.js";
import { arrangement, namesakes } from "../widgets/arrangement.js";
import { Interaction, place } from "../widgets/interaction.js";
import { COLUMNS } from "./columns.js";

const NEAR = "300px"; // rows this far from the window count as seen
const AT_ONCE = 100; // so many rows are no long page
const FIRST = 40; // rows of a long page that are created at once
const BATCH = 50; // rows out of sight that are created or updated in one idle callback
const MAKE_WITHIN_MS = 50; // missing rows wait at most this long for an idle browser
const FILL_WITHIN_MS = 400; // outdated rows
const BETWEEN_MS = 700; // between two batches of outdated rows

const whenIdle = globalThis.requestIdleCallback?.bind(globalThis) ?? ((work) => setTimeout(work, 16));

export class Rows {
  lines = new Map(); // coin id -> {key, tr, cells, values, seen, style}
  keys = []; // as they stand
  ids = []; // of the columns
  longest = {}; // column id -> characters of its longest number
  queue = []; // keys of the rows that have not been filled with the latest

  /** `released` is called when the order need not be held any more. */
  constructor(released) {
    this.body = el("tbody", {});
    this.interaction = new Interaction(this.body, released);
    this.body.addEventListener("pointerover", ({ target }) => this.#hint(target.closest("td")));
    this.sight = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: NEAR });
  }

  /** Other columns, in another order: every row is made anew. */
  setColumns(ids) {
    this.ids = ids;
    this.longest = {};
    this.queue = [];
    for (const key of [...this.lines.keys()]) this.#drop(key);
    this.keys = [];
  }

  /**
   * Shows a view. `style` is equal as long as numbers are written alike; `moving` has the keys of the rows whose
   * changes flash; `mayHold`: whether the query is the same as before. Returns the number of places that wait to change.
   */
  draw({ headers, keys, rows }, { numbers, style, moving, mayHold }) {
    if (style !== this.latest?.style) this.longest = {};
    const places = Object.fromEntries(headers.map((header, index) => [header, index]));
    const { keys: standing, waiting } = arrangement(this.keys, keys, mayHold && this.interaction.active);
    const twins = namesakes(keys.map((key) => [key, rows.get(key)[places.Symbol]]));
    const focus = this.#focusedPlace();
    const stay = new Set(standing);
    for (const key of this.keys) if (!stay.has(key)) this.#drop(key);
    this.latest = { rows, places, numbers, style, twins };
    this.keys = [...standing];
    const now = new Set(standing.length <= AT_ONCE ? standing : standing.filter((key, index) => this.#isUrgent(key, index)));
    for (const key of now) this.#show(key, moving.has(key));
    this.#queue(standing.filter((key) => !now.has(key)));
    this.#place();
    this.#fillLater();
    if (focus) this.#refocus(focus);
    return waiting;
  }

  #isUrgent(key, index) {
    return this.lines.get(key)?.seen ?? index < FIRST;
  }

  /** Rows that do not exist yet come first, then those that have waited longest. */
  #queue(keys) {
    const left = new Set(keys);
    const waited = this.queue.filter((key) => left.delete(key));
    const all = [...waited, ...left];
    this.queue = [...all.filter((key) => !this.lines.has(key)), ...all.filter((key) => this.lines.has(key))];
  }

  #fillLater() {
    if (this.filling || !this.queue.length) return;
    this.filling = true;
    const fill = () => {
      this.filling = false;
      for (const key of this.queue.splice(0, BATCH)) this.#show(key, false);
      this.#place();
      this.#fillLater();
    };
    if (this.lines.has(this.queue[0])) setTimeout(() => whenIdle(fill, { timeout: FILL_WITHIN_MS }), BETWEEN_MS);
    else whenIdle(fill, { timeout: MAKE_WITHIN_MS });
  }

  /** Puts the rows that have been made in their places. */
  #place() {
    place(this.body, this.keys.flatMap((key) => this.lines.get(key)?.tr ?? []));
  }

  #show(key, moves) {
    const line = this.lines.get(key) ?? this.#line(key);
    const row = this.latest.rows.get(key);
    setAttribute(line.tr, "data-gone", row ? null : "");
    setAttribute(line.tr, "data-old", row?.stale ? "" : null);
    if (row) this.#fill(line, row, this.latest, moves);
  }

  #fill(line, row, { places, numbers, style, twins }, moves) {
    const written = line.style === style;
    line.style = style;
    for (const id of this.ids) {
      const column = COLUMNS.get(id);
      const before = line.values[id];
      const value = id === "coin" ? named(row, places, twins.has(line.key), before) : (row[places[column.header]] ?? null);
      if (written && value === before) continue;
      line.values[id] = value;
      column.show(line.cells[id], value, numbers);
      if (column.hint) this.longest[id] = Math.max(this.longest[id] ?? 0, line.cells[id].textContent.length);
      if (!line.seen) continue;
      column.onSight?.(line.cells[id]);
      if (written && moves && !["row", "rank"].includes(id)) flash(line.cells[id], before, value);
    }
  }

  #line(key) {
    const line = { key, tr: el("tr", {}), cells: {}, values: {}, seen: false };
    for (const id of this.ids) {
      const cell = COLUMNS.get(id).make(key);
      line.cells[id] = cell;
      line.tr.append(el(id === "coin" ? "th" : "td", { class: `col-${id}`, scope: id === "coin" && "row" }, cell));
    }
    line.tr.line = line;
    this.lines.set(key, line);
    this.sight.observe(line.tr);
    return line;
  }

  #drop(key) {
    const line = this.lines.get(key);
    if (!line) return;
    this.sight.unobserve(line.tr);
    line.tr.remove();
    this.lines.delete(key);
  }

  /** Shows all digits of a number that is pointed at. */
  #hint(cell) {
    const id = cell && this.ids[[...cell.parentNode.children].indexOf(cell)];
    const { hint } = COLUMNS.get(id) ?? {};
    if (hint) setAttribute(cell.firstChild, "title", hint(cell.parentNode.line.values[id], this.latest.numbers));
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      target.line.seen = isIntersecting;
      if (!isIntersecting) continue;
      const waits = this.queue.indexOf(target.line.key);
      if (waits >= 0) this.#show(this.queue.splice(waits, 1)[0], false);
      for (const id of this.ids) COLUMNS.get(id).onSight?.(target.line.cells[id]);
    }
  }

  /** Where the focus is, for when its row goes: the row's place, and which of its controls it is. */
  #focusedPlace() {
    const control = document.activeElement;
    const tr = this.body.contains(control) ? control.closest("tr") : null;
    return tr && { key: tr.line.key, at: this.keys.indexOf(tr.line.key), control: control.classList[0] };
  }

  /** A row that went, or was moved, takes the focus with it: it goes to the row itself, or to the one in its place. */
  #refocus({ key, at, control }) {
    if (this.body.contains(document.activeElement)) return;
    const { tr } = this.lines.get(key) ?? this.lines.get(this.keys[Math.min(at, this.keys.length - 1)]) ?? {};
    tr?.querySelector(`.${control}`)?.focus({ preventScroll: true });
  }
}

/** The value of the coin's cell: the same object as before unless something has changed. */
function named(row, places, twin, before) {
  const [name, symbol, logo] = [row[places.Name], row[places.Symbol], row[places.Logo]];
  const old = oldness(row, serverNow());
  const same = before && before.name === name && before.symbol === symbol && before.logo === logo && before.twin === twin && before.old === old;
  return same ? before : { name, symbol, logo, twin, old, when: stopped(row, serverNow(), page.locale, page.timeZone) };
}
