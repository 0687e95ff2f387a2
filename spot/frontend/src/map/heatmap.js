// <spot-heatmap>: the market as tiles, sized by market cap or volume and coloured by price change.

import { serverNow } from "../client/socket.js";
import { clock, count, direction, percent, spaced } from "../data/format.js";
import { oldness, stopped } from "../data/row_age.js";
import { available, WINDOWS } from "../data/windows.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { remember, restore } from "../page/remembered.js";
import { keysOf } from "../shell/shortcuts.js";
import { step } from "../tiles/scale.js";
import { Layout } from "../tiles/treemap.js";
import { choice, el, select, setAttribute, setText } from "../widgets/dom.js";
import { Panel } from "../widgets/panel.js";
import * as choices from "./choices.js";
import { grouped, total, weighted } from "./groups.js";
import { Legend } from "./legend.js";
import { breadth } from "./summary.js";
import { HeatmapTable } from "./table.js";
import * as tooltip from "./tooltip.js";
import { MapView } from "./view.js";
import { week } from "./week.js";

const RELAYOUT_MS = 60_000; // tiles may change their size once a minute; their colours follow every frame
const LINGER_MS = 250; // a pointer that passes by requests no prices
const DEFAULTS = { set: "all", colour: "24h", group: "none", map: "map" };
const NO_GROUPS = "No coin that is shown has a category yet";

class Heatmap extends Panel {
  heading = "Market map";
  layout = new Layout();
  shown = []; // the ids on the map
  groups = new Map(); // label -> ids, while they are grouped
  #texts = new Map();

  build(body, controls) {
    restore("map", choices.PARAMETERS);
    this.choices = choices.read();
    controls.append(...this.#controls());
    this.map = new MapView({
      name: (id) => this.#name(id),
      describe: (id, box) => this.#describe(id, box),
      describeGroup: (label, box) => this.#describeGroup(label, box),
      zoomed: (factor) => this.#zoomed(factor),
    });
    this.legend = new Legend((level) => this.map.highlight(level), (words) => this.#pinned(words));
    this.pin = el("p", { class: "map-pin", role: "status", hidden: true });
    this.table = new HeatmapTable();
    this.summary = el("p", { class: "hidden", id: "map-summary" });
    this.map.element.setAttribute("aria-describedby", this.summary.id);
    body.append(this.summary, this.map.element, this.table.element, el("div", { class: "map-foot" }, this.pin, this.legend.element, this.#zoomButtons()));
    this.#showChoices();
    this.#listen();
  }

  openFeeds() {
    return [this.feed("coin-heatmap", { per_page: choices.needed(this.choices) })];
  }

  /** The tile of a coin, {symbol, text, step, x, y, width, height} in the window, or null. */
  tile(id) {
    return this.map.tile(id);
  }

  draw(feed, changes) {
    this.view = feed.view;
    if (this.#mayMove()) this.#place();
    else if (!this.categorised) this.#offer();
    const all = this.repaint || !changes.size;
    this.repaint = false;
    for (const id of all ? this.shown : changes.keys()) this.#paint(id);
    if (this.groups.size) this.#paintGroups();
    if (this.choices.as === "table") this.#showTable();
    else this.map.draw();
    this.map.refresh();
  }

  onWalk() {
    const before = this.choices;
    this.choices = choices.read();
    for (const name of Object.keys(before)) if (before[name] !== this.choices[name]) this.#changed(name);
  }

  onLocale() {
    this.#texts.clear();
    this.repaint = true;
    super.onLocale();
  }

  #controls() {
    const named = (table) => Object.entries(table).map(([key, [text]]) => [key, text]);
    const pick = (name, parameter = name) => (value) => this.#choose(name, parameter, value);
    const windows = WINDOWS.map((window) => [window, spaced(window)]);
    this.fields = {
      count: select("Coins", choices.COUNTS.map((n) => [n, `Top ${n}`]), this.choices.count, pick("count", "coins")),
      set: select("Which coins", named(choices.SETS), this.choices.set, pick("set")),
      size: select("Size", named(choices.SIZES), this.choices.size, pick("size")),
      group: select("Group", named(choices.GROUPS), this.choices.group, pick("group")),
      window: select("Colour", windows, this.choices.window, pick("window", "colour")),
      as: choice("Show as", [["map", "Map"], ["table", "Table"]], this.choices.as, pick("as", "map")),
    };
    for (const name of ["count", "set", "group"]) this.fields[name].firstChild.remove(); // their options speak for themselves
    return Object.values(this.fields);
  }

  #zoomButtons() {
    const button = (text, name, action) => el("button", { type: "button", class: "button", "aria-label": name, title: name, onclick: action }, text);
    this.back = button("Reset", "Reset: show the whole map", () => this.map.reset());
    this.zooms = el("div", { class: "map-zoom", role: "group", "aria-label": "Zoom" }, this.back,
      button("−", "Zoom out", () => this.map.zoom(1 / 1.6)), button("+", "Zoom in", () => this.map.zoom(1.6)));
    return this.zooms;
  }

  /** A hidden button would move others under the pointer, or lose the focus. */
  #zoomed(factor) {
    if (this.back) setAttribute(this.back, "aria-disabled", factor === 1 ? "true" : null);
  }

  #pinned(words) {
    this.pin.hidden = words === null;
    if (words === null) return this.pin.replaceChildren();
    const all = () => {
      this.legend.unpin();
      this.map.focused.focus({ preventScroll: true });
    };
    this.pin.replaceChildren(`Only ${words} is lit`, el("button", { type: "button", class: "button", onclick: all }, "Show all"));
  }

  #listen() {
    keysOf("Market map", [["← ↑ → ↓", "Go to the next coin"], ["Home End", "The largest and the smallest coin"], ["Enter", "Open the coin, enlarge the group"], ["+ − 0", "Zoom in, out and back"]]);
    const dress = () => this.map.dress(this.legend.colours());
    page.addEventListener("theme", dress);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
    document.fonts.ready.then(dress);
    new ResizeObserver(() => this.#resized()).observe(this.map.element);
    this.#zoomed(1);
    dress();
  }

  #resized() {
    const { width, height } = this.map.box;
    if (!width || !height) return;
    this.map.fit();
    this.placedAt = null;
    this.redraw();
  }

