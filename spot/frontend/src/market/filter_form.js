// The form for the filters of the market, and the chips of those in force.

import { percent } from "../data/format.js";
import { page } from "../page/page.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { FILTERS, inWords, readRange } from "./filters.js";

/** A button that opens and closes a box further down; Escape in the box closes it too. */
export function opener(text, box, onOpen = () => {}) {
  const button = el("button", { type: "button", class: "button", "aria-expanded": "false", "aria-controls": box.id }, text);
  const open = (visible) => {
    box.hidden = !visible;
    setAttribute(button, "aria-expanded", String(visible));
    button.classList.toggle("button-on", visible);
    if (visible) onOpen();
  };
  button.addEventListener("click", () => open(box.hidden));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    open(false);
    button.focus();
  });
  box.hidden = true;
  box.open = open;
  return button;
}

function writer(numbers) {
  return ({ kind, id }, number) => {
    if (kind === "percent") return percent(number, page.locale);
    return id === "price" ? numbers.price(number) : numbers.compact(number);
  };
}

/** A number as the text of an input field: all digits, in the format of the locale. */
function typed(number) {
  return number === null ? "" : new Intl.NumberFormat(page.locale, { maximumFractionDigits: 20 }).format(number);
}

export class FilterForm {
  fields = new Map(); // filter id -> {inputs, error}

  /** `changed(filters)` is called with the whole set when it has changed; `offers` are texts to pick from, by filter id. */
  constructor(changed, offers = {}) {
    this.changed = changed;
    this.filters = {};
    this.box = el("form", { class: "filters", id: "market-filters", novalidate: true, "aria-label": "Filters of the market" });
    this.box.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#read();
    });
    for (const filter of FILTERS) this.box.append(this.#field(filter));
    for (const [id, texts] of Object.entries(offers)) this.#offer(id, texts);
    this.box.append(el("button", { class: "hidden", tabindex: "-1" }, "Apply"));
  }

  /** Shows these filters, except in the field that has the focus. */
  show(filters) {
    this.filters = filters;
    for (const { id, kind } of FILTERS) {
      const { inputs } = this.fields.get(id);
      const value = filters[id];
      const texts = kind === "text" ? [value ?? ""] : [typed(value?.low ?? null), typed(value?.high ?? null)];
      this.#showProblems(id, {});
      for (const [index, input] of inputs.entries()) if (input !== document.activeElement) input.value = texts[index];
    }
  }

  /** Shows an error message of the server beside its field. */
  refuse(filter, message) {
    this.box.open(true);
    this.#showProblems(filter.id, { low: message });
    this.fields.get(filter.id).inputs[0].focus();
  }

  #field(filter) {
    const error = el("p", { class: "filter-error", id: `filter-${filter.id}-error`, role: "alert", hidden: true });
    const sides = filter.kind === "text" ? [["has", "contains"]] : [["from", "from"], ["to", "up to"]];
    const inputs = sides.map(([placeholder, words]) => {
      const mode = filter.kind === "text" ? "text" : "decimal";
      return el("input", { type: "text", inputmode: mode, placeholder, "aria-label": `${filter.words} ${words}`, autocomplete: "off", spellcheck: "false", maxlength: "100", onchange: () => this.#read() });
    });
    this.fields.set(filter.id, { inputs, error });
    const unit = filter.kind === "percent" ? " (%)" : "";
    return el("fieldset", { class: "filter" }, el("legend", {}, filter.words, unit), el("div", { class: "filter-inputs" }, ...inputs), error);
  }

  #offer(id, texts) {
    const list = el("datalist", { id: `filter-${id}-texts` }, ...texts.map((value) => el("option", { value })));
    this.fields.get(id).inputs[0].setAttribute("list", list.id);
    this.box.append(list);
  }

  #read() {
    const filters = {};
    let wrong = false;
    for (const filter of FILTERS) {
      const texts = this.fields.get(filter.id).inputs.map((input) => input.value);
      const { value, ...problems } = filter.kind === "text" ? { value: texts[0].trim() || null } : readRange(filter, ...texts, page.locale);
      this.#showProblems(filter.id, problems);
      wrong ||= Object.keys(problems).length > 0;
      if (value != null) filters[filter.id] = value;
      else if (Object.keys(problems).length && this.filters[filter.id]) filters[filter.id] = this.filters[filter.id];
    }
    if (JSON.stringify(filters) !== JSON.stringify(this.filters)) this.changed(filters);
    return !wrong;
  }

  #showProblems(id, { low, high }) {
    const { inputs, error } = this.fields.get(id);
    for (const [index, problem] of [low, high].entries()) {
      if (!inputs[index]) continue;
      setAttribute(inputs[index], "aria-invalid", problem ? "true" : null);
      setAttribute(inputs[index], "aria-describedby", problem ? error.id : null);
    }
    setText(error, [low, high].filter(Boolean).join(" "));
    error.hidden = !(low || high);
  }
}

/** The filters in force as [text, without] pairs, `without` being what is left when it is taken away. */
export function conditions(filters, numbers) {
  return FILTERS.filter(({ id }) => filters[id] != null).map((filter) => {
    const { [filter.id]: value, ...others } = filters;
    return [inWords(filter, value, writer(numbers)), others];
  });
}

/** A chip: its text and the button that removes it. */
export function chip(text, remove) {
  const button = el("button", { type: "button", class: "chip-remove", "aria-label": `Remove: ${text}`, title: "Remove", onclick: remove }, el("span", { "aria-hidden": "true" }, "×"));
  return el("li", { class: "chip" }, el("bdi", {}, text), button);
}
