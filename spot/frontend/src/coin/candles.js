// <spot-candles coin="bitcoin">: candles, and below them the volume, with what that volume means.

import { candlesCsv, candlesName } from "../data/csv.js";
import { clock, count, direction, interval, percent } from "../data/format.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { keysOf } from "../shell/shortcuts.js";
import { save } from "../widgets/copying.js";
import { choice, el, setAttribute, setText } from "../widgets/dom.js";
import { Panel } from "../widgets/panel.js";
import { Chart } from "./chart.js";
import { followed, isOpen, missing, shortInterval, volumeWords } from "./series.js";

const RANGES = [["1", "1 D"], ["7", "7 D"], ["30", "30 D"], ["90", "90 D"], ["180", "180 D"], ["365", "1 Y"]];
const RANGE = "30";
const KINDS = [["candles", "Candles"], ["line", "Line"]];
const KEYS = [
  ["← →", "Step through the candles"],
  ["Shift+← Shift+→", "Move the chart"],
  ["PageUp PageDown", "Ten candles back and on"],
  ["Home End", "The first and the last candle"],
  ["+ − 0", "Zoom in, out, and show everything"],
];
const SPOKEN_KEYS = "Arrow keys step through the candles, Shift and arrow keys move the chart, plus and minus zoom, 0 shows everything, Home and End go to the first and the last candle.";
const ANNOUNCE_MS = 150; // a key that is held down announces only the last candle

function fromAddress(name, options, otherwise) {
  const value = address.get(name);
  return options.some(([key]) => key === value) ? value : otherwise;
}

function isStill(before, after) {
  return before.length === after.length && before.at(-1).close === after.at(-1).close;
}

class Candles extends Panel {
  heading = "Chart";

