// The form of the console: an input for each parameter of a feed.

import { el } from "../widgets/dom.js";

const FIRST = ["page_size"]; // of the parameters that all feeds share, shown beside a feed's own ones

/** The fields of a feed as a form. `changed` is called with the values by name whenever one changes. */
export function formOf(feed, values, changed) {
  const form = el("div", { class: "console-fields" });
  const set = (name, value) => {
    values[name] = value;
    changed();
  };
  const shared = feed.fields.findIndex(({ name }) => name === "filters");
  const own = feed.fields.filter((field, place) => place < shared || FIRST.includes(field.name));
  const others = feed.fields.filter((field) => !own.includes(field));
  const isOpen = others.some(({ name }) => values[name]);
  form.append(
    ...own.map((field) => line(field, values, set)),
    el("details", { class: "console-more", open: isOpen }, el("summary", {}, "Filters, search, sorting and pages"), ...others.map((field) => line(field, values, set))),
  );
  return form;
}

function line(field, values, set) {
  const id = `console-${field.name}`;
  const label = el("label", { for: id }, field.name, field.required ? el("span", { class: "console-required" }, " required") : "");
  return el("div", { class: "console-field" }, label, input(field, id, values, set), el("small", { id: `${id}-note` }, field.description));
}

function input(field, id, values, set) {
  const value = values[field.name] ?? "";
  if (field.several && field.words) return boxes(field, id, value, set);
  if (field.words) return choice(field, id, value, set);
  const list = field.suggestions.length ? `${id}-list` : null;
  const box = el("input", {
    id,
    type: field.kind === "number" ? "number" : "text",
    step: field.kind === "number" ? "any" : null,
    min: field.least,
    max: field.most,
    list,
    value,
    placeholder: field.kind === "json" ? '{"market_cap": {"gte": 1e9}}' : field.default,
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": `${id}-note`,
    oninput: () => set(field.name, box.value.trim()),
  });
  if (!list) return box;
  return el("span", {}, box, el("datalist", { id: list }, ...field.suggestions.map((word) => el("option", { value: word }))));
}

function choice(field, id, value, set) {
  const usual = field.default ? `${field.default} (default)` : "–";
  const words = field.words.filter((word) => word !== field.default);
  const pick = el("select", { id, "aria-describedby": `${id}-note`, onchange: () => set(field.name, pick.value) }, el("option", { value: "" }, usual));
  pick.append(...words.map((word) => el("option", { value: word, selected: word === value }, word)));
  return pick;
}

/** Words of which several may be chosen, in their usual order. */
function boxes(field, id, value, set) {
  const chosen = new Set((value || field.default).split(",").filter(Boolean));
  const group = el("span", { id, class: "console-boxes", role: "group", "aria-label": field.name });
  for (const word of field.words) {
    const box = el("input", { type: "checkbox", checked: chosen.has(word), onchange: () => {
      if (box.checked) chosen.add(word);
      else chosen.delete(word);
      set(field.name, field.words.filter((one) => chosen.has(one)).join(","));
    } });
    group.append(el("label", {}, box, word));
  }
  return group;
}
