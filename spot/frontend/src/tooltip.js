// The card that names a tile: one for the page, kept inside the window.

import { el } from "./dom.js";

const GAP = 10;
let card = null;

function made() {
  if (card) return card;
  card = el("div", { class: "tooltip", role: "tooltip", id: "tooltip", hidden: true });
  document.body.append(card);
  return card;
}

/** Shows lines of [label, text] under a title beside an element. */
export function show(anchor, title, lines) {
  const tip = made();
  const table = el("dl", {});
  for (const [label, text] of lines) table.append(el("dt", {}, label), el("dd", {}, text));
  tip.replaceChildren(el("strong", {}, el("bdi", {}, title)), table);
  tip.hidden = false;
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = tip;
  const beside = box.right + GAP + width < innerWidth ? box.right + GAP : box.left - GAP - width;
  tip.style.left = `${Math.min(Math.max(GAP, beside), innerWidth - width - GAP)}px`;
  tip.style.top = `${Math.min(Math.max(GAP, box.top), innerHeight - height - GAP)}px`;
}

export function hide() {
  if (card) card.hidden = true;
}
