// <spot-listings>: announcements of exchanges, newest first.

import { Feed, serverNow } from "../client/socket.js";
import { age, clock } from "../data/format.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { say } from "../page/voice.js";
import { light } from "../widgets/change.js";
import { choice, el, select, setAttribute, setText } from "../widgets/dom.js";
import { Pager } from "../widgets/pager.js";
import { Panel } from "../widgets/panel.js";
import { SearchField } from "../widgets/search_field.js";
import { direction, moment, titleText, typeWords } from "./announcement.js";
import { choices, emptiness, EXCHANGES, KINDS, parameters } from "./question.js";

const ROWS = 8;
const TICKERS = 6; // more than that are counted
const COLUMNS = ["Time", "Exchange", "Type", "Tickers", "Title"];

const read = (name) => address.get(name, "");

class Listings extends Panel {
  heading = "Listings";
  nothing = "No listings";
  aside = true; // prices do not wait for it, so it does not count in the page's own state

  build(body, controls) {
    const { exchange, kind, search } = choices(read);
    this.kinds = select("Show", KINDS.map(([key, text]) => [key, text]), kind, (key) => this.#go({ "news.kind": key }));
    this.exchanges = choice("Exchange", EXCHANGES, exchange, (key) => this.#go({ "news.from": key }));
    this.field = new SearchField("Search announcements", "Search announcements", (text) => this.#go({ "news.q": text }, { step: false }));
    this.field.show(search);
    controls.append(this.field.element, this.kinds, this.exchanges);
    this.lines = new Map();
    this.rows = el("tbody");
    this.none = el("p", { class: "listings-none", hidden: true });
    this.clear = el("button", { type: "button", class: "button", hidden: true, onclick: () => this.#clear() }, "Show everything");
    this.pager = new Pager("Pages of the listings", (at) => this.#go({ "news.page": at > 1 ? at : null }));
    const head = el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name))));
    const caption = el("caption", { class: "hidden" }, "Announcements of exchanges, newest first");
    body.append(el("table", { class: "listings" }, caption, head, this.rows), this.none, this.clear);
  }

  /** Announcements are in no currency. */
  openFeeds() {
    const { signal } = this.abort;
    page.addEventListener("second", () => this.#showAges(), { signal });
    const entries = Object.entries(parameters(read)).filter(([, value]) => value !== null);
    return [new Feed("listings", { page_size: ROWS, ...Object.fromEntries(entries) })];
  }

  onCurrency() {}

  onWalk() {
    const { exchange, kind, search } = choices(read);
    this.field.show(search);
    this.kinds.querySelector("select").value = kind;
    this.exchanges.choose(exchange);
    this.ask(this.feeds[0], parameters(read));
  }

  draw({ head, view: { keys, rows } }) {
    const question = JSON.stringify([head.params, head.page]);
    const news = question === this.question ? keys.filter((key) => !this.lines.has(key)) : [];
    const lines = keys.map((key) => this.lines.get(key) ?? this.#line(rows.get(key)));
    this.lines = new Map(keys.map((key, index) => [key, lines[index]]));
    for (const [key, line] of this.lines) setText(line.time, this.#clock(rows.get(key)));
    this.rows.replaceChildren(...lines.map(({ tr }) => tr));
    for (const key of news) light(this.lines.get(key).tr);
    if (news.length) say(`${titleText(rows.get(news[0]))}${news.length > 1 ? `, and ${news.length - 1} more` : ""}.`, "listings");
    this.question = question;
    this.#showEmpty(keys.length === 0);
    this.pager.show(head, ROWS, keys.length);
    if (head.pages > 1) this.body.append(this.pager.element);
    else this.pager.element.remove();
    this.#showAges();
  }

  #go(changes, options) {
    address.set({ "news.page": null, ...changes }, options); // another choice begins with its first page
    this.ask(this.feeds[0], parameters(read));
  }

  #clear() {
    this.#go({ "news.q": null, "news.kind": null, "news.from": null });
    this.onWalk();
    this.field.element.focus();
  }

  #showEmpty(empty) {
    const chosen = choices(read);
    setAttribute(this, "data-few", empty ? "" : null);
    this.none.hidden = !empty;
    this.clear.hidden = !empty || !(chosen.exchange || chosen.kind || chosen.search);
    setText(this.none, emptiness(chosen));
  }

  /** An announcement never changes, only the wording of its time does. */
  #line(row) {
    const at = moment(row);
    const time = el("time", { datetime: new Date(at).toISOString() }, this.#clock(row));
    const ago = el("span", { class: "listings-age" });
    const type = el("span", { class: "listings-type", "data-way": direction(row.type) }, typeWords(row.type));
    const more = row.tickers.length - TICKERS;
    const tickers = row.tickers.slice(0, TICKERS).map((ticker) => el("b", {}, ticker));
    if (more > 0) tickers.push(el("span", { title: row.tickers.join(", ") }, `and ${more} more`));
    const cells = [[time, ago], [typeWords(row.exchange)], [type], tickers, [el("bdi", {}, titleText(row))]];
    const tr = el("tr", {}, ...cells.map((children, index) => el("td", { class: `col-${COLUMNS[index].toLowerCase()}` }, ...children)));
    return { tr, time, ago, at };
  }

  #showAges() {
    for (const { ago, at } of this.lines.values()) setText(ago, `${age(serverNow() - at)} ago`);
  }

  #clock(row) {
    return clock(moment(row), serverNow(), page.locale, page.timeZone);
  }
}

customElements.define("spot-listings", Listings);
