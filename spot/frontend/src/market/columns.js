// The columns of the market table: names, and functions that create and fill their cells.

import { amount, count, NONE, spaced } from "../data/format.js";
import { page } from "../page/page.js";
import { changeCell, showChange } from "../widgets/change.js";
import { coinLink, showCoin } from "../widgets/coin_name.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { drawSparkline, showSparkline, sparkline } from "../widgets/sparkline.js";
import { nameStar, star } from "../widgets/star.js";
import { SORTS } from "./question.js";

const WINDOW_WORDS = { h: "hour", d: "day", y: "year" };

/** The title with all digits is written on hover: formatting 500 rows each second would be too slow. */
function number(format, missing) {
  const hint = (value, numbers) => (value === null ? `The source gives no ${missing}` : numbers.exact(value));
  return {
    make: () => el("span", { class: "number" }),
    hint,
    show(cell, value, numbers) {
      setText(cell, numbers[format](value));
      if (value === null || cell.title) setAttribute(cell, "title", hint(value, numbers));
    },
  };
}

/** A window of the price change, "1h" to "1y". */
function change(window) {
  const [size, unit] = [window.slice(0, -1), window.slice(-1)];
  const words = `${size} ${WINDOW_WORDS[unit]}${size === "1" ? "" : "s"}`;
  return {
    id: window,
    header: `${window} Change (%)`,
    text: spaced(window),
    words: `Change over ${words}`,
    make: changeCell,
    show(cell, value) {
      showChange(cell, value);
      setAttribute(cell, "title", value === null ? `The source gives no change over ${words}` : null);
    },
  };
}

/** Coins, not money. */
function supply(missing) {
  const hint = (value) => (value === null ? `The source gives no ${missing}` : count(value, page.locale));
  return {
    make: () => el("span", { class: "number" }),
    hint,
    show(cell, value) {
      setText(cell, amount(value, page.locale));
      if (value === null || cell.title) setAttribute(cell, "title", hint(value));
    },
  };
}

const category = {
  make: () => el("span", {}),
  show(cell, value) {
    setText(cell, value ?? NONE);
    setAttribute(cell, "title", value ?? "No source says which category it belongs to");
  },
};

const place = { make: () => el("span", {}), show: (cell, value) => setText(cell, count(value, page.locale)) };

const coin = {
  make: (key) => el("div", { class: "market-coin" }, star(key), coinLink(key), el("span", { class: "coin-old" })),
  show(cell, value) {
    showCoin(cell.children[1], value);
    setText(cell.lastChild, value.old);
    setAttribute(cell.lastChild, "title", value.when || null);
    nameStar(cell.firstChild, value.name);
    setAttribute(cell.parentNode, "aria-label", `${value.name} ${value.symbol}`); // the star is no part of the row's name
  },
};

const chart = {
  make: sparkline,
  show: (cell, prices, numbers) => showSparkline(cell, prices, numbers),
  onSight: drawSparkline, // a thousand points a second are not for rows that nobody sees
};

/** `header` is the column's name on the wire, `words` what it is called where there is room. */
export const COLUMNS = new Map(
  [
    { id: "rank", header: "Rank", text: "Rank", words: "Rank by market cap", ...place },
    { id: "row", header: "Row", text: "Row", words: "Place in this list", ...place },
    { id: "coin", header: null, text: "Coin", words: "Name", ...coin },
    { id: "price", header: "Price", text: "Price", words: "Price", ...number("price", "price") },
    ...["1h", "24h", "7d", "14d", "30d", "200d", "1y"].map(change),
    { id: "high", header: "24h High", text: "24 h high", words: "Highest price of 24 hours", ...number("price", "24 h high") },
    { id: "low", header: "24h Low", text: "24 h low", words: "Lowest price of 24 hours", ...number("price", "24 h low") },
    { id: "ath", header: "ATH", text: "All-time high", words: "All-time high", ...number("price", "all-time high") },
    { id: "cap", header: "Market Cap", text: "Market cap", words: "Market cap", ...number("compact", "market cap") },
    { id: "fdv", header: "FDV", text: "Diluted cap", words: "Fully diluted valuation", ...number("compact", "fully diluted valuation") },
    { id: "volume", header: "24h Volume", text: "24 h volume", words: "24 h volume", ...number("compact", "24 h volume") },
    { id: "supply", header: "Circulating Supply", text: "Supply", words: "Circulating supply", ...supply("circulating supply") },
    { id: "max", header: "Max Supply", text: "Max supply", words: "Maximum supply", ...supply("maximum supply") },
    { id: "category", header: "Category", text: "Category", words: "Category", ...category },
    { id: "chart", header: "7d Chart", text: "Last 7 days", words: "Line of the last 7 days, each from its own lowest to its own highest price", ...chart },
  ].map((column) => [column.id, { ...column, sort: SORTS[column.id] }]),
);
