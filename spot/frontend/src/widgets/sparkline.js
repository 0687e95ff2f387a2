// A week of prices as a line, each on its own scale.

import { setAttribute, svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 32;
const INSET = 2;

/** "x,y x,y ..." of a list of prices, gaps left out; "" when there is no line to draw. */
export function points(prices, width = WIDTH, height = HEIGHT) {
  const places = (prices ?? []).map((price, index) => [index, price]).filter(([, price]) => Number.isFinite(price));
  if (places.length < 2) return "";
  const values = places.map(([, price]) => price);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  const x = (index) => (index / (prices.length - 1)) * width;
  const y = (price) => (span ? height - INSET - ((price - low) / span) * (height - 2 * INSET) : height / 2);
  return places.map(([index, price]) => `${x(index).toFixed(1)},${y(price).toFixed(1)}`).join(" ");
}

/** "7 days: from $1.00 to $1.20, lowest $0.90, highest $1.30". */
export function description(prices, numbers) {
  const values = (prices ?? []).filter(Number.isFinite);
  if (values.length < 2) return "No prices of the last 7 days";
  const text = (value) => numbers.price(value);
  return `7 days: from ${text(values[0])} to ${text(values.at(-1))}, lowest ${text(Math.min(...values))}, highest ${text(Math.max(...values))}`;
}

/** "up", "down" or "flat", from the first to the last price that is known. */
export function way(prices) {
  const values = (prices ?? []).filter(Number.isFinite);
  if (values.length < 2 || values.at(-1) === values[0]) return "flat";
  return values.at(-1) > values[0] ? "up" : "down";
}

export function sparkline() {
  const box = { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img" };
  return svg("svg", box, svg("polyline", {}));
}

/** Sets the prices, colour and label; `drawSparkline` draws the line. */
export function showSparkline(chart, prices, numbers) {
  chart.prices = prices;
  chart.drawn = false;
  setAttribute(chart, "data-way", way(prices));
  setAttribute(chart, "aria-label", description(prices, numbers));
}

export function drawSparkline(chart) {
  if (chart.drawn) return;
  chart.drawn = true;
  setAttribute(chart.firstChild, "points", points(chart.prices));
}
