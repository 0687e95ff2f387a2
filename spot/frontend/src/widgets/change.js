// A percentage with its arrow and colour, and the flash of a number that has just moved.

import { direction, percent } from "../data/format.js";
import { page } from "../page/page.js";
import { el, setAttribute, setText } from "./dom.js";

const ARROWS = { up: "▲", down: "▼", flat: "", none: "" };
const APART_MS = 1_000; // between two flashes of one place
const SHOWN_MS = 900;

const flashedAt = new WeakMap();

export function changeCell() {
  return el("span", { class: "change" }, el("span", { class: "arrow", "aria-hidden": "true" }), el("span"));
}

/** Text and arrow show the sign, never the colour alone. */
export function showChange(cell, value) {
  const way = direction(value);
  setAttribute(cell, "data-way", way);
  setText(cell.firstChild, ARROWS[way]);
  setText(cell.lastChild, percent(value, page.locale));
}

/** Flashes a new element. */
export function light(element) {
  if (page.calm.matches) return;
  element.animate([{ backgroundColor: "var(--raised)" }, { backgroundColor: "transparent" }], { duration: 4 * SHOWN_MS, easing: "ease-out" });
}

/** Flashes an element in the colour of its change, at most once a second. */
export function flash(element, before, after) {
  if (page.calm.matches || typeof before !== "number" || typeof after !== "number" || before === after) return;
  const now = performance.now();
  if (now - (flashedAt.get(element) ?? -APART_MS) < APART_MS) return;
  flashedAt.set(element, now);
  const colour = after > before ? "var(--flash-up)" : "var(--flash-down)";
  element.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], { duration: SHOWN_MS, easing: "ease-out" });
}
