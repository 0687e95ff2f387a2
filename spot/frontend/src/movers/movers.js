// <spot-movers>: gainers, losers and the most traded coins.

import { serverNow } from "../client/socket.js";
import { numbers, spaced } from "../data/format.js";
import { oldness, stopped } from "../data/row_age.js";
import { available, WINDOWS } from "../data/windows.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { remember, restore } from "../page/remembered.js";
import { changeCell, flash, showChange } from "../widgets/change.js";
import { coinLink, showCoin } from "../widgets/coin_name.js";
import { el, select, setAttribute, setText } from "../widgets/dom.js";
import { arrangement, namesakes } from "../widgets/arrangement.js";
import { Interaction, place } from "../widgets/interaction.js";
import { Panel } from "../widgets/panel.js";
import { nameStar, star } from "../widgets/star.js";
import { dollarIn, floorIn } from "./floors.js";
import { CAPS, choices, COUNTS, offered, PARAMETERS, VOLUMES } from "./question.js";
import { MoversTabs } from "./tabs.js";

const LISTS = [
  { path: "top-gainers", title: "Gainers", field: "price", format: "price" },
  { path: "top-losers", title: "Losers", field: "price", format: "price" },
  { path: "most-active", title: "Most active", field: "volume_24h", format: "compact" },
];

const read = (name) => address.get(name, "");

class Movers extends Panel {
  heading = "Movers";

  build(body, controls) {
    restore("movers", PARAMETERS);
    const { window, count } = choices(read);
    this.window = select("Window", WINDOWS.map((key) => [key, spaced(key)]), window, (key) => this.#go({ movers: key === "24h" ? null : key }));
    this.count = select("Rows", COUNTS.map((key) => [key, key]), count, (key) => this.#go({ "movers.rows": key === COUNTS[0] ? null : key }), "Rows of each list");
    controls.append(this.window, this.count);
    this.lists = LISTS.map((list) => this.#list(list));
    this.guard = el("div", { class: "movers-guard" });
    const lists = el("div", { class: "movers" }, ...this.lists.map(({ box }) => box));
    this.tabs = new MoversTabs(body, lists, this.lists, this.guard, () => Number(choices(read).count));
    body.append(this.tabs.element, lists, this.guard);
  }

  openFeeds() {
    this.#showGuard();
    return LISTS.map(({ path }) => {
      const parameters = Object.entries(this.#parameters(path)).filter(([, value]) => value !== null);
      return this.feed(path, Object.fromEntries(parameters));
    });
  }

  draw(feed, changes) {
    const list = this.lists[this.feeds.indexOf(feed)];
    const { keys, rows } = feed.view;
    const question = JSON.stringify(feed.head.params);
    const standing = arrangement(list.keys, keys, list.interaction.active && list.question === question).keys;
    const twins = namesakes(keys.map((key) => [key, rows.get(key).symbol]));
    for (const key of list.keys) if (!standing.includes(key)) this.#drop(list, key);
    for (const key of standing) if (rows.has(key)) this.#show(list, key, rows.get(key), feed, twins.has(key));
    place(list.items, standing.map((key) => list.lines.get(key).li));
    list.keys = [...standing];
    list.question = question;
    list.none.hidden = keys.length > 0;
    for (const [key, cells] of changes) this.#flash(list, key, cells);
    this.#offer();
    this.#learnDollar();
  }

  onCurrency() {
    this.#ask({ vs_currency: page.currency });
  }

  onLocale() {
    super.onLocale();
    this.#showGuard();
  }

  onWalk() {
    const { window, count } = choices(read);
    this.window.querySelector("select").value = window;
    this.count.querySelector("select").value = count;
    this.#ask();
    this.tabs.arrange();
  }

  // --- the query ---

  #parameters(path) {
    const { window, count, volume, cap } = choices(read);
    return {
      per_page: Number(count),
      price_change_percentage: window,
      min_volume: path === "most-active" || volume === "" ? null : this.#floor(Number(volume)),
      min_market_cap: cap === "" ? null : this.#floor(Number(cap)),
    };
  }

  /** An amount of dollars in the page's currency; null while the price of a dollar is unknown. */
  #floor(dollars) {
    return floorIn(dollars, this.#dollar());
  }

  /** Looked up once a currency, or floors would change with every tick. */
  #dollar() {
    const { currency } = page;
    if (this.rate?.currency !== currency || this.rate.price === null) this.rate = { currency, price: dollarIn(currency, page.feeds) };
    return this.rate.price;
  }

  /** Floors that had to wait for the price of a dollar are asked for as soon as it is there. */
  #learnDollar() {
    if (this.rate?.currency === page.currency && this.rate.price !== null) return;
    if (this.#dollar() !== null) this.#ask();
  }

  /** Disables windows that few coins of the map have. */
  #offer() {
    const map = [...page.feeds].find(({ path, view }) => path === "coin-heatmap" && view);
    if (!map) return;
    const windows = available(map.view);
    for (const option of this.window.querySelectorAll("option")) option.disabled = !windows.has(option.value);
  }

  #go(changes) {
    address.set(changes);
    remember("movers", PARAMETERS);
    this.#ask();
    this.tabs.arrange();
  }

