// <spot-quote coin="bitcoin">: one coin's price and what belongs to it.

import { changeCell, flash, showChange } from "./change.js";
import { disc, letter } from "./coin_name.js";
import { el, setAttribute, setText } from "./dom.js";
import { count } from "./format.js";
import { showLogo } from "./logo.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";

const WINDOWS = ["1h", "24h", "7d", "30d", "1y"];
const FACTS = [
  ["Rank", "market_cap_rank", (value) => (value ? `#${count(value, page.locale)}` : "–")],
  ["Market cap", "market_cap", (value, numbers) => numbers.compact(value)],
  ["24 h volume", "volume_24h", (value, numbers) => numbers.compact(value)],
  ["24 h low", "low_24h", (value, numbers) => numbers.price(value)],
  ["24 h high", "high_24h", (value, numbers) => numbers.price(value)],
];

class Quote extends Panel {
  heading = "Price";

  build(body) {
    const coin = this.getAttribute("coin");
    this.headline = el("h1", { class: "quote-title" }, disc(coin), el("bdi", {}, coin), el("small"));
    this.price = el("strong", { class: "quote-price" }, "–");
    this.change = changeCell();
    this.windows = new Map(WINDOWS.map((window) => [window, changeCell()]));
    this.facts = new Map(FACTS.map(([, field]) => [field, el("dd", {}, "–")]));
    const list = el("dl", { class: "quote-facts" });
    for (const [label, field] of FACTS) list.append(el("div", {}, el("dt", {}, label), this.facts.get(field)));
    for (const [window, cell] of this.windows) list.append(el("div", {}, el("dt", {}, window), el("dd", {}, cell)));
    body.append(this.headline, el("p", { class: "quote-now" }, this.price, this.change), list);
  }

  openFeeds() {
    return [this.feed("ticker-tape", { coin_ids: this.getAttribute("coin") })];
  }

  draw(feed, changes) {
    const row = feed.view.rows.get(feed.view.keys[0]);
    if (!row) return;
    const { numbers } = this;
    for (const [index, text] of [letter(row.symbol), row.name, row.symbol].entries()) setText(this.headline.children[index], text);
    showLogo(this.headline.firstChild, this.getAttribute("coin"), row.logo);
    setText(this.price, numbers.price(row.price));
    setAttribute(this.price, "title", numbers.exact(row.price));
    showChange(this.change, row.price_change_24h);
    for (const [window, cell] of this.windows) showChange(cell, row[`price_change_${window}`]);
    for (const [, field, format] of FACTS) setText(this.facts.get(field), format(row[field], numbers));
    document.title = `${row.symbol} ${numbers.price(row.price)} · Spot`;
    for (const cells of changes.values()) this.#flash(cells);
  }

  #flash(cells) {
    const moved = cells.find(([field]) => field === "price");
    if (moved) flash(this.price, moved[1], moved[2]);
  }
}

customElements.define("spot-quote", Quote);
