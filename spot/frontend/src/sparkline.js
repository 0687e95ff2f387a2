// A week of prices as a line. Each has its own scale: it shows the shape, the numbers beside it the size.

import { setAttribute, svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 32;
const INSET = 2;

/** "x,y x,y ..." of a list of prices, gaps left out; "" when there is no line to draw. */
export function points(prices, width = WIDTH, height = HEIGHT) {
  const known = (prices ?? []).map((price, index) => [index, price]).filter(([, price]) => Number.isFinite(price));
  if (known.length < 2) return "";
  const values = known.map(([, price]) => price);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  const x = (index) => (index / (prices.length - 1)) * width;
  const y = (price) => (span ? height - INSET - ((price - low) / span) * (height - 2 * INSET) : height / 2);
  return known.map(([index, price]) => `${x(index).toFixed(1)},${y(price).toFixed(1)}`).join(" ");
}

export function sparkline() {
  const box = { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img" };
  return svg("svg", box, svg("polyline", {}));
}

export function showSparkline(chart, prices, description) {
  if (chart.prices === prices) return; // most frames leave it as it is
  chart.prices = prices;
  const known = (prices ?? []).filter(Number.isFinite);
  const way = known.length < 2 || known.at(-1) === known[0] ? "flat" : known.at(-1) > known[0] ? "up" : "down";
  setAttribute(chart, "data-way", way);
  setAttribute(chart, "aria-label", description(known));
  setAttribute(chart.firstChild, "points", points(prices));
}