  #ask(more = {}) {
    for (const [index, feed] of this.feeds.entries()) this.ask(feed, { ...this.#parameters(LISTS[index].path), ...more });
    this.#showGuard();
  }

  // --- the lists ---

  #list({ path, title, field, format }) {
    const items = el("ol", {});
    const none = el("p", { class: "movers-none", hidden: true }, "No coin qualifies.");
    const label = el("h3", {}, title);
    if (field === "volume_24h") label.append(el("small", {}, "24 h volume"));
    const box = el("section", { class: `movers-list ${path}` }, label, items, none);
    return { title, box, items, none, field, format, lines: new Map(), keys: [], interaction: new Interaction(items, () => this.redraw()) };
  }

  #show(list, key, row, feed, twin) {
    const line = list.lines.get(key) ?? this.#line(list, key);
    const [window] = feed.head.params.price_change_percentage;
    showCoin(line.coin, { ...row, twin });
    nameStar(line.star, row.name);
    setText(line.value, this.numbers[list.format](row[list.field]));
    setAttribute(line.value, "title", this.numbers.exact(row[list.field]));
    const old = oldness(row, serverNow());
    showChange(line.change, old ? null : row[`price_change_${window}`]);
    if (old) setText(line.change.lastChild, old);
    setAttribute(line.change, "title", stopped(row, serverNow(), page.locale, page.timeZone) || null);
  }

  #line(list, key) {
    const line = { star: star(key), coin: coinLink(key), value: el("span", { class: "movers-value" }), change: changeCell() };
    line.li = el("li", {}, line.star, line.coin, line.value, line.change);
    list.lines.set(key, line);
    return line;
  }

  #drop(list, key) {
    list.lines.get(key).li.remove();
    list.lines.delete(key);
  }

  #flash(list, key, cells) {
    const moved = cells.find(([field]) => field === list.field);
    const line = list.lines.get(key);
    if (moved && line) flash(line.value, moved[1], moved[2]);
  }

  // --- the guard ---

  /** The controls of the floors; without a choice, the server's own floor applies. */
  #showGuard() {
    const { volume, cap } = choices(read);
    const { round } = numbers(page.locale, page.currency);
    const dollar = this.#dollar();
    const money = (dollars) => (dollar === null ? numbers(page.locale, "usd").round(Number(dollars)) : round(floorIn(Number(dollars), dollar)));
    const floor = Number(this.getAttribute("floor"));
    const usual = dollar === null ? money(floor) : round(floor * dollar);
    const state = [usual, money(1e6), volume, cap].join();
    if (this.guarded === state) return;
    this.guarded = state;
    const focus = this.guard.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const options = (values) => values.map((value) => [value, value === "0" ? "any" : money(value)]);
    const volumes = [["", usual], ...options(offered(VOLUMES, volume))];
    this.guard.replaceChildren(
      el("label", { title: "Gainers and losers leave out coins that are traded less in 24 h" }, "Min. volume ", this.#amount("Min. volume of gainers and losers in 24 h", volumes, volume, "movers.volume")),
      el("label", { title: "All three lists leave out smaller coins" }, "Min. cap ", this.#amount("Min. cap", [["", "any"], ...options(offered(CAPS, cap))], cap, "movers.cap")),
    );
    if (focus) this.guard.querySelector(`[aria-label="${focus}"]`)?.focus();
  }

  #amount(label, options, value, name) {
    const list = el("select", { "aria-label": label, onchange: () => this.#go({ [name]: list.value || null }) });
    for (const [key, text] of options) list.append(el("option", { value: key, selected: key === value }, text));
    return list;
  }
}

customElements.define("spot-movers", Movers);
