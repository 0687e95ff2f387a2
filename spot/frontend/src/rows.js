// The rows of the market table. They are made once, filled in place, and keep their order while somebody points at
// them or has the focus in them.

import { flash } from "./change.js";
import { COLUMNS, valueOf } from "./columns.js";
import { el, setAttribute } from "./dom.js";
import { arrangement, namesakes } from "./held.js";
import { Hold, place } from "./hold.js";

const NEAR = "300px"; // rows this far from the window count as seen

export class Rows {
  lines = new Map(); // coin id -> {key, tr, cells, values, seen}
  keys = []; // as they stand
  ids = []; // of the columns

  /** `released` is called when the order need not be held any more. */
  constructor(released) {
    this.body = el("tbody", {});
    this.hold = new Hold(this.body, released);
    this.sight = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: NEAR });
  }

  /** Other columns, in another order: every row is made anew. */
  setColumns(ids) {
    this.ids = ids;
    for (const key of [...this.lines.keys()]) this.#drop(key);
    this.keys = [];
  }

  /**
   * Shows a view. `style` is equal as long as numbers are written alike; `moving` has the keys of the rows whose
   * changes are news; `mayHold` says whether it is the same question as before. Returns how many places wait.
   */
  draw({ headers, keys, rows }, { numbers, style, moving, mayHold }) {
    const places = Object.fromEntries(headers.map((header, index) => [header, index]));
    const { keys: standing, waiting, gone } = arrangement(this.keys, keys, mayHold && this.hold.on);
    const twins = namesakes(keys.map((key) => [key, rows.get(key)[places.Symbol]]));
    const focus = this.#focusedPlace();
    for (const key of this.keys) if (!standing.includes(key)) this.#drop(key);
    for (const key of standing) {
      const line = this.lines.get(key) ?? this.#line(key);
      setAttribute(line.tr, "data-gone", gone.has(key) ? "" : null);
      if (!gone.has(key)) this.#fill(line, rows.get(key), { places, numbers, style, twin: twins.has(key), moves: moving.has(key) });
    }
    place(this.body, standing.map((key) => this.lines.get(key).tr));
    this.keys = [...standing];
    if (focus) this.#refocus(focus);
    return waiting;
  }

  #fill(line, row, { places, numbers, style, twin, moves }) {
    const written = line.style === style;
    line.style = style;
    for (const id of this.ids) {
      const column = COLUMNS.get(id);
      const before = line.values[id];
      const value = column.header ? valueOf(column, row, places) : { ...valueOf(column, row, places), twin };
      if (written && column.header && value === before) continue;
      line.values[id] = value;
      column.show(line.cells[id], value, numbers);
      if (line.seen) column.onSight?.(line.cells[id]);
      if (written && moves && line.seen && id !== "row") flash(line.cells[id], before, value);
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

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      target.line.seen = isIntersecting;
      if (!isIntersecting) continue;
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
