// The tiles of the map on a canvas: laying out and painting 500 elements would be too slow. It draws symbols, texts and
// steps of colour, and knows nothing of coins.

import { label } from "../tiles/treemap.js";
import { onScreen, WHOLE } from "./zoom.js";

export const GLIDE_MS = 350;
const DIMMED = 0.22;
const STRIPE = 7; // pixels from one stripe of a hatch to the next

function ease(t) {
  return 1 - (1 - t) ** 3;
}

function between(a, b, t) {
  const mix = (from, to) => from + (to - from) * t;
  return { x: mix(a.x, b.x), y: mix(a.y, b.y), width: mix(a.width, b.width), height: mix(a.height, b.height) };
}

export class Mosaic {
  tiles = new Map(); // id -> {symbol, text, step, place, from}
  view = WHOLE;
  #dirty = new Set();
  #widths = new Map();
  #whole = true;
  lit = null; // the step to which the map is narrowed down

  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { alpha: true });
    this.ratio = 1; // until it is known how large the map is
  }

  resize(width, height, ratio) {
    this.width = width;
    this.height = height;
    this.ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.#whole = true;
  }

  /** Takes `colours` {step: {back, ink, stripe}} and a font family. */
  dress(colours, family) {
    this.colours = colours;
    this.family = family;
    this.hatch = null;
    this.#widths.clear();
    this.#whole = true;
  }

  /** Moves tiles to their places, a Map from id; with `gliding`, existing tiles glide. */
  place(places, gliding) {
    const before = this.tiles;
    this.tiles = new Map();
    for (const [id, place] of places) {
      const old = before.get(id);
      this.tiles.set(id, { symbol: "", text: "", step: "none", ...old, place, from: gliding ? (old?.place ?? null) : null });
    }
    this.glideFrom = gliding ? performance.now() : null;
    this.#whole = true;
  }

  /** Sets the text and the step of colour of a tile; only changed tiles are drawn again. */
  set(id, symbol, text, step) {
    const tile = this.tiles.get(id);
    if (!tile || (tile.step === step && tile.text === text && tile.symbol === symbol)) return;
    Object.assign(tile, { symbol, text, step });
    this.#dirty.add(tile);
  }

  look(view) {
    this.view = view;
    this.#whole = true;
  }

  /** Dims the tiles of all steps but one; null dims none. */
  highlight(step) {
    this.lit = step;
    this.#whole = true;
  }

  /** Draws what has changed; false while tiles are still on their way. */
  draw() {
    const progress = this.glideFrom === null ? 1 : Math.min(1, (performance.now() - this.glideFrom) / GLIDE_MS);
    const { pen, ratio } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    if (this.#whole) pen.clearRect(0, 0, this.width, this.height);
    for (const tile of this.#whole ? this.tiles.values() : this.#dirty) this.#tile(tile, ease(progress));
    this.#dirty.clear();
    this.#whole = progress < 1;
    if (progress === 1) this.glideFrom = null;
    return progress === 1;
  }

  #tile(tile, progress) {
    const place = tile.from && progress < 1 ? between(tile.from, tile.place, progress) : tile.place;
    const box = this.#snapped(onScreen(this.view, place));
    if (box.width <= 0 || box.height <= 0 || box.x > this.width || box.y > this.height || box.x + box.width < 0 || box.y + box.height < 0) return;
    const { pen } = this;
    const dimmed = this.lit !== null && this.lit !== tile.step;
    if (!this.#whole && this.lit !== null) pen.clearRect(box.x, box.y, box.width, box.height);
    if (dimmed) pen.globalAlpha = DIMMED;
    this.#back(tile.step, box);
    if (!dimmed) this.#label(tile, this.#seen(box));
    pen.globalAlpha = 1;
  }

  /** On whole pixels of the screen, with one left free to the right and below. */
  #snapped({ x, y, width, height }) {
    const snap = (value) => Math.round(value * this.ratio) / this.ratio;
    const [left, top] = [snap(x), snap(y)];
    return { x: left, y: top, width: snap(x + width) - left - 1, height: snap(y + height) - top - 1 };
  }

  /** The visible part of a box: a label is centred in it. */
  #seen({ x, y, width, height }) {
    const [left, top] = [Math.max(0, x), Math.max(0, y)];
    return { x: left, y: top, width: Math.min(this.width, x + width) - left, height: Math.min(this.height, y + height) - top };
  }

  #back(step, { x, y, width, height }) {
    const { pen } = this;
    pen.fillStyle = this.colours[step].back;
    pen.fillRect(x, y, width, height);
    if (step !== "none") return;
    pen.fillStyle = this.#hatch();
    pen.fillRect(x, y, width, height);
  }

  #hatch() {
    if (this.hatch) return this.hatch;
    const side = Math.round(STRIPE * this.ratio);
    const cell = new OffscreenCanvas(side, side);
    const pen = cell.getContext("2d");
    pen.strokeStyle = this.colours.none.stripe;
    pen.lineWidth = side / 4;
    for (const offset of [-side, 0, side]) {
      pen.moveTo(offset, side);
      pen.lineTo(offset + side, 0);
    }
    pen.stroke();
    this.hatch = this.pen.createPattern(cell, "repeat");
    this.hatch.setTransform(new DOMMatrix().scale(1 / this.ratio));
    return this.hatch;
  }

  #label({ symbol, text, step }, { x, y, width, height }) {
    const sizes = label({ width, height }, this.#ems(symbol), this.#ems(text));
    if (!sizes.symbol) return;
    const { pen } = this;
    const [middle, centre] = [x + width / 2, y + height / 2];
    pen.fillStyle = this.colours[step].ink;
    pen.font = `600 ${sizes.symbol}px ${this.family}`;
    pen.fillText(symbol, middle, centre + sizes.symbol * (sizes.change ? -0.1 : 0.36));
    if (!sizes.change) return;
    pen.font = `500 ${sizes.change}px ${this.family}`;
    pen.fillText(text, middle, centre + sizes.change * 1.1);
  }

  /** The width of a text at a font size of 1. All digits count as zeros, so that the size of a label is steady. */
  #ems(text) {
    const shape = text.replace(/\d/g, "0");
    const cached = this.#widths.get(shape);
    if (cached !== undefined) return cached;
    this.pen.font = `600 100px ${this.family}`;
    const width = this.pen.measureText(shape).width / 100;
    this.#widths.set(shape, width);
    return width;
  }
}
