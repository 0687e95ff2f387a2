// <spot-heatmap>: the market as tiles, sized by what a coin weighs and coloured by how it moved.

import * as address from "./address.js";
import { link } from "./coin_name.js";
import { el, select, setAttribute, setText } from "./dom.js";
import { count, percent } from "./format.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";
import { legend, step } from "./scale.js";
import * as tooltip from "./tooltip.js";
import { label, Layout, neighbour } from "./treemap.js";

const RELAYOUT_MS = 60_000; // tiles may change their size once a minute; their colours follow every frame
const SIZES = {
  market_cap: ["Market cap", (row) => row.market_cap],
  root: ["√ market cap", (row) => Math.sqrt(row.market_cap)],
  volume: ["24 h volume", (row) => row.volume_24h],
  equal: ["Equal", () => 1],
};
const SHOWN = ["1h", "24h", "7d", "30d", "1y"];
const COUNTS = ["50", "100", "250", "500"];

function oneOf(allowed, value, otherwise) {
  return allowed.includes(value) ? value : otherwise;
}

class Heatmap extends Panel {
  heading = "Market map";
  tiles = new Map();
  places = new Map();
  layout = new Layout();

  build(body, controls) {
    this.#readAddress();
    const pairs = (keys) => keys.map((key) => [key, key]);
    controls.append(
      select("Coins", COUNTS.map((n) => [n, `Top ${n}`]), this.count, (n) => this.#choose("coins", n)),
      select("Size", Object.entries(SIZES).map(([key, [text]]) => [key, text]), this.size, (key) => this.#choose("size", key)),
      select("Colour", pairs(SHOWN), this.window, (key) => this.#choose("colour", key)),
    );
    this.map = el("div", { class: "map", role: "group", "aria-label": "Market map; arrow keys move, Enter opens a coin" });
    this.legend = el("ol", { class: "legend", "aria-label": "Colours" });
    body.append(this.map, this.legend);
    this.#showLegend();
    this.#listen();
  }

  openFeeds() {
    return [this.feed("coin-heatmap", { per_page: Number(this.count) })];
  }

  draw(feed, changes) {
    this.view = feed.view;
    if (!this.placedAt || this.#mayMove()) this.#place();
    const keys = changes.size && !this.repaint ? changes.keys() : this.view.keys;
    for (const key of keys) this.#paint(key);
    this.repaint = false;
    if (this.described) this.#describe(this.described);
  }

  #readAddress() {
    const small = innerWidth < 700; // where the largest coin would leave no room for the others
    this.count = oneOf(COUNTS, address.get("coins"), small ? "50" : "100");
    this.size = oneOf(Object.keys(SIZES), address.get("size"), small ? "root" : "market_cap");
    this.window = oneOf(SHOWN, address.get("colour"), "24h");
  }

  #choose(name, value) {
    address.set({ [name]: value }, { step: false });
    this.#readAddress();
    this.placedAt = name === "colour" ? this.placedAt : null;
    this.repaint = true;
    this.#showLegend();
    if (name === "coins") this.ask(this.feeds[0], { per_page: Number(value) });
    else this.redraw();
  }

  #showLegend() {
    const steps = legend(this.window).map(([level, text]) => el("li", { "data-step": level }, text));
    this.legend.replaceChildren(...steps, el("li", { "data-step": "none" }, "No value"));
  }

  #mayMove() {
    const sameCoins = this.view.keys.length === this.places.size;
    return Date.now() - this.placedAt > RELAYOUT_MS || (!sameCoins && this.getAttribute("aria-busy") !== "true");
  }

  #place() {
    const { clientWidth: width, clientHeight: height } = this.map;
    if (!width || !height) return;
    const weigh = SIZES[this.size][1];
    const items = this.view.keys.map((id) => ({ id, size: weigh(this.view.rows.get(id)) || 0 }));
    this.places = this.layout.place(items, width, height);
    this.placedAt = Date.now();
    this.repaint = true;
    for (const id of this.tiles.keys()) if (!this.places.has(id)) this.#drop(id);
    for (const [id, place] of this.places) this.#move(id, place);
    if (!this.places.has(this.current)) this.#focusable(this.view.keys[0]);
  }

  #drop(id) {
    this.tiles.get(id).remove();
    this.tiles.delete(id);
  }

  #move(id, place) {
    const tile = this.tiles.get(id) ?? this.#tile(id);
    const { symbol } = this.view.rows.get(id);
    const { size, lines } = label(place, symbol);
    tile.hidden = place.width < 1 || place.height < 1;
    tile.style.transform = `translate(${place.x}px, ${place.y}px)`;
    tile.style.width = `${place.width}px`;
    tile.style.height = `${place.height}px`;
    tile.style.fontSize = `${size}px`;
    setAttribute(tile, "data-lines", lines);
  }

  #tile(id) {
    const tile = link(id, { class: "tile", tabindex: "-1" }, el("bdi", { class: "tile-symbol" }), el("span"));
    this.tiles.set(id, tile);
    this.map.append(tile);
    return tile;
  }

  #paint(id) {
    const tile = this.tiles.get(id);
    const row = this.view.rows.get(id);
    if (!tile || !row) return;
    const value = row[`price_change_${this.window}`];
    setAttribute(tile, "data-step", step(value, this.window));
    setText(tile.firstChild, row.symbol);
    setText(tile.lastChild, percent(value, page.locale));
  }

  #focusable(id) {
    this.tiles.get(this.current)?.setAttribute("tabindex", "-1");
    this.tiles.get(id)?.setAttribute("tabindex", "0");
    this.current = id;
  }

  #listen() {
    const tileOf = (event) => event.target.closest?.(".tile");
    for (const type of ["pointerover", "focusin"]) {
      this.map.addEventListener(type, (event) => tileOf(event) && this.#describe(tileOf(event)));
    }
    for (const type of ["pointerleave", "focusout"]) this.map.addEventListener(type, () => this.#leave());
    this.map.addEventListener("keydown", (event) => this.#walk(event));
    addEventListener("keydown", ({ key }) => key === "Escape" && this.#leave());
    new ResizeObserver(() => this.#resized()).observe(this.map);
  }

  #resized() {
    if (!this.view) return;
    this.placedAt = null;
    this.redraw();
  }

  #walk(event) {
    const ends = { Home: this.view?.keys[0], End: this.view?.keys.at(-1) };
    const arrow = event.key.startsWith("Arrow") && this.places.has(this.current);
    const next = ends[event.key] ?? (arrow ? neighbour(this.places, this.current, event.key) : null);
    if (!next) return;
    event.preventDefault();
    this.#focusable(next);
    this.tiles.get(next)?.focus({ preventScroll: true });
  }

  #leave() {
    this.described = null;
    tooltip.hide();
  }

  #describe(tile) {
    const row = this.view.rows.get(tile.dataset.coin);
    if (!row || !tile.isConnected) return this.#leave();
    this.described = tile;
    const { numbers } = this;
    const { locale } = page;
    const windows = SHOWN.filter((window) => row[`price_change_${window}`] !== undefined);
    tooltip.show(tile, `${row.name} (${row.symbol})`, [
      ["Rank", count(row.market_cap_rank, locale)],
      ["Price", numbers.price(row.price)],
      ...windows.map((window) => [window, percent(row[`price_change_${window}`], locale)]),
      ["Market cap", numbers.compact(row.market_cap)],
      ["24 h volume", numbers.compact(row.volume_24h)],
    ]);
  }
}

customElements.define("spot-heatmap", Heatmap);
