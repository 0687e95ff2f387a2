// The card of a tile: one for the page, inside the window. Escape closes it; the pointer passes through it.

import { el, setAttribute, setText, svg } from "../widgets/dom.js";
import { points } from "../widgets/sparkline.js";

export const ID = "tooltip";

const GAP = 10;
const LINE = { width: 220, height: 40 };
let card = null;

function line() {
  const box = { class: "tooltip-line", viewBox: `0 0 ${LINE.width} ${LINE.height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", box, svg("polyline", {}));
}

function tooltip() {
  if (card) return card;
  const parts = { title: el("strong"), note: el("span", { class: "tooltip-note" }), lines: el("dl"), chart: line(), foot: el("span", { class: "tooltip-note" }) };
  card = { ...parts, node: el("div", { class: "tooltip", role: "tooltip", id: ID, hidden: true }, ...Object.values(parts)) };
  document.body.append(card.node);
  return card;
}

/** Fills in pairs of [label, text], reusing the elements. */
function fill(list, lines) {
  while (list.children.length > 2 * lines.length) list.lastChild.remove();
  while (list.children.length < 2 * lines.length) list.append(el(list.children.length % 2 ? "dd" : "dt"));
  for (const [index, [label, text]] of lines.entries()) {
    setText(list.children[2 * index], label);
    setText(list.children[2 * index + 1], text);
  }
}

function draw(chart, prices) {
  const [first, last] = [prices?.at(0), prices?.at(-1)];
  setAttribute(chart.firstChild, "points", points(prices, LINE.width, LINE.height));
  setAttribute(chart, "hidden", prices === undefined ? "" : null);
  setAttribute(chart, "data-way", last > first ? "up" : last < first ? "down" : "flat");
}

/** Beside the box where there is room, and always inside the window. */
function placed(node, box) {
  const { offsetWidth: width, offsetHeight: height } = node;
  const beside = box.right + GAP + width < innerWidth ? box.right + GAP : box.left - GAP - width;
  node.style.left = `${Math.max(GAP, Math.min(beside, innerWidth - width - GAP))}px`;
  node.style.top = `${Math.max(GAP, Math.min(box.top, innerHeight - height - GAP))}px`;
}

/** Shows {title, note, lines, foot} beside a box of the window, with the line of `prices`; null reserves its room. */
export function show(box, { title, note, lines, foot, prices }) {
  const tip = tooltip();
  setText(tip.title, title);
  setText(tip.note, note);
  setText(tip.foot, foot);
  fill(tip.lines, lines);
  draw(tip.chart, prices);
  tip.node.hidden = false;
  placed(tip.node, box);
}

export function hide() {
  if (card) card.node.hidden = true;
}
