// The chart of <spot-candles>: the chart library with our colours and time zone, and a cursor for the keyboard.

import {
  CandlestickSeries, createChartEx, defaultHorzScaleBehavior, HistogramSeries, LineSeries, PriceScaleMode, TrackingModeExitMode,
} from "lightweight-charts";

import { clock, priceDecimals } from "../data/format.js";
import { tickWeight, wallClock } from "../data/zone.js";
import { el } from "../widgets/dom.js";
import { bars, line, volumes, within } from "./series.js";

// By the library's kinds of labels: a year, a month, a day, a time, a time with seconds.
const LABELS = [
  { year: "numeric" },
  { month: "short" },
  { day: "numeric", month: "short" },
  { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
];
const MOST_DIGITS = 15;
const LABEL_ROOM = 18; // pixels
const LEAST_SHOWN = 5; // bars, however far one zooms in

/** The time axis by the days and hours of a time zone; the library itself knows UTC only. */
class Calendar extends defaultHorzScaleBehavior() {
  timeZone = "UTC";

  fillWeightsForPoints(points, start = 0) {
    super.fillWeightsForPoints(points, start); // which guesses a weight for the first of all
    const wall = (point) => wallClock(point.originalTime * 1000, this.timeZone);
    let before = start > 0 ? wall(points[start - 1]) : null;
    for (let place = start; place < points.length; place += 1) {
      const now = wall(points[place]);
      if (before !== null) points[place].timeWeight = tickWeight(now, before);
      before = now;
    }
  }
}

/** `onread(timestamp or null)` is called when the pointer has moved to another candle or off the chart. */
export class Chart {
  constructor(stage, onread, onview) {
    this.stage = stage;
    this.calendar = new Calendar();
    this.chart = createChartEx(stage, this.calendar, {
      autoSize: true,
      // The library's own logo brings a <style> element with it, which the content security policy forbids.
      layout: { attributionLogo: false, panes: { enableResize: false } },
      handleScroll: { vertTouchDrag: false, mouseWheel: false },
      handleScale: { mouseWheel: false },
      trackingMode: { exitMode: TrackingModeExitMode.OnTouchEnd },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: true });
    this.line = this.chart.addSeries(LineSeries, { lineWidth: 2, visible: false });
    this.bars = [];
    this.chart.subscribeCrosshairMove(({ time }) => onread(time === undefined ? null : time * 1000));
    this.axis = this.chart.timeScale();
    this.axis.subscribeVisibleLogicalRangeChange(() => this.#watch(onview));
    // A wheel over the chart scrolls the page, until the visitor has gone into the chart.
    stage.addEventListener("focusin", () => this.#wheel(true));
    stage.addEventListener("focusout", () => this.#wheel(false));
  }

  #wheel(on) {
    this.chart.applyOptions({ handleScroll: { mouseWheel: on }, handleScale: { mouseWheel: on } });
  }

  /** A colour token as the browser resolves it: the canvas knows nothing of variables. */
  colour(token) {
    this.probe ??= this.stage.appendChild(el("span", { hidden: true }));
    this.probe.style.color = `var(${token})`;
    return getComputedStyle(this.probe).color;
  }

  /** Colours, numbers and clocks. Draw again afterwards: the candles bring colours of their own. */
  dress({ locale, timeZone, price, volume }) {
    const line = { color: this.colour("--line") };
    const cross = { color: this.colour("--muted"), labelBackgroundColor: this.colour("--muted") };
    const { fontFamily } = getComputedStyle(this.stage);
    const tick = (time, kind) => new Intl.DateTimeFormat(locale, { ...LABELS[kind], timeZone }).format(time * 1000);
    this.price = price;
    this.volumeFormat = { type: "custom", formatter: volume };
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: this.colour("--muted"), fontFamily, panes: { separatorColor: line.color } },
      grid: { vertLines: line, horzLines: line },
      crosshair: { vertLine: cross, horzLine: cross },
      rightPriceScale: { borderVisible: false, entireTextOnly: true },
      timeScale: { borderVisible: false, timeVisible: true, tickMarkFormatter: tick },
      localization: { locale, timeFormatter: (time) => clock(time * 1000, NaN, locale, timeZone) },
    });
    const [up, down] = [this.colour("--up"), this.colour("--down")];
    this.candles.applyOptions({ upColor: up, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down });
    this.line.applyOptions({ color: this.colour("--accent") });
    if (this.calendar.timeZone !== timeZone) {
      this.calendar.timeZone = timeZone;
      this.#forget(); // or the labels would stay where they were
    }
  }

  #forget() {
    for (const series of [this.candles, this.line, this.volume]) series?.setData([]);
  }

  /** Candles, `step` ms apart. `isOpen(candle)`: whether it has not closed yet; `volume`: whether they have any. */
  show(candles, { step, isOpen, volume }) {
    this.bars = bars(candles, step);
    const last = candles.at(-1);
    const shown = last && isOpen(last) ? [...this.bars.slice(0, -1), { ...this.bars.at(-1), color: "transparent" }] : this.bars;
    this.#precision(candles);
    this.candles.setData(shown);
    this.candles.applyOptions({ priceLineColor: this.colour(last && last.close < last.open ? "--down" : "--up") });
    this.line.setData(line(this.bars, "transparent"));
    this.#volumePane(volume);
    this.volume?.setData(volumes(candles, { up: this.colour("--up-soft"), down: this.colour("--down-soft") }));
  }

  /** Draws the last candle anew, or one after it; it is open. */
  follow({ timestamp, open, high, low, close }) {
    const bar = { time: timestamp / 1000, open, high, low, close };
    const isNew = bar.time !== this.bars.at(-1)?.time;
    this.bars = [...(isNew ? this.bars : this.bars.slice(0, -1)), bar];
    this.candles.update({ ...bar, color: "transparent" });
    this.candles.applyOptions({ priceLineColor: this.colour(close < open ? "--down" : "--up") });
    this.line.update({ time: bar.time, value: close });
  }

  /** As many digits as the price needs, so that a coin of a millionth of a dollar has an axis too. */
  #precision(candles) {
    const smallest = Math.min(...candles.map(({ low }) => low).filter((low) => low > 0));
    const digits = Number.isFinite(smallest) ? Math.min(priceDecimals(smallest), MOST_DIGITS) : 2;
    const priceFormat = { type: "custom", minMove: 10 ** -digits, formatter: this.price };
    for (const series of [this.candles, this.line]) series.applyOptions({ priceFormat });
  }

  #volumePane(isShown) {
    if (isShown && !this.volume) {
      this.volume = this.chart.addSeries(HistogramSeries, { lastValueVisible: false, priceLineVisible: false }, 1);
      this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.2, bottom: 0 }, entireTextOnly: true });
      this.chart.panes()[1].setStretchFactor(0.28);
    } else if (!isShown && this.volume) {
      this.chart.removeSeries(this.volume); // and its pane with it
      this.volume = null;
    }
    this.volume?.applyOptions({ priceFormat: this.volumeFormat });
  }

  draw({ asLine, logarithmic }) {
    this.candles.applyOptions({ visible: !asLine });
    this.line.applyOptions({ visible: asLine });
    this.candles.priceScale().applyOptions({ mode: logarithmic ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal });
  }

  // --- the visible range --------------------------------------------------------------------------------------------

  /** Everything, with room at the left for the label of the first day. */
  fit() {
    const count = this.bars.length;
    const room = Math.max(this.axis.width() - LABEL_ROOM, 1);
    this.#aim({ from: -0.5 - (count * LABEL_ROOM) / room, to: count - 0.5 });
  }

  /** The visible range, including a change that has not been drawn yet: keys may be faster than drawings. */
  #range() {
    return this.aim ?? this.axis.getVisibleLogicalRange();
  }

  #aim(range) {
    this.aim = range;
    this.axis.setVisibleLogicalRange(range);
  }

  /**
   * The visible range has changed, by the visitor or with the width of the chart. The whole range stays whole. A zoom
   * may change the width as well, since prices with more digits need more room; but only a zoom changes the bars' width.
   */
  #watch(onview) {
    this.aim = null;
    const { width: before, spacing } = this;
    const { from, to } = this.axis.getVisibleLogicalRange() ?? {};
    this.width = this.axis.width();
    this.spacing = this.width / (to - from);
    if (this.whole && this.width !== before && Math.abs(this.spacing / spacing - 1) < 0.01) return this.fit();
    this.whole = this.inView().length === within(this.bars).length;
    onview();
  }

  /** The times (ms) of the candles in view, or that the next drawing brings into view. */
  inView() {
    return within(this.bars, this.#range()).map(({ time }) => time * 1000);
  }

  /** Moves by a share of what is in view: -0.1 is a tenth of it into the past. */
  pan(share) {
    const { from, to } = this.#range();
    this.#view(from + (to - from) * share, to + (to - from) * share);
  }

  /** Shows `factor` times as many candles, around the cursor or the newest ones. */
  zoom(factor) {
    const { from, to } = this.#range();
    const fixed = this.cursor !== undefined && this.cursor >= from && this.cursor <= to ? this.cursor : to;
    const size = Math.min(Math.max((to - from) * factor, LEAST_SHOWN), this.bars.length + 1);
    const start = fixed - ((fixed - from) / (to - from)) * size;
    this.#view(start, start + size);
  }

  /** Never past the data. */
  #view(from, to) {
    const [first, last] = [-0.5, this.bars.length - 0.5];
    const shift = Math.max(first - from, 0) || Math.min(last - to, 0);
    this.#aim({ from: from + shift, to: to + shift });
  }

  // --- the cursor ---------------------------------------------------------------------------------------------------

  /** Puts the cursor on the candle of that time (ms) and moves it into view. */
  point(timestamp) {
    const place = this.bars.findIndex(({ time, close }) => time * 1000 === timestamp && close !== undefined);
    if (place < 0) return this.unpoint();
    this.cursor = place;
    const { from, to } = this.#range();
    if (place < from) this.#view(place - 0.5, place - 0.5 + to - from);
    else if (place > to) this.#view(place + 0.5 - (to - from), place + 0.5);
    this.chart.setCrosshairPosition(this.bars[place].close, this.bars[place].time, this.candles);
  }

  unpoint() {
    this.cursor = undefined;
    this.chart.clearCrosshairPosition();
  }
}
