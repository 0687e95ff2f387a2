// <spot-market>: the market as a table. The server searches, filters, sorts and pages; this only asks and shows.

import { openAlerts } from "../alerts/alerts.js";
import { count, numbers } from "../data/format.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { settings } from "../page/settings.js";
import { say } from "../page/voice.js";
import { watchlist } from "../page/watchlist.js";
import { keepPlace } from "../page/way_back.js";
import { copy, save, stamp, tabbed } from "../widgets/copying.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { Pager } from "../widgets/pager.js";
import { Panel } from "../widgets/panel.js";
import { SearchField } from "../widgets/search_field.js";
import { ColumnForm, density, flashes } from "./column_form.js";
import { COLUMNS } from "./columns.js";
import { chip, conditions, FilterForm, opener } from "./filter_form.js";
import { fromAddress, refusal, toAddress } from "./filters.js";
import { MarketHead } from "./head.js";
import { LEADING, measured, parameters, place, shown } from "./layout.js";
import { OwnCoins } from "./own_coins.js";
import { OwnList } from "./own_list.js";
import { absent, joined } from "./own_rows.js";
import { emptiness, question, SIZES, sortedNext, sorting } from "./question.js";
import { Rows } from "./rows.js";

const COINS = 500; // that the table is drawn from
const read = (name) => address.get(name, "");

class Market extends Panel {
  heading = "Market";

