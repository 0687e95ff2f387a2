// <spot-market>: the market as a table. The server searches, sorts and pages; this only asks and shows.

import * as address from "./address.js";
import { changeCell, flash, showChange } from "./change.js";
import { coinLink, showCoin } from "./coin_name.js";
import { el, select, setAttribute, setText } from "./dom.js";
import { count } from "./format.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";
import { showSparkline, sparkline } from "./sparkline.js";

const TYPING_MS = 120; // after the last key before the search is sent
const PAGE_SIZES = ["25", "50", "100"];

function number(format) {
  return {
    make: () => el("span", {}),
    show(cell, value, numbers) {
      setText(cell, numbers[format](value));
      setAttribute(cell, "title", numbers.exact(value));
    },
  };
}

const change = { make: changeCell, show: showChange };

const line = {
  make: sparkline,
  show: (cell, prices, numbers) => showSparkline(cell, prices, (known) => describe(known, numbers)),
};

function describe(prices, numbers) {
  if (prices.length < 2) return "No prices of the last 7 days";
  const text = (value) => numbers.price(value);
  return `7 days: from ${text(prices[0])} to ${text(prices.at(-1))}, lowest ${text(Math.min(...prices))}, highest ${text(Math.max(...prices))}`;
}

// `header` is the column's name on the wire, `sort` the field that it sorts by.
const COLUMNS = [
  { id: "row", header: "Row", text: "#", make: () => el("span", {}), show: (cell, value) => setText(cell, count(value, page.locale)) },
  { id: "coin", header: "Name", text: "Coin", sort: "name" },
  { id: "price", header: "Price", text: "Price", sort: "price", ...number("price") },
  { id: "1h", header: "1h Change (%)", text: "1 h", sort: "price_change_1h", ...change },
  { id: "24h", header: "24h Change (%)", text: "24 h", sort: "price_change_24h", ...change },
  { id: "7d", header: "7d Change (%)", text: "7 d", sort: "price_change_7d", ...change },
  { id: "cap", header: "Market Cap", text: "Market cap", sort: "market_cap", ...number("compact") },
  { id: "volume", header: "24h Volume", text: "24 h volume", sort: "volume_24h", ...number("compact") },
  { id: "chart", header: "7d Chart", text: "Last 7 days", ...line },
];
const SORTS = COLUMNS.map(({ sort }) => sort).filter(Boolean);

class Market extends Panel {
  heading = "Market";
  lines = new Map(); // coin id -> {row, cells}

