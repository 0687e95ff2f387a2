// <spot-quote coin="bitcoin">: price and facts of one coin.

import { openAlerts } from "../alerts/alerts.js";
import { serverNow } from "../client/socket.js";
import { age, clock, count, isNumber, NONE, percent, spaced } from "../data/format.js";
import { page } from "../page/page.js";
import { changeCell, flash, showChange } from "../widgets/change.js";
import { disc, letter } from "../widgets/coin_name.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { showLogo } from "../widgets/logo.js";
import { Panel } from "../widgets/panel.js";
import { nameStar, star } from "../widgets/star.js";

const WINDOWS = ["1h", "24h", "7d", "30d", "1y"];
const UNKNOWN = "The source does not say";
const FACTS = [
  ["Rank", "market_cap_rank", (value) => (value ? `#${count(value, page.locale)}` : NONE)],
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
    this.star = star(coin);
    this.price = el("strong", { class: "quote-price" }, "–");
    this.change = changeCell();
    this.windows = new Map(WINDOWS.map((window) => [window, changeCell()]));
    this.facts = new Map(FACTS.map(([, field]) => [field, el("dd", {}, "–")]));
    const list = el("dl", { class: "quote-facts" });
    for (const [label, field] of FACTS) list.append(el("div", {}, el("dt", {}, label), this.facts.get(field)));
    for (const [window, cell] of this.windows) list.append(el("div", {}, el("dt", {}, spaced(window)), el("dd", {}, cell)));
    this.disputed = el("p", { class: "quote-disputed", hidden: true });
    this.time = el("p", { class: "quote-time" });
    this.alert = el("button", { type: "button", class: "button", title: "Tell me when the price crosses a value", "aria-haspopup": "dialog", hidden: true, onclick: () => this.#offerAlert() }, "Alert");
    body.append(el("div", { class: "quote-head" }, this.star, this.headline, this.alert), el("p", { class: "quote-now" }, this.price, this.change), list, this.time, this.disputed);
  }

  #offerAlert() {
    const { view, head } = this.feeds[0];
    const { id, symbol, name, price } = view.rows.get(view.keys[0]);
    openAlerts({ coins: [{ id, symbol, name, price }], filter: null, currency: head.params.vs_currency, simulated: head.simulated });
  }

  openFeeds() {
    return [this.feed("ticker-tape", { coin_ids: this.getAttribute("coin") })];
  }

  draw(feed, changes) {
    const row = feed.view.rows.get(feed.view.keys[0]);
    if (!row) return;
    const { numbers } = this;
    this.alert.hidden = false;
    for (const [index, text] of [letter(row.symbol), row.name, row.symbol].entries()) setText(this.headline.children[index], text);
    setAttribute(this.headline, "title", `${row.name} (${row.symbol}), ${row.id}`);
    nameStar(this.star, row.name);
    showLogo(this.headline.firstChild, this.getAttribute("coin"), row.logo);
    this.#write(this.price, numbers.price(row.price), row.price);
    showChange(this.change, row.price_change_24h);
    for (const [window, cell] of this.windows) this.#change(cell, row[`price_change_${window}`]);
    for (const [, field, format] of FACTS) this.#write(this.facts.get(field), format(row[field], numbers), row[field], field !== "market_cap_rank");
    this.#showTime(row, feed);
    this.#dispute(feed.head.disputed?.find(({ id }) => id === row.id));
    document.title = `${row.symbol} ${numbers.price(row.price)} · Spot`;
    for (const cells of changes.values()) this.#flash(cells);
  }

  /** A price that moves is live, however seldom the rest of the market is renewed. */
  pace(feed) {
    const row = feed.view?.rows.get(feed.view.keys[0]);
    return row?.as_of && serverNow() - row.as_of < super.pace(feed) ? serverNow() - row.as_of : super.pace(feed);
  }

  /** The time of this price itself, which may have stopped while the market goes on; and the price for the chart. */
  #showTime(row, { head }) {
    const { as_of: at = null, stale = false } = row;
    const now = serverNow();
    this.time.classList.toggle("quote-old", stale);
    setAttribute(this.price, "data-old", stale ? "" : null);
    const when = `${clock(at, now, page.locale, page.timeZone)}, ${age(now - at)} ago`;
    const words = stale ? `This price is old: the source last changed it at ${when}.` : `Price of ${when}`;
    setText(this.time, at === null ? "" : words); // and its line stays, so that nothing below moves
    if (!stale) page.publishPrice({ id: row.id, price: row.price, at: at ?? head.as_of ?? head.fetched_at, currency: head.params?.vs_currency });
  }

  /** A number with all its digits in the tooltip; or why there is none. */
  #write(place, text, value, isMoney = true) {
    setText(place, text);
    const title = isMoney ? this.numbers.exact(value) : null;
    setAttribute(place, "title", isNumber(value) ? title : UNKNOWN);
  }

  #change(cell, value) {
    showChange(cell, value);
    setAttribute(cell, "title", isNumber(value) ? null : UNKNOWN);
  }

  /** A streamed price that is too far from this one is reported, but not shown as the price. */
  #dispute(other) {
    this.disputed.hidden = !other;
    if (!other) return;
    const apart = percent(((other.price - other.shown) / other.shown) * 100, page.locale);
    setText(this.disputed, `${other.source} streams ${this.numbers.price(other.price)} (${apart}): too far from this price to be shown before others agree`);
  }

  #flash(cells) {
    const moved = cells.find(([field]) => field === "price");
    if (moved) flash(this.price, moved[1], moved[2]);
  }
}

customElements.define("spot-quote", Quote);