  build(body, controls) {
    this.#readAddress();
    this.lengths = new Map(); // of the candles of each range, as far as we have seen them
    this.ranges = choice("Range", RANGES, this.days, (days) => this.#choose({ days }, true));
    this.ranges.classList.add("ranges");
    for (const button of this.ranges.children) button.append(el("small"));
    this.kinds = choice("Drawn as", KINDS, this.kind, (chart) => this.#choose({ chart }));
    this.logs = el("button", { type: "button", class: "button", title: "Logarithmic price axis", onclick: () => this.#choose({ scale: this.logarithmic ? null : "log" }) }, "Log");
    this.all = el("button", { type: "button", class: "button", hidden: true, onclick: () => this.chart.fit() }, "Show all");
    this.save = el("button", { type: "button", class: "button", onclick: () => this.#save() }, "CSV");
    controls.append(this.all, this.ranges, this.kinds, this.logs, this.save);
    this.legend = el("p", { class: "chart-legend" });
    this.stage = el("div", { class: "chart", tabindex: "0", role: "application", "aria-roledescription": "chart", "aria-describedby": "chart-keys" });
    this.stage.addEventListener("keydown", (event) => this.#key(event));
    this.stage.addEventListener("blur", () => this.#leave());
    this.spoken = el("p", { class: "hidden", role: "status" });
    this.notes = el("p", { class: "chart-note" });
    body.append(this.legend, this.stage, this.spoken, el("p", { class: "hidden", id: "chart-keys" }, SPOKEN_KEYS), this.notes, this.#credit());
    this.chart = new Chart(this.stage, (timestamp) => this.#read(timestamp), () => this.#showView());
    keysOf("Chart", KEYS);
    this.#dress();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#dress());
    page.addEventListener("theme", () => this.#dress());
    page.addEventListener("price", ({ detail }) => this.#hear(detail));
  }

  /** The last candle follows the live price, so the interval of candles does not count. */
  pace() {
    return 0;
  }

  openFeeds() {
    return [this.feed("historical-ohlcv", { coin_id: this.getAttribute("coin"), days: Number(this.days) })];
  }

  /** The chart library's licence asks for this notice and link on the page. */
  #credit() {
    const link = el("a", { href: "https://www.tradingview.com/", rel: "noopener external" }, "TradingView");
    return el("p", { class: "chart-note" }, "Zoom with the wheel after a click on the chart, with two fingers, or with + and −. TradingView Lightweight Charts™, © TradingView, Inc. Charts by ", link, ".");
  }

  // --- choices ----------------------------------------------------------------------------------------------------

  #readAddress() {
    this.days = fromAddress("days", RANGES, RANGE);
    this.kind = fromAddress("chart", KINDS, KINDS[0][0]);
    this.logarithmic = address.get("scale") === "log";
  }

  #choose(changes, step = false) {
    const named = Object.entries(changes).map(([name, value]) => [name, value === RANGE || value === KINDS[0][0] ? null : value]);
    address.set(Object.fromEntries(named), { step });
    this.#follow();
  }

  onWalk() {
    this.#follow();
  }

  /** Shows what the address asks for. */
  #follow() {
    this.#readAddress();
    this.ranges.choose(this.days);
    this.kinds.choose(this.kind);
    this.#drawAs();
    this.ask(this.feeds[0], { days: Number(this.days) });
    if (this.candles) this.#note();
  }

  onLocale() {
    super.onLocale();
    this.#dress();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  #dress() {
    const { locale, timeZone } = page;
    this.chart.dress({ locale, timeZone, price: (value) => this.numbers.price(value), volume: (value) => this.numbers.compact(value) });
    this.#drawAs();
    if (this.candles) this.redraw();
  }

  #drawAs() {
    this.chart.draw({ asLine: this.kind === "line", logarithmic: this.logarithmic });
    setAttribute(this.logs, "aria-pressed", String(this.logarithmic));
    this.logs.classList.toggle("button-on", this.logarithmic);
  }

  draw(feed) {
    const { keys, rows } = feed.view;
    const { interval_ms: step, volume_basis: basis, params, as_of, fetched_at, source, source_label: label } = feed.head;
    this.fetched = keys.map((key) => rows.get(key));
    this.facts = { step, basis, currency: params?.vs_currency, days: params?.days, asOf: as_of ?? fetched_at, source: label ?? source };
    const shown = `${params?.days}:${params?.vs_currency}`;
    if (shown !== this.shown) this.chart.unpoint();
    this.candles = this.#followed();
    this.chart.show(this.candles, { step, isOpen: (candle) => this.#isOpen(candle), volume: Boolean(volumeWords(basis)) });
    if (shown !== this.shown) this.chart.fit();
    this.shown = shown;
    this.#showLengths(source);
    this.#note();
    this.#read(this.at);
    this.#showView();
  }

  #isOpen(candle) {
    return isOpen(candle, this.facts.step, this.following ? this.price.at : this.facts.asOf);
  }

  /** The price that the page shows of this coin: the last candle follows it, so that there are not two of them. */
  #hear(price) {
    if (price.id !== this.getAttribute("coin")) return;
    this.price = price;
    if (!this.fetched?.length) return;
    const [before, wasFollowing] = [this.candles, this.following];
    this.candles = this.#followed();
    if (!this.following) return wasFollowing ? this.redraw() : undefined;
    if (wasFollowing && isStill(before, this.candles)) return;
    this.chart.follow(this.candles.at(-1));
    this.#note();
    this.#read(this.at);
  }

  /** The fetched candles, the last one as the price has it. Files have them as they were fetched. */
  #followed() {
    const { step, asOf, currency } = this.facts;
    const candles = this.price?.currency === currency ? followed(this.fetched, this.price, step, asOf) : this.fetched;
    this.following = candles !== this.fetched;
    return candles;
  }

  /** Shows the length of candles on the buttons of ranges, once known: the source decides it. */
  #showLengths(source) {
    if (source !== this.source) this.lengths.clear();
    this.source = source;
    this.lengths.set(String(this.facts.days), shortInterval(this.facts.step));
    for (const button of this.ranges.children) {
      const length = this.lengths.get(button.value);
      setText(button.lastChild, length ?? "");
      setAttribute(button, "title", length ? `${length} candles` : null);
    }
  }

  #note() {
    const { step, basis } = this.facts;
    const last = this.candles.at(-1);
    const gaps = missing(this.candles, step);
    const open = last && this.#isOpen(last);
    const mark = this.kind === "line" ? "The last point" : "The last candle, drawn hollow,";
    const follows = this.following ? " and follows the price above" : "";
    const words = [
      step ? `${interval(step)} candles` : "",
      volumeWords(basis)?.[1] ?? "The source has no volume",
      open ? `${mark} is still open${follows}: it ends at ${clock(last.timestamp + step, this.facts.asOf, page.locale, page.timeZone)}` : "",
      this.#apart(last),
      gaps ? `${count(gaps, page.locale)} ${gaps === 1 ? "candle is" : "candles are"} missing and left blank` : "",
    ];
    setText(this.notes, words.filter(Boolean).join(" · "));
  }

  /** Explains the difference where the last candle does not follow the price above. */
  #apart(last) {
    if (!last || this.following || !this.price || this.price.currency !== this.facts.currency || this.price.price === last.close) return "";
    const [chart, price] = [this.facts.asOf, this.price.at].map((time) => clock(time, time, page.locale, page.timeZone));
    return `The last candle is of ${chart}, the price above of ${price}`;
  }

  #showView() {
    if (!this.candles?.length) return;
    const shown = this.#shown();
    const { length } = this.candles;
    const many = count(shown.length, page.locale);
    const [from, to] = [shown[0], shown.at(-1)].map((candle) => clock(candle?.timestamp, NaN, page.locale, page.timeZone));
    this.all.hidden = shown.length === length;
    setAttribute(this.stage, "aria-label", `Chart of ${this.getAttribute("coin")}: ${many} of ${count(length, page.locale)} candles in view, ${from} to ${to}`);
    setAttribute(this.save, "title", `Download the ${many} candles in view`);
  }

  /** Writes out the candle at that time, or else the last one. */
  #read(timestamp) {
    this.at = timestamp;
    const candle = this.#candle(timestamp);
    if (!candle) return this.legend.replaceChildren();
    const parts = this.#parts(candle).map(([name, value, way]) => el("span", way ? { "data-way": way } : {}, name ? el("b", {}, name) : "", value));
    this.legend.replaceChildren(el("span", {}, this.#when(candle)), ...parts);
  }

  #candle(timestamp) {
    return this.candles?.find((candle) => candle.timestamp === timestamp) ?? this.candles?.at(-1);
  }

  #when(candle) {
    return clock(candle.timestamp, NaN, page.locale, page.timeZone) + (this.#isOpen(candle) ? ", still open" : "");
  }

  /** A candle as [name, value, which way it goes]. */
  #parts({ open, high, low, close, volume }) {
    const { numbers: written } = this;
    const parts = [["O", open], ["H", high], ["L", low], ["C", close]].map(([name, value]) => [name, written.price(value)]);
    const change = open ? ((close - open) / open) * 100 : null;
    parts.push(["", percent(change, page.locale), direction(change)]);
    const counted = volumeWords(this.facts.basis);
    return counted ? [...parts, [counted[0], written.compact(volume)]] : parts;
  }

  // --- keys ---------------------------------------------------------------------------------------------------------

  #key(event) {
    const step = event.altKey || event.ctrlKey || event.metaKey ? null : this.#steps(event)[event.key];
    if (!step || !this.candles?.length) return;
    event.preventDefault();
    event.stopPropagation();
    step();
  }