  build(body, controls) {
    const wanted = this.#wanted();
    this.input = el("input", { type: "search", placeholder: "Search name or symbol", "aria-label": "Search coins", autocomplete: "off", spellcheck: "false", maxlength: "100" });
    this.input.value = wanted.search ?? "";
    this.input.addEventListener("input", () => this.#typed());
    this.size = select("Rows", PAGE_SIZES.map((n) => [n, n]), String(wanted.page_size), (n) => this.#go({ rows: n === PAGE_SIZES[0] ? null : n, page: null }));
    controls.append(this.input, this.size);
    body.append(this.#table(), this.#nothing(), this.#pager());
  }

  openFeeds() {
    address.onWalk(() => this.#walked(), this.abort.signal);
    const wanted = Object.entries(this.#wanted()).filter(([, value]) => value !== null);
    return [this.feed("market", { per_page: 500, price_change_percentage: "1h,24h,7d", ...Object.fromEntries(wanted) })];
  }

  draw(feed, changes) {
    const { headers, keys, rows } = feed.view;
    this.columns = Object.fromEntries(headers.map((header, index) => [header, index]));
    for (const key of this.lines.keys()) if (!rows.has(key)) this.#drop(key);
    for (const key of keys) this.#show(key, rows.get(key));
    this.#arrange(keys);
    for (const [key, cells] of changes) this.#flash(key, cells);
    this.#count(feed.head, keys.length);
  }

  onCurrency() {
    this.ask(this.feeds[0], { vs_currency: page.currency, ...this.#wanted() });
  }

  onRefusal(feed, error) {
    super.onRefusal(feed, error);
    this.#sorted();
  }

  #table() {
    this.head = el("tr", {});
    for (const column of COLUMNS) this.head.append(this.#heading(column));
    this.rows = el("tbody", {});
    this.#sorted();
    const caption = el("caption", { class: "hidden" }, "Coins with price, changes, market cap and volume");
    return el("div", { class: "table-scroll" }, el("table", { class: "market" }, caption, el("thead", {}, this.head), this.rows));
  }

  #heading({ id, text, sort }) {
    const inner = sort ? el("button", { type: "button", onclick: () => this.#sort(sort) }, text) : text;
    return el("th", { scope: "col", class: `col-${id}`, "data-sort": sort }, inner);
  }

  #nothing() {
    const clear = el("button", { type: "button", class: "button", onclick: () => this.#clear() }, "Clear the search");
    this.emptyText = el("span", {});
    this.empty = el("div", { class: "table-empty", hidden: true }, el("strong", {}, "No coin matches"), this.emptyText, clear);
    return this.empty;
  }

  #pager() {
    const step = (by, text, name) => el("button", { type: "button", class: "button", "aria-label": name, onclick: () => this.#turn(by) }, text);
    this.back = step(-1, "‹ Previous", "Previous page");
    this.on = step(1, "Next ›", "Next page");
    this.where = el("span", { class: "pager-where", role: "status" });
    this.pages = el("nav", { class: "pager", "aria-label": "Pages of the table" }, this.where, this.back, this.on);
    return this.pages;
  }

  /** The view parameters as the address has them. */
  #wanted() {
    const sort = address.get("sort", null);
    const known = SORTS.includes(sort);
    const at = Number(address.get("page", 1));
    const size = address.get("rows", PAGE_SIZES[0]);
    return {
      search: address.get("q", "").slice(0, 100) || null,
      sort_by: known ? sort : null,
      sort_order: known ? (address.get("order") === "asc" ? "asc" : "desc") : null,
      page: Number.isInteger(at) && at > 0 && at < 1e6 ? at : 1,
      page_size: Number(PAGE_SIZES.includes(size) ? size : PAGE_SIZES[0]),
    };
  }

  #go(changes, options) {
    address.set(changes, options);
    this.ask(this.feeds[0], this.#wanted());
    this.#sorted();
  }

  #walked() {
    const wanted = this.#wanted();
    this.input.value = wanted.search ?? "";
    this.size.querySelector("select").value = String(wanted.page_size);
    this.ask(this.feeds[0], wanted);
    this.#sorted();
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.#go({ q: this.input.value.trim(), page: null }, { step: false }), TYPING_MS);
  }

  #clear() {
    this.input.value = "";
    this.#go({ q: null, page: null });
    this.input.focus();
  }

  /** Numbers from the highest, names from A; then the other way; then back to the server's own order. */
  #sort(field) {
    const { sort_by: by, sort_order: order } = this.#wanted();
    const [first, second] = field === "name" ? ["asc", "desc"] : ["desc", "asc"];
    if (by !== field) this.#go({ sort: field, order: first, page: null });
    else if (order === first) this.#go({ order: second, page: null });
    else this.#go({ sort: null, order: null, page: null });
  }

  #sorted() {
    const { sort_by: by, sort_order: order } = this.#wanted();
    for (const cell of this.head.children) {
      const { sort } = cell.dataset;
      setAttribute(cell, "aria-sort", sort && sort === by ? (order === "asc" ? "ascending" : "descending") : null);
    }
  }

  #turn(by) {
    const at = this.feeds[0].head?.page ?? 1;
    this.#go({ page: at + by > 1 ? at + by : null });
  }

  #show(key, row) {
    const line = this.lines.get(key) ?? this.#line(key);
    showCoin(line.cells.coin, { symbol: row[this.columns.Symbol], name: row[this.columns.Name] });
    for (const column of COLUMNS) {
      if (column.show) column.show(line.cells[column.id], row[this.columns[column.header]] ?? null, this.numbers);
    }
  }

  #line(key) {
    const cells = {};
    const tr = el("tr", {});
    for (const { id, make } of COLUMNS) {
      cells[id] = make ? make() : coinLink(key);
      tr.append(el(id === "coin" ? "th" : "td", { class: `col-${id}`, scope: id === "coin" && "row" }, cells[id]));
    }
    const line = { tr, cells };
    this.lines.set(key, line);
    return line;
  }

  #drop(key) {
    this.lines.get(key).tr.remove();
    this.lines.delete(key);
  }

  /** Puts rows in order, moving only those that are out of it. */
  #arrange(keys) {
    let at = this.rows.firstChild;
    for (const key of keys) {
      const { tr } = this.lines.get(key);
      if (tr === at) at = at.nextSibling;
      else this.rows.insertBefore(tr, at);
    }
  }

  #flash(key, cells) {
    const line = this.lines.get(key);
    const moved = cells.find(([field]) => Number(field) === this.columns.Price);
    if (line && moved) flash(line.cells.price, moved[1], moved[2]);
  }

  #count({ total, page: at, pages }, shown) {
    const first = shown ? (at - 1) * this.feeds[0].params.page_size + 1 : 0;
    const text = (value) => count(value, page.locale);
    setText(this.where, shown ? `${text(first)}–${text(first + shown - 1)} of ${text(total)} · page ${text(at)} of ${text(pages)}` : "");
    this.back.disabled = at <= 1;
    this.on.disabled = at >= pages;
    this.empty.hidden = shown > 0;
    this.pages.hidden = !shown;
    setText(this.emptyText, `Nothing in the ${page.currency.toUpperCase()} market has “${this.feeds[0].params.search ?? ""}” in its name or symbol.`);
  }
}

customElements.define("spot-market", Market);
