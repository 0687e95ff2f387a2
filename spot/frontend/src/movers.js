// <spot-movers>: what rises, what falls, and what is traded most.

import * as address from "./address.js";
import { changeCell, flash, showChange } from "./change.js";
import { coinLink, showCoin } from "./coin_name.js";
import { choice, el, setAttribute, setText } from "./dom.js";
import { numbers } from "./format.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";

const ROWS = 5;
const WINDOWS = ["1h", "24h", "7d", "30d"];
const LISTS = [
  { path: "top-gainers", title: "Gainers", field: "price", format: "price" },
  { path: "top-losers", title: "Losers", field: "price", format: "price" },
  { path: "most-active", title: "Most active", field: "volume_24h", format: "compact" },
];

class Movers extends Panel {
  heading = "Movers";

  build(body, controls) {
    const window = address.get("movers");
    this.window = WINDOWS.includes(window) ? window : "24h";
    controls.append(choice("Window", WINDOWS.map((key) => [key, key]), this.window, (key) => this.#choose(key)));
    this.lists = LISTS.map((list) => this.#list(list));
    this.guard = el("p", { class: "movers-guard" });
    body.append(el("div", { class: "movers" }, ...this.lists.map(({ box }) => box)), this.guard);
  }

  openFeeds() {
    return LISTS.map(({ path }) => this.feed(path, { per_page: ROWS, price_change_percentage: this.window }));
  }

  draw(feed, changes) {
    const list = this.lists[this.feeds.indexOf(feed)];
    const { keys, rows } = feed.view;
    for (const [key, { li }] of list.lines) {
      if (rows.has(key)) continue;
      li.remove();
      list.lines.delete(key);
    }
    for (const key of keys) this.#show(list, key, rows.get(key));
    list.items.replaceChildren(...keys.map((key) => list.lines.get(key).li));
    list.none.hidden = keys.length > 0;
    for (const [key, cells] of changes) this.#flash(list, key, cells);
    this.#tellGuard(this.feeds[0].head?.params ?? {});
  }

  #list({ path, title, field, format }) {
    const items = el("ol", {});
    const none = el("p", { class: "movers-none", hidden: true }, "No coin qualifies.");
    const label = el("h3", {}, title);
    if (field === "volume_24h") label.append(el("small", {}, "24 h volume"));
    return { box: el("section", { class: `movers-list ${path}` }, label, items, none), items, none, field, format, lines: new Map() };
  }

  #choose(window) {
    this.window = window;
    address.set({ movers: window === "24h" ? null : window }, { step: false });
    for (const feed of this.feeds) this.ask(feed, { price_change_percentage: window });
  }

  #show(list, key, row) {
    const line = list.lines.get(key) ?? this.#line(list, key);
    showCoin(line.coin, row);
    setText(line.value, this.numbers[list.format](row[list.field]));
    setAttribute(line.value, "title", this.numbers.exact(row[list.field]));
    showChange(line.change, row[`price_change_${this.window}`]);
  }

  #line(list, key) {
    const line = { coin: coinLink(key), value: el("span", { class: "movers-value" }), change: changeCell() };
    line.li = el("li", {}, line.coin, line.value, line.change);
    list.lines.set(key, line);
    return line;
  }

  #flash(list, key, cells) {
    const moved = cells.find(([field]) => field === list.field);
    const line = list.lines.get(key);
    if (moved && line) flash(line.value, moved[1], moved[2]);
  }

  /** Says which dust the server leaves out: its own floor, in dollars' worth, unless the feed was given another. */
  #tellGuard({ min_volume: given }) {
    const least = given ?? Number(this.getAttribute("floor"));
    const amount = given == null ? numbers(page.locale, "usd") : this.numbers;
    setText(this.guard, least ? `Gainers and losers: 24 h volume from ${amount.compact(least)}` : "");
  }
}

customElements.define("spot-movers", Movers);
