// How a coin is named on the page: a lettered disc, its name and its symbol, linked to its own page.

import { el, setAttribute, setText } from "./dom.js";
import { page } from "./page.js";

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

export function showCoin(anchor, { symbol, name }) {
  const [mark, text] = anchor.children;
  setText(mark, letter(symbol));
  setText(text.firstChild, name);
  setText(text.lastChild, symbol);
  setAttribute(anchor, "title", `${name} (${symbol}), ${anchor.dataset.coin}`);
}