  #choose(name, parameter, value) {
    address.set({ [parameter]: DEFAULTS[parameter] === value ? null : value }, { step: name === "as" || name === "group" });
    remember("map", choices.PARAMETERS);
    this.choices = { ...this.choices, [name]: value };
    this.#changed(name);
  }

  #changed(name) {
    if (name !== "window") this.placedAt = null;
    if (name === "size") this.layout = new Layout(); // else tiles would keep neighbours that no longer suit them
    this.repaint = true;
    this.#showChoices();
    if (name === "count" || name === "set") this.ask(this.feeds[0], { per_page: choices.needed(this.choices) });
    this.redraw();
  }

  #showChoices() {
    const { as, ...others } = this.choices;
    for (const [name, value] of Object.entries(others)) this.fields[name].querySelector("select").value = value;
    this.fields.as.choose(as);
    this.map.element.hidden = this.zooms.hidden = as !== "map";
    this.table.element.hidden = as !== "table";
    this.legend.show(this.choices.window);
  }

  /** Sizes are brought up to date once a minute, when the visitor has chosen something, and when coins came or went, or
   * while they are grouped got a category. */
  #mayMove() {
    if (!this.placedAt || Date.now() - this.placedAt > RELAYOUT_MS) return true;
    if (this.choices.group === "category" && this.categorised !== choices.categorised(this.view)) return true;
    return this.view.keys.length !== this.known || this.shown.some((id) => !this.view.rows.has(id));
  }

  #place() {
    const { width, height } = this.map.box;
    const weigh = choices.SIZES[this.choices.size][2];
    const shown = choices.members(this.choices, this.view);
    const weight = new Map(shown.map((id) => [id, weigh(this.view.rows.get(id)) || 0]));
    this.shown = shown.sort((a, b) => weight.get(b) - weight.get(a));
    this.#group();
    this.known = this.view.keys.length;
    this.repaint = true;
    this.placedAt = Date.now();
    this.#offer();
    setText(this.summary, breadth(this.shown, this.view.rows, this.choices, page.locale, [...this.#changes()]));
    if (!width || !height) return; // the table is shown
    const gliding = this.placedIn === `${width}x${height}` && !page.calm.matches;
    const items = this.shown.map((id) => ({ id, size: weight.get(id), group: this.groupOf.get(id) }));
    const places = this.layout.place(items, width, height, (label, box) => this.map.heads.strip(label, box));
    this.map.place(places, this.layout.groups, gliding);
    this.placedIn = `${width}x${height}`;
  }

  /** Groups the coins on the map, if so chosen. Groups stay the same until the next layout. */
  #group() {
    this.categorised = choices.categorised(this.view);
    const isGrouped = this.categorised > 0 && this.choices.group === "category";
    this.groups = isGrouped ? grouped(this.shown, this.view.rows, [...this.groups.keys()]) : new Map();
    this.groupOf = new Map([...this.groups].flatMap(([label, ids]) => ids.map((id) => [id, label])));
    if (isGrouped) this.shown = [...this.groups.values()].flat();
  }

  /** The change of each group, by its label. */
  #changes() {
    const { window } = this.choices;
    return new Map([...this.groups].map(([label, ids]) => [label, weighted(ids, this.view.rows, window)]));
  }

  /** Disables windows without data, and grouping without categories. */
  #offer() {
    const windows = available(this.view);
    for (const option of this.fields.window.querySelectorAll("option")) option.disabled = !windows.has(option.value);
    const able = choices.categorised(this.view) > 0;
    this.fields.group.querySelector("select").disabled = !able;
    setAttribute(this.fields.group, "title", able ? null : NO_GROUPS);
  }

  #paintGroups() {
    const over = spaced(this.choices.window);
    const changes = [...this.#changes()].map(([label, value]) => {
      const text = this.#percent(value);
      return [label, [text, direction(value), `${label}, ${text} over ${over}`]];
    });
    this.map.heads.show(new Map(changes));
  }

  #paint(id) {
    const row = this.view.rows.get(id);
    if (!row) return;
    const { window } = this.choices;
    const value = row[`price_change_${window}`];
    const old = oldness(row, serverNow()); // its change would be one of the day on which the price stopped
    this.map.paint(id, row.symbol, old || this.#percent(value), old ? "none" : String(step(value, window)));
  }

  /** Percentages repeat, and formatting one with Intl costs more than drawing it. */
  #percent(value) {
    const key = Number.isFinite(value) ? Math.round(value * 100) : null;
    const cached = this.#texts.get(key);
    if (cached !== undefined) return cached;
    if (this.#texts.size > 10_000) this.#texts.clear();
    const text = percent(value, page.locale);
    this.#texts.set(key, text);
    return text;
  }

  #showTable() {
    const { rows } = this.view;
    const present = (ids) => ids.filter((id) => rows.has(id));
    const changes = this.#changes();
    const parts = [...this.groups].map(([label, ids]) => ({
      label,
      ids: present(ids),
      change: changes.get(label),
      cap: total(ids, rows, "market_cap"),
      volume: total(ids, rows, "volume_24h"),
    }));
    const whole = parts.length ? parts : [{ label: null, ids: present(this.shown) }];
    this.table.show(whole, rows, this.choices.window, this.numbers, this.summary.textContent);
  }

  #name(id) {
    const { name, symbol } = this.view.rows.get(id) ?? {};
    const { window } = this.choices;
    const group = this.groupOf.has(id) ? `, ${this.groupOf.get(id)}` : "";
    const row = this.view.rows.get(id);
    const change = stopped(row, serverNow(), page.locale, page.timeZone) || `${percent(row?.[`price_change_${window}`], page.locale)} over ${spaced(window)}`;
    return name ? `${name} (${symbol}), ${change}${group}` : id;
  }

  #describe(id, box) {
    const row = this.view.rows.get(id);
    if (!row) return tooltip.hide();
    const { numbers } = this;
    const { locale, timeZone } = page;
    const windows = WINDOWS.filter((window) => row[`price_change_${window}`] !== undefined);
    tooltip.show(box, {
      title: row.name,
      note: [row.symbol, `rank ${count(row.market_cap_rank, locale)}`, row.category].filter(Boolean).join(" · "),
      lines: [
        ["Price", numbers.price(row.price)],
        ...windows.map((window) => [spaced(window), percent(row[`price_change_${window}`], locale)]),
        ["Market cap", numbers.compact(row.market_cap)],
        ["24 h volume", numbers.compact(row.volume_24h)],
      ],
      prices: this.#week(id),
      foot: stopped(row, serverNow(), locale, timeZone) || this.#asOf(locale, timeZone),
    });
  }

  #describeGroup(label, box) {
    const { rows } = this.view;
    const { locale, timeZone } = page;
    const ids = this.groups.get(label);
    if (!ids) return tooltip.hide();
    const changes = WINDOWS.map((window) => [window, weighted(ids, rows, window)]).filter(([, value]) => value !== null);
    tooltip.show(box, {
      title: label,
      note: "Changes weighted by market cap",
      lines: [
        ["Coins", count(ids.length, locale)],
        ["Market cap", this.numbers.compact(total(ids, rows, "market_cap"))],
        ...changes.map(([window, value]) => [spaced(window), percent(value, locale)]),
      ],
      foot: this.#asOf(locale, timeZone),
    });
  }

  #asOf(locale, timeZone) {
    const { as_of, fetched_at } = this.feeds[0].head;
    return `as of ${clock(as_of ?? fetched_at, serverNow(), locale, timeZone)}`;
  }

  /** The coin's last week, requested after the pointer has rested on it for a moment. */
  #week(id) {
    if (this.week?.id === id) return this.week.prices;
    clearTimeout(this.week?.timer);
    const { server, params: { vs_currency: currency } } = this.feeds[0];
    const mine = { id, prices: null };
    const load = async () => {
      mine.prices = await week(server, currency, id);
      if (this.week === mine) this.map.refresh();
    };
    mine.timer = setTimeout(load, LINGER_MS);
    this.week = mine;
    return null;
  }
}

customElements.define("spot-heatmap", Heatmap);
