// How a coin is named on the page: a lettered disc, its name and its symbol, linked to its own page.

import { page } from "../page/page.js";
import { el, setAttribute, setText } from "./dom.js";
import { showLogo } from "./logo.js";

function address(id) {
  const query = page.currency === "usd" ? "" : `?vs=${page.currency}`;
  return `/coin/${encodeURIComponent(id)}/${query}`;
}

page.addEventListener("currency", () => {
  for (const anchor of document.querySelectorAll("a[data-coin]")) anchor.href = address(anchor.dataset.coin);
});

/** A link to the page of a coin, which follows the currency that the visitor looks at. */
export function link(id, attributes, ...children) {
  return el("a", { ...attributes, href: address(id), "data-coin": id }, ...children);
}

/** Makes a link lead to another coin. */
export function retarget(anchor, id) {
  anchor.dataset.coin = id;
  anchor.href = address(id);
}

function hue(text) {
  let hash = 0;
  for (const letter of text) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

/** The disc of a coin, for its `letter`, in a colour that is its own. */
export function disc(id) {
  const mark = el("span", { class: "disc", "aria-hidden": "true" });
  mark.style.setProperty("--hue", hue(id));
  return mark;
}

export function letter(symbol) {
  return [...(symbol || "?")][0];
}

/** Disc, name and symbol of a coin, filled in by `showCoin`. <bdi> keeps a right-to-left name from turning the rest. */
export function coinLink(id) {
  const text = el("span", { class: "coin-text" }, el("bdi", { class: "coin-name" }), el("bdi", { class: "coin-symbol" }));
  return link(id, { class: "coin" }, disc(id), text);
}

/** A `twin` has a symbol that another coin beside it has too, and shows its id as well. */
export function showCoin(anchor, { symbol, name, logo, twin = false }) {
  const [mark, text] = anchor.children;
  const [nameText, symbolText, id] = text.children;
  setText(mark, letter(symbol));
  showLogo(mark, anchor.dataset.coin, logo);
  setText(nameText, name);
  setText(symbolText, symbol);
  if (twin && !id) text.append(el("span", { class: "coin-id" }, anchor.dataset.coin));
  else if (!twin && id) id.remove();
  setAttribute(anchor, "title", `${name} (${symbol}), ${anchor.dataset.coin}`);
}