  #steps({ shiftKey }) {
    const by = (steps) => () => this.#step(this.#place() + steps);
    return {
      ArrowLeft: shiftKey ? () => this.chart.pan(-0.2) : by(-1),
      ArrowRight: shiftKey ? () => this.chart.pan(0.2) : by(1),
      PageUp: by(-10),
      PageDown: by(10),
      Home: () => this.#step(0),
      End: () => this.#step(this.candles.length - 1),
      "+": () => this.chart.zoom(0.7),
      "=": () => this.chart.zoom(0.7),
      "-": () => this.chart.zoom(1 / 0.7),
      0: () => this.chart.fit(),
      Escape: () => this.#leave(),
    };
  }

  /** Where the cursor stands among the candles; just past the last one while there is none. */
  #place() {
    const place = this.candles.findIndex(({ timestamp }) => timestamp === this.at);
    return place < 0 ? this.candles.length : place;
  }

  #step(to) {
    const candle = this.candles[Math.min(Math.max(to, 0), this.candles.length - 1)];
    this.chart.point(candle.timestamp);
    this.#read(candle.timestamp);
    clearTimeout(this.announcing);
    const words = { O: "open", H: "high", L: "low", C: "close" };
    const parts = this.#parts(candle).map(([name, value]) => `${words[name] ?? name} ${value}`.trim());
    this.announcing = setTimeout(() => setText(this.spoken, `${this.#when(candle)}: ${parts.join(", ")}`), ANNOUNCE_MS);
  }

  #leave() {
    clearTimeout(this.announcing);
    setText(this.spoken, "");
    this.chart.unpoint();
    this.#read(null);
  }

  // --- the file -----------------------------------------------------------------------------------------------------

  /** The candles in view. */
  #shown() {
    const times = new Set(this.chart.inView());
    return this.candles.filter(({ timestamp }) => times.has(timestamp));
  }

  #save() {
    const times = new Set(this.chart.inView());
    const candles = (this.fetched ?? []).filter(({ timestamp }) => times.has(timestamp));
    if (!candles.length) return;
    const { step, basis, currency, asOf, source } = this.facts;
    const isComplete = (candle) => !isOpen(candle, step, asOf);
    const text = candlesCsv(candles, { currency, intervalMs: step, volumeBasis: basis, source, asOf, timeZone: page.timeZone, isComplete });
    save(text, candlesName(this.getAttribute("coin"), currency, shortInterval(step), candles), "text/csv;charset=utf-8");
  }
}

customElements.define("spot-candles", Candles);
