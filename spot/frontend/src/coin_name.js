// How a coin is named on the page: a lettered disc, its name and its symbol, linked to its own page.

import { el } from "./dom.js";
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

/** A disc with the coin's first letter, in a colour that is its own. */
export function disc(id, symbol) {
  const mark = el("span", { class: "disc", "aria-hidden": "true" }, [...(symbol || "?")][0]);
  mark.style.setProperty("--hue", hue(id));
  return mark;
}

/** Disc, name and symbol; <bdi> keeps a right-to-left name from turning its neighbours around. */
export function coinLink({ id, symbol, name }) {
  return link(
    id,
    { class: "coin", title: `${name} (${symbol}), ${id}` },
    disc(id, symbol),
    el("span", { class: "coin-text" }, el("bdi", { class: "coin-name" }, name), el("bdi", { class: "coin-symbol" }, symbol)),
  );
}