  build(body, controls) {
    this.goBack = keepPlace();
    this.width = this.clientWidth || innerWidth; // asked seldom: the answer can cost a layout
    this.ids = this.#ids();
    this.filters = new FilterForm((filters) => this.#go({ ...toAddress(filters), page: null }), { category: this.getAttribute("categories").split(",") });
    this.columns = new ColumnForm((ids) => settings.set(place(this.width), ids));
    this.rows = new Rows(() => this.redraw());
    this.head = new MarketHead((field) => this.#go(sortedNext(sorting(read), field)), (sort, order) => this.#go({ sort, order, page: null }));
    this.pager = new Pager("Pages of the table", (at) => this.#turn(at), {
      sizes: SIZES,
      size: String(this.#question().page_size),
      resize: (size) => this.#go({ rows: size === SIZES[0] ? null : size, page: null }),
    });
    this.own = new OwnList();
    this.more = new OwnCoins();
    this.more.addEventListener("change", () => this.redraw());
    controls.append(this.#search(), this.head.list, ...this.#buttons());
    body.append(this.filters.box, this.columns.box, this.own.element, this.#chipLine(), this.#table(), this.#nothing(), this.#below());
  }

  openFeeds() {
    const { signal } = this.abort;
    watchlist.addEventListener("change", () => this.#again(), { signal });
    settings.addEventListener("change", ({ detail: { name } }) => (name ?? "market.").startsWith("market.") && this.#settled(), { signal });
    const widths = new ResizeObserver(() => this.#resized());
    widths.observe(this.scroll);
    signal.addEventListener("abort", () => widths.disconnect());
    this.#headings();
    this.#showAsked();
    const parameters = Object.entries(this.#question()).filter(([, value]) => value !== null);
    const feed = this.feed("market", { per_page: COINS, ...Object.fromEntries(parameters) });
    feed.addEventListener("export", ({ detail }) => this.#exported(feed.head, detail), { signal });
    return [feed];
  }

  draw(feed, changes) {
    const { head } = feed;
    const view = this.#whole(feed);
    this.shown = view;
    const asked = JSON.stringify([head.params, head.page]); // the params do not have the page
    const waiting = this.rows.draw(view, {
      numbers: this.numbers,
      style: `${page.locale} ${head.params.vs_currency}`,
      moving: flashes() ? changes : new Map(),
      mayHold: asked === this.asked,
    });
    const total = head.total + view.keys.length - feed.view.keys.length;
    if (this.asked && this.asked !== asked) say(`${count(total, page.locale)} coins, page ${head.page} of ${head.pages}.`, "market");
    this.asked = asked;
    this.pager.show({ ...head, total }, head.params.page_size, view.keys.length);
    setText(this.heldText, waiting ? `Order frozen while you point at a row or have the focus in one: ${waiting} ${waiting === 1 ? "place waits" : "places wait"} to change.` : "");
    this.#showEmpty(view.keys.length === 0, head);
    this.#measure();
    this.searched = head.params.search;
    this.goBack();
    this.#openWanted();
  }

  /** The view of the feed; while only starred coins are shown, with those that the feed lacks. */
  #whole({ view, head }) {
    const mine = Boolean(read("mine")) && "id" in (head.params.filters ?? {});
    const narrowed = read("q") || this.#conditions().length > 0;
    const others = mine ? absent(watchlist.ids, view.keys) : [];
    this.more.follow(narrowed ? [] : others);
    this.own.tell(narrowed ? { left: mine ? watchlist.ids.length - view.keys.length : 0 } : this.more);
    if (!this.more.feeds.size) return view;
    const { field, order } = sorting(read);
    const header = [...COLUMNS.values()].find(({ sort }) => sort && sort === field)?.header ?? (field === "name" ? "Name" : null);
    return joined(view, this.more.rows, { header, order });
  }

  onCurrency() {
    this.#again({ vs_currency: page.currency });
  }

  onLocale() {
    super.onLocale();
    this.#showAsked();
  }

  onWalk() {
    this.field.show(read("q").slice(0, 100));
    this.#again();
  }

  onRefusal(feed, error) {
    const { filter, message } = refusal(error);
    super.onRefusal(feed, { ...error, message });
    if (filter) this.filters.refuse(filter, message);
  }

  // --- the query ---

  #question() {
    return question(read, this.ids, watchlist.ids);
  }

  #go(changes, options) {
    address.set(changes, options);
    this.#again();
  }

  /** Sends the query of address, columns and starred coins; an unchanged one is not sent again. */
  #again(more = {}) {
    this.ask(this.feeds[0], { ...this.#question(), ...more });
    this.#showAsked();
  }

  #clear() {
    this.field.show("");
    this.#go({ ...toAddress({}), q: null, mine: null, page: null });
    this.field.element.focus();
  }

  #turn(at) {
    this.#go({ page: at > 1 ? at : null });
    if (this.scroll.getBoundingClientRect().top < 0) this.scroll.scrollIntoView({ block: "start" });
    this.scroll.scrollTop = 0;
  }

  // --- around the rows ---

  #search() {
    this.field = new SearchField("Search coins", "Search name or symbol", (text) => this.#go({ q: text, page: null }, { step: false }));
    this.field.show(read("q").slice(0, 100));
    this.field.element.addEventListener("keydown", ({ key }) => key === "Enter" && this.#openFirst());
    return this.field.element;
  }

  /** Enter opens the first hit, once the answer to what stands in the field is there. */
  #openFirst() {
    const text = this.field.element.value.trim();
    this.opening = text || null;
    this.field.ask();
    this.#openWanted();
  }

  #openWanted() {
    if (!this.opening || this.opening !== this.searched) return;
    this.opening = null;
    this.rows.body.querySelector("a.coin")?.click();
  }

  #buttons() {
    const button = (text, title, onclick) => el("button", { type: "button", class: "button", title, onclick }, text);
    this.mine = button("", "Show only the coins that you have starred", () => this.#go({ mine: read("mine") ? null : "1", page: null }));
    this.mine.classList.add("market-mine");
    this.copying = button("Copy", "Copy these rows with all digits", () => this.#copy());
    const csv = button("CSV", "Save the rows of all pages as a CSV file", () => this.feeds[0].export());
    const filters = opener("Filters", this.filters.box);
    const columns = opener("Columns", this.columns.box, () => this.columns.show(this.ids.slice(LEADING.length)));
    const alert = button("Alert", "Tell me when a coin of this table crosses a price, or enters this filter", () => this.#offerAlert());
    setAttribute(alert, "aria-haspopup", "dialog");
    return [this.mine, filters, columns, alert, el("span", { class: "market-take" }, this.copying, csv)];
  }

  #chipLine() {
    this.chips = el("ul", { class: "chips", "aria-label": "Filters in force" });
    this.unread = el("p", { class: "filter-error", role: "alert", hidden: true });
    return el("div", { class: "chip-line" }, this.chips, this.unread);
  }

  #table() {
    const caption = el("caption", { class: "hidden" }, "Coins with price, changes, market cap and volume");
    this.table = el("table", { class: "market" }, caption, el("thead", {}, this.head.element), this.rows.body);
    this.scroll = el("div", { class: "table-scroll" }, this.table);
    return this.scroll;
  }

  #nothing() {
    this.clear = el("button", { type: "button", class: "button", onclick: () => this.#clear() });
    this.empty = el("div", { class: "table-empty", hidden: true }, el("strong", {}), el("span", {}), this.clear);
    return this.empty;
  }

  #below() {
    this.heldText = el("p", { class: "market-held" });
    return el("div", { class: "market-below" }, this.heldText, this.pager.element);
  }

  // --- columns ---

  #ids() {
    const { width } = this;
    return [...LEADING, ...shown(settings.get(place(width)), width)];
  }

  #headings() {
    setAttribute(this, "data-density", density());
    this.rows.setColumns(this.ids);
    this.head.columns(this.ids);
    this.#measure();
    this.head.tell(sorting(read));
    if (!this.columns.box.hidden) this.columns.show(this.ids.slice(LEADING.length));
  }

  #settled() {
    setAttribute(this, "data-density", density());
    this.#resized();
  }

  #resized() {
    this.width = this.clientWidth;
    const ids = this.#ids();
    if (ids.join() !== this.ids.join()) {
      this.ids = ids;
      this.#headings();
      this.ask(this.feeds[0], parameters(ids));
      this.redraw();
      this.#showAsked();
    }
    this.#measure();
    this.#fit();
  }

