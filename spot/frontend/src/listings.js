// <spot-listings>: what exchanges have announced, newest first.

import { direction, moment, titleText, typeWords } from "./announcement.js";
import { choice, el, setText } from "./dom.js";
import { clock } from "./format.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";
import { Feed, serverNow } from "./socket.js";

const ROWS = 8;
const TICKERS = 6; // more than that are counted
const EXCHANGES = [["", "All"], ["binance", "Binance"], ["upbit", "Upbit"], ["bithumb", "Bithumb"]];
const COLUMNS = ["Time", "Exchange", "Type", "Tickers", "Title"];

class Listings extends Panel {
  heading = "Listings";
  nothing = "No listings";
  aside = true; // prices do not wait for it, so it does not count in the page's own state

  build(body, controls) {
    this.exchange = "";
    controls.append(choice("Exchange", EXCHANGES, "", (exchange) => this.#choose(exchange)));
    this.lines = new Map();
    this.rows = el("tbody");
    this.none = el("p", { class: "listings-none", hidden: true });
    const head = el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name))));
    body.append(el("table", { class: "listings" }, head, this.rows), this.none);
  }

  /** Announcements are in no currency. */
  openFeeds() {
    return [new Feed("listings", { page_size: ROWS, ...(this.exchange ? { cex: this.exchange } : {}) })];
  }

  onCurrency() {}

  draw(feed) {
    const { keys, rows } = feed.view;
    const lines = keys.map((key) => this.lines.get(key) ?? this.#line(rows.get(key)));
    this.lines = new Map(keys.map((key, index) => [key, lines[index]]));
    for (const [key, line] of this.lines) setText(line.time, this.#clock(rows.get(key)));
    this.rows.replaceChildren(...lines.map(({ tr }) => tr));
    this.none.hidden = keys.length > 0;
    setText(this.none, feed.head.params?.cex ? "Nothing announced by this exchange yet." : "Nothing announced yet.");
  }

  #choose(exchange) {
    this.exchange = exchange;
    this.ask(this.feeds[0], { cex: exchange || null });
  }

  /** An announcement never changes, only the wording of its time does. */
  #line(row) {
    const at = moment(row);
    const time = el("time", { datetime: new Date(at).toISOString() }, this.#clock(row));
    const type = el("span", { class: "listings-type", "data-way": direction(row.type) }, typeWords(row.type));
    const more = row.tickers.length - TICKERS;
    const tickers = row.tickers.slice(0, TICKERS).map((ticker) => el("b", {}, ticker));
    if (more > 0) tickers.push(el("span", { title: row.tickers.join(", ") }, `and ${more} more`));
    const cells = [[time], [typeWords(row.exchange)], [type], tickers, [titleText(row)]];
    const tr = el("tr", {}, ...cells.map((children, index) => el("td", { class: `col-${COLUMNS[index].toLowerCase()}` }, ...children)));
    return { tr, time };
  }

  #clock(row) {
    return clock(moment(row), serverNow(), page.locale, page.timeZone);
  }
}

customElements.define("spot-listings", Listings);
