// The headings of the market table: buttons that sort. On a phone, where few columns show, a list does it instead.

import { el, select, setAttribute } from "../widgets/dom.js";
import { COLUMNS } from "./columns.js";
import { SORTS } from "./question.js";

const WAYS = { asc: "ascending", desc: "descending" };

export class MarketHead {
  /** `sort(field)` goes on to the field's next order, `choose(field, order)` takes this one. */
  constructor(sort, choose) {
    this.sort = sort;
    this.element = el("tr", {});
    const orders = [...COLUMNS.values()].filter(({ id }) => SORTS[id] && id !== "rank").flatMap(({ sort: field, words }) => [[`${field} desc`, `${words} ↓`], [`${field} asc`, `${words} ↑`]]);
    this.list = select("Sort", [["", "Market cap rank"], ...orders], "", (value) => choose(...(value ? value.split(" ") : [null, null])));
    this.list.classList.add("market-sort");
  }

  columns(ids) {
    this.element.replaceChildren(...ids.map((id) => this.#heading(COLUMNS.get(id))));
  }

  /** Gives every column its width in rem but the coin's, which has what is left. */
  measure(widths) {
    for (const cell of this.element.children) {
      const width = cell.dataset.column === "coin" ? "" : `${widths[cell.dataset.column]}rem`;
      if (cell.style.width !== width) cell.style.width = width;
    }
  }

  /** Shows which order is in force. */
  tell({ field, order }) {
    for (const cell of this.element.children) setAttribute(cell, "aria-sort", field && cell.dataset.sort === field ? WAYS[order] : null);
    this.list.querySelector("select").value = field ? `${field} ${order}` : "";
  }

  #heading({ id, text, words, sort }) {
    const inner = sort ? el("button", { type: "button", onclick: () => this.sort(sort) }, text) : text;
    return el("th", { scope: "col", class: `col-${id}`, "data-column": id, "data-sort": sort, title: words }, inner);
  }
}
