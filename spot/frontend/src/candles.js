// <spot-candles coin="bitcoin">: candles, and below them the volume, with what that volume means.

import { CandlestickSeries, createChart, HistogramSeries } from "lightweight-charts";

import * as address from "./address.js";
import { choice, el, setText } from "./dom.js";
import { clock, interval, priceDecimals } from "./format.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";
import { bars, volumes } from "./series.js";

const RANGES = [["1", "1 D"], ["7", "7 D"], ["30", "30 D"], ["90", "90 D"], ["180", "180 D"], ["365", "1 Y"]];
const BASIS = { rolling_24h: "Volume: rolling 24-hour total at each candle's close, not the volume traded within the candle" };
const AXIS = [
  { year: "numeric" },
  { month: "short" },
  { day: "numeric", month: "short" },
  { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
];

class Candles extends Panel {
  heading = "Chart";

  build(body, controls) {
    const wanted = address.get("days");
    this.days = RANGES.some(([days]) => days === wanted) ? wanted : "30";
    this.ranges = choice("Range", RANGES, this.days, (days) => this.#choose(days));
    controls.append(this.ranges, el("button", { type: "button", class: "button", onclick: () => this.feeds[0].export() }, "CSV"));
    this.legend = el("p", { class: "chart-legend" });
    this.stage = el("div", { class: "chart", role: "img", "aria-label": "Candle chart" });
    this.basis = el("p", { class: "chart-note" });
    body.append(this.legend, this.stage, this.basis, this.#credit());
    this.#make();
  }

  openFeeds() {
    const feed = this.feed("historical-ohlcv", { coin_id: this.getAttribute("coin"), days: Number(this.days) });
    feed.addEventListener("export", ({ detail }) => this.#save(detail), { signal: this.abort.signal });
    return [feed];
  }

  draw(feed) {
    const { keys, rows } = feed.view;
    this.candles = keys.map((key) => rows.get(key));
    const { interval_ms: step, volume_basis: basis, params } = feed.head;
    this.step = step;
    this.#precision();
    this.prices.setData(bars(this.candles, step));
    this.volume.setData(volumes(this.candles, { up: this.colour("--up-soft"), down: this.colour("--down-soft") }));
    this.#fit(`${params?.days}:${params?.vs_currency}`);
    setText(this.basis, [BASIS[basis] ?? "", step ? `${interval(step)} candles` : ""].filter(Boolean).join(" · "));
    this.#read();
  }

  #choose(days) {
    this.days = days;
    address.set({ days: days === "30" ? null : days }, { step: false });
    this.ask(this.feeds[0], { days: Number(days) });
  }

  /** The chart library's licence asks for this notice and link on the page. */
  #credit() {
    const link = el("a", { href: "https://www.tradingview.com/", rel: "noopener external" }, "TradingView");
    return el("p", { class: "chart-note" }, "TradingView Lightweight Charts™, © TradingView, Inc. Charts by ", link, ".");
  }

  #make() {
    // The library's own logo brings a <style> element with it, which the content security policy forbids.
    this.chart = createChart(this.stage, { autoSize: true, layout: { attributionLogo: false, panes: { enableResize: false } } });
    this.prices = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.volume = this.chart.addSeries(HistogramSeries, { lastValueVisible: false, priceLineVisible: false }, 1);
    this.chart.panes()[1].setStretchFactor(0.28);
    this.chart.subscribeCrosshairMove(({ time }) => this.#read(time));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#dress());
    this.#dress();
  }

  /** A colour token as the browser resolves it: the canvas knows nothing of variables. */
  colour(token) {
    this.probe ??= this.stage.appendChild(el("span", { hidden: true }));
    this.probe.style.color = `var(${token})`;
    return getComputedStyle(this.probe).color;
  }

  #dress() {
    const line = { color: this.colour("--line") };
    const { fontFamily } = getComputedStyle(this.stage);
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: this.colour("--muted"), fontFamily, panes: { separatorColor: line.color } },
      grid: { vertLines: line, horzLines: line },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderVisible: false, timeVisible: true, tickMarkFormatter: (time, kind) => this.#tick(time, kind) },
      localization: { locale: page.locale, timeFormatter: (time) => clock(time * 1000, NaN, page.locale, page.timeZone) },
    });
    const [up, down] = [this.colour("--up"), this.colour("--down")];
    this.prices.applyOptions({ upColor: up, wickUpColor: up, downColor: down, wickDownColor: down });
    this.volume.applyOptions({ priceFormat: { type: "custom", formatter: (value) => this.numbers.compact(value) } });
    if (this.candles) this.redraw();
  }

  #tick(time, kind) {
    return new Intl.DateTimeFormat(page.locale, { ...AXIS[kind], timeZone: page.timeZone }).format(time * 1000);
  }

  /** As many digits as the price needs, so that a coin of a millionth of a dollar has an axis too. */
  #precision() {
    const smallest = Math.min(...this.candles.map(({ low }) => low).filter((low) => low > 0));
    const digits = Number.isFinite(smallest) ? Math.min(priceDecimals(smallest), 15) : 2;
    const priceFormat = { type: "custom", minMove: 10 ** -digits, formatter: (value) => this.numbers.price(value) };
    this.prices.applyOptions({ priceFormat });
  }

  #fit(shown) {
    if (shown === this.shown) return;
    this.shown = shown;
    this.chart.timeScale().fitContent();
  }

  /** Writes out the candle under the crosshair, or else the last one. */
  #read(time) {
    const candle = this.candles?.find(({ timestamp }) => timestamp / 1000 === time) ?? this.candles?.at(-1);
    if (!candle) return this.legend.replaceChildren();
    const { numbers } = this;
    const parts = [["O", candle.open], ["H", candle.high], ["L", candle.low], ["C", candle.close]];
    const shown = parts.map(([name, value]) => el("span", {}, el("b", {}, name), numbers.price(value)));
    shown.push(el("span", {}, el("b", {}, "Vol 24 h"), numbers.compact(candle.volume)));
    this.legend.replaceChildren(el("span", {}, clock(candle.timestamp, NaN, page.locale, page.timeZone)), ...shown);
  }

  #save({ filename, data }) {
    const url = URL.createObjectURL(new Blob([data], { type: "text/csv;charset=utf-8" }));
    el("a", { href: url, download: filename }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

customElements.define("spot-candles", Candles);