  /** Columns have widths that follow from nothing that ticks: laying out a table anew for each tick is slow. */
  #measure() {
    const { widths, least } = measured(this.ids, this.width, this.rows.longest);
    if (this.least === least && this.laid === this.ids) return;
    Object.assign(this, { least, laid: this.ids });
    this.head.measure(widths);
    this.table.style.minWidth = `${least}rem`;
    this.#fit();
  }

  /** A table that is too wide gets a box of its own to be scrolled in; else its heading sticks to the window. */
  #fit() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const wide = this.least * rem > this.width + 1;
    if (wide === this.scroll.hasAttribute("data-wide")) return;
    const attributes = { "data-wide": "", tabindex: "0", role: "region", "aria-label": "Market table" };
    for (const [name, value] of Object.entries(attributes)) setAttribute(this.scroll, name, wide ? value : null);
  }

  // --- texts ---

  #conditions() {
    return conditions(fromAddress(read).filters, numbers(page.locale, page.currency));
  }

  #showAsked() {
    const mine = Boolean(read("mine"));
    this.filters.show(fromAddress(read).filters);
    this.head.tell(sorting(read));
    this.pager.resized(String(this.#question().page_size));
    this.#showChips();
    setText(this.mine, `${mine ? "★" : "☆"} My coins ${count(watchlist.ids.length, page.locale)}`);
    setAttribute(this.mine, "aria-pressed", String(mine));
    this.mine.classList.toggle("button-on", mine);
    this.own.element.hidden = !mine;
  }

  #showChips() {
    const { field } = sorting(read);
    const sorted = [...COLUMNS.values()].find(({ id, sort }) => sort && sort === field && !this.ids.includes(id));
    const chips = this.#conditions().map(([text, others]) => this.#chip(text, toAddress(others)));
    if (read("mine")) chips.push(this.#chip("My coins", { mine: null }));
    if (sorted) chips.push(this.#chip(`Sorted by ${sorted.words}`, { sort: null, order: null }));
    if (chips.length > 1) chips.push(el("li", {}, el("button", { type: "button", class: "chip-all", onclick: () => this.#clear() }, "Clear filters")));
    this.chips.replaceChildren(...chips);
    const { unread } = fromAddress(read);
    this.unread.hidden = unread.length === 0;
    setText(this.unread, unread.length ? `The address has a filter that cannot be read, and was left out: ${unread.join(", ")}.` : "");
  }

  #chip(text, changes) {
    return chip(text, () => {
      this.#go({ ...changes, page: null });
      (this.chips.querySelector("button") ?? this.field.element).focus();
    });
  }

  #showEmpty(empty, head) {
    this.empty.hidden = !empty;
    this.pager.element.hidden = empty;
    this.scroll.hidden = empty;
    if (!empty) return;
    const search = head.params.search ?? "";
    const [mine, asked] = [Boolean(read("mine")), this.#conditions().map(([text]) => text)];
    const texts = emptiness({ search, mine, own: watchlist.ids.length, conditions: asked, market: head.params.vs_currency.toUpperCase() });
    for (const [index, text] of texts.entries()) setText(this.empty.children[index], text);
    setText(this.clear, search && !mine && !asked.length ? "Clear the search" : "Clear filters");
  }

  // --- alerts ---

  /** The coins in view, and the search and filters in force. */
  #offerAlert() {
    const { head } = this.feeds[0];
    const view = this.shown;
    if (!view) return;
    const [symbol, name, price] = ["Symbol", "Name", "Price"].map((header) => view.headers.indexOf(header));
    const coins = view.keys.map((id) => [id, view.rows.get(id)]).filter(([, row]) => row[price] !== null);
    const { search = null, filters = null, vs_currency: currency } = head.params;
    const words = [...(search ? [`“${search}” in name, symbol or id`] : []), ...(read("mine") ? ["one of my coins"] : []), ...this.#conditions().map(([text]) => text)];
    openAlerts({
      coins: coins.map(([id, row]) => ({ id, symbol: row[symbol], name: row[name], price: row[price] })),
      filter: words.length ? { search, filters: filters && JSON.stringify(filters), words: words.join("; ").slice(0, 400) } : null,
      currency,
      simulated: head.simulated,
    });
  }

  // --- export ---

  async #copy() {
    const view = this.shown;
    if (!view) return;
    const chart = view.headers.indexOf("7d Chart"); // a list, which has no place in a cell
    const cells = (row, id) => [id, ...row.filter((_, index) => index !== chart)];
    const rows = view.keys.map((key) => cells(view.rows.get(key), key));
    const done = await copy(tabbed(cells(view.headers, "Id"), rows));
    const text = done ? `Copied ${rows.length} rows` : "Not allowed";
    setText(this.copying, text);
    say(done ? `${text}.` : "The browser does not let this page copy.", "copy", { repeat: true });
    setTimeout(() => setText(this.copying, "Copy"), 2_000);
  }

  /** The name of the file has source and time of the prices. */
  #exported({ source, as_of, fetched_at }, { data, filename }) {
    save(data, filename.replace(/\.csv$/, `-${source}-${stamp(as_of ?? fetched_at)}.csv`), "text/csv;charset=utf-8");
  }
}

customElements.define("spot-market", Market);
