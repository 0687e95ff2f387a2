// The form for the columns of the market table, their order, and the density of rows.

import { settings } from "../page/settings.js";
import { choice, el } from "../widgets/dom.js";
import { COLUMNS } from "./columns.js";
import { KEPT, moved, offered, toggled } from "./layout.js";

const DENSITIES = [["comfortable", "Comfortable"], ["compact", "Compact"]];

export function density() {
  return settings.get("market.density") === "compact" ? "compact" : "comfortable";
}

export function flashes() {
  return settings.get("market.flashes", true) !== false;
}

export class ColumnForm {
  /** `changed(ids)` is called with the columns to show, or with null for the usual ones. */
  constructor(changed) {
    this.changed = changed;
    this.list = el("ul", { class: "column-list" });
    const rows = choice("Density", DENSITIES, density(), (key) => settings.set("market.density", key === "compact" ? key : null));
    const lit = el("input", { type: "checkbox", checked: flashes(), onchange: () => settings.set("market.flashes", lit.checked ? null : false) });
    const usual = el("button", { type: "button", class: "button", onclick: () => this.changed(null) }, "Usual columns");
    this.box = el(
      "div",
      { class: "columns", id: "market-columns", role: "group", "aria-label": "Columns of the market" },
      this.list,
      el("div", { class: "columns-more" }, rows, el("label", { class: "check" }, lit, "Light up what changes"), usual),
    );
  }

  show(ids) {
    this.ids = ids;
    const focus = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.list.replaceChildren(...offered(ids).map((id) => this.#item(id)));
    if (focus) this.#refocus(focus);
  }

  #item(id) {
    const { words } = COLUMNS.get(id);
    const name = words.replace(/ of the last.*/, ": last 7 days");
    const on = this.ids.includes(id);
    const box = el("input", { type: "checkbox", checked: on, disabled: KEPT.includes(id), "aria-label": name, onchange: () => this.changed(toggled(this.ids, id)) });
    const step = (by, glyph, where) => {
      const ids = moved(this.ids, id, by);
      return el("button", { type: "button", class: "column-step", "aria-label": `${name}: ${where}`, disabled: ids === this.ids, onclick: () => this.changed(ids) }, glyph);
    };
    return el("li", {}, el("label", { class: "check" }, box, name), step(-1, "↑", "further left"), step(1, "↓", "further right"));
  }

  /** The list has been made anew: the same control has the focus, or its neighbour where that is not possible any more. */
  #refocus(label) {
    const named = [...this.list.querySelectorAll("[aria-label]")].find((control) => control.getAttribute("aria-label") === label);
    const item = named?.closest("li");
    (named?.disabled ? item.querySelector("button:enabled, input:enabled") : named)?.focus();
  }
}
