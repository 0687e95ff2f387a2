// A percentage with its arrow and colour, and the flash of a price that has just moved.

import { el, setAttribute, setText } from "./dom.js";
import { direction, percent } from "./format.js";
import { page } from "./page.js";

const ARROWS = { up: "▲", down: "▼", flat: "", none: "" };

export function changeCell() {
  return el("span", { class: "change" }, el("span", { class: "arrow", "aria-hidden": "true" }), el("span"));
}

/** The sign is in the text and in the arrow, never in the colour alone. */
export function showChange(cell, value) {
  const way = direction(value);
  setAttribute(cell, "data-way", way);
  setText(cell.firstChild, ARROWS[way]);
  setText(cell.lastChild, percent(value, page.locale));
}

/** Lights an element up for a moment by the direction in which its number moved. */
export function flash(element, before, after) {
  if (page.calm.matches || typeof before !== "number" || typeof after !== "number" || before === after) return;
  const colour = after > before ? "var(--flash-up)" : "var(--flash-down)";
  element.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], { duration: 900, easing: "ease-out" });
}
