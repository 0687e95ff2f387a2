// The pager below a table: the range of its rows, and buttons for the other pages.

import { count } from "../data/format.js";
import { page } from "../page/page.js";
import { el, select, setText } from "./dom.js";

export class Pager {
  at = 1;
  last = 1;

  /** `turn(page)` and `resize(size)` are called with the visitor's choice. */
  constructor(name, turn, { sizes = [], size = null, resize = null } = {}) {
    this.turn = turn;
    this.where = el("span", { class: "pager-where" });
    this.steps = [
      this.#step("First page", "«", () => 1),
      this.#step("Previous page", "‹ Previous", () => this.at - 1),
      this.#step("Next page", "Next ›", () => this.at + 1),
      this.#step("Last page", "»", () => this.last),
    ];
    this.size = resize && select("Rows", sizes.map((n) => [n, n]), size, resize, "Rows of a page");
    this.element = el("nav", { class: "pager", "aria-label": name }, this.where, ...(this.size ? [this.size] : []), ...this.steps);
  }

  resized(size) {
    this.size.querySelector("select").value = size;
  }

  show({ total, page: at, pages }, size, shown) {
    this.at = at;
    this.last = pages;
    const first = shown ? (at - 1) * size + 1 : 0;
    const text = (value) => count(value, page.locale);
    setText(this.where, shown ? `${text(first)}–${text(first + shown - 1)} of ${text(total)} · page ${text(at)} of ${text(pages)}` : "");
    // Not `disabled`: a button that has the focus would lose it.
    for (const [index, step] of this.steps.entries()) step.setAttribute("aria-disabled", String(index < 2 ? at <= 1 : at >= pages));
  }

  #step(name, text, target) {
    const go = () => step.getAttribute("aria-disabled") !== "true" && this.turn(target());
    const step = el("button", { type: "button", class: "button", "aria-label": name, onclick: go }, text);
    return step;
  }
}
