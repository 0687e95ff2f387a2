// Single keys for the whole page, and the list of them that "?" shows. They never fire while somebody types.
//
//   shortcut("p", "Pause or resume updates", () => page.setPaused(!page.paused));
//   keysOf("Market map", [["← ↑ → ↓", "Go to the next coin"]]);      // keys that a panel handles by itself: listed only

import { settings } from "../page/settings.js";
import { el } from "../widgets/dom.js";
import { isTyping } from "./typing.js";

const EVERYWHERE = "Everywhere";
const SETTING = "shortcuts";

const actions = new Map(); // key -> action
const sections = new Map([[EVERYWHERE, new Map()]]); // where -> keys -> words

/** Makes a key do something, wherever the focus is. */
export function shortcut(key, words, action, where = EVERYWHERE) {
  actions.set(key, action);
  keysOf(where, [[key, words]]);
}

/** Adds [keys, words] pairs to the list, for keys that work where the focus is. */
export function keysOf(where, pairs) {
  const section = sections.get(where) ?? new Map();
  for (const [keys, words] of pairs) section.set(keys, words);
  sections.set(where, section);
}

function pressed(event) {
  const action = actions.get(event.key);
  if (!action || event.repeat || isTyping(event) || document.querySelector("dialog[open]")) return;
  if (event.key !== "?" && !settings.get(SETTING, true)) return;
  event.preventDefault();
  action();
}

function lists() {
  return [...sections].filter(([, keys]) => keys.size).map(([where, keys]) => {
    const list = el("dl", {});
    for (const [key, words] of keys) list.append(el("div", {}, el("dt", {}, ...key.split(" ").map((name) => el("kbd", {}, name))), el("dd", {}, words)));
    return el("section", {}, el("h3", {}, where), list);
  });
}

/** The list of keys. Closing it gives the focus back to where it was. */
export function showShortcuts() {
  const on = el("input", { type: "checkbox", checked: settings.get(SETTING, true), onchange: () => settings.set(SETTING, on.checked) });
  const close = el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close");
  const dialog = el(
    "dialog",
    { class: "shortcuts", "aria-labelledby": "shortcuts-title", onclose: () => dialog.remove() },
    el("header", {}, el("h2", { id: "shortcuts-title" }, "Keyboard"), close),
    el("div", { class: "shortcuts-lists" }, ...lists()),
    el("label", {}, on, "Single keys work wherever I am on the page"),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  document.body.append(dialog);
  dialog.showModal();
}

/** <spot-shortcuts>: the button that shows the list. */
class Shortcuts extends HTMLElement {
  connectedCallback() {
    this.replaceChildren(el("button", { type: "button", class: "button shortcuts-button", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: showShortcuts }, el("span", { "aria-hidden": "true" }, "?")));
  }
}

/** The search field of the market, on this page or else on the dashboard. */
export function search() {
  const field = document.querySelector("spot-market input[type=search]");
  if (!field) return location.assign("/#search");
  field.focus();
  field.select();
}

addEventListener("keydown", pressed);
shortcut("?", "Show this list", showShortcuts);
shortcut("/", "Search", search);
keysOf(EVERYWHERE, [["Tab", "Go to the next control"], ["Esc", "Close what is open"]]);
customElements.define("spot-shortcuts", Shortcuts);
