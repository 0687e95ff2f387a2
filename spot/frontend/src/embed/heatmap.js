// <spot-heatmap limit="100">, embedded: the market as tiles, sized by market cap or volume and coloured by price change.

import { serverNow } from "../client/socket.js";
import { percent } from "../data/format.js";
import { oldness } from "../data/row_age.js";
import { legend, step } from "../tiles/scale.js";
import { Layout, neighbour } from "../tiles/treemap.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { Embed } from "./element.js";
import { heatmapFeed, weight, window } from "./options.js";

const RELAYOUT_MS = 60_000; // tiles may change their size once a minute; their colours follow every frame
const SMALLEST = 9; // pixels of a letter that can still be read

class Heatmap extends Embed {
  label = "Market map";

  ask() {
    return heatmapFeed({ coins: this.getAttribute("coins"), limit: this.getAttribute("limit") });
  }

  build(stage) {
    this.tiles = new Map();
    this.places = new Map();
    this.layout = new Layout();
    this.map = el("div", { class: "map", role: "group", "aria-label": "Arrow keys move between coins, Enter opens one" });
    this.scale = el("ol", { class: "scale", "aria-label": "Colours" });
    stage.append(this.map, this.scale);
    this.map.addEventListener("keydown", (event) => this.#walk(event));
    new ResizeObserver(() => this.#place()).observe(this.map);
  }

  draw(rows) {
    const asked = `${this.feed.path} ${this.getAttribute("size")} ${rows.map(({ id }) => id).sort()}`;
    this.rows = rows;
    this.window = window(this.getAttribute("window"));
    if (asked !== this.asked || Date.now() - this.placedAt > RELAYOUT_MS) this.#place();
    this.asked = asked;
    for (const row of rows) this.#paint(row);
    this.#showScale();
  }

  #showScale() {
    if (this.scale.dataset.window === this.window) return;
    this.scale.dataset.window = this.window;
    this.scale.replaceChildren(...legend(this.window).map(([level, text]) => el("li", { "data-step": level }, text)));
  }

  #place() {
    const { clientWidth: width, clientHeight: height } = this.map;
    if (!width || !height || !this.rows) return;
    const weigh = weight(this.getAttribute("size"));
    this.places = this.layout.place(this.rows.map((row) => ({ id: row.id, size: weigh(row) || 0 })), width, height);
    this.placedAt = Date.now();
    for (const [id, tile] of this.tiles) {
      if (this.places.has(id)) continue;
      tile.remove();
      this.tiles.delete(id);
    }
    for (const row of this.rows) this.#move(row);
    if (!this.places.has(this.current)) this.#focusable(this.rows[0]?.id);
  }

  #move({ id, symbol }) {
    const { x, y, width, height } = this.places.get(id);
    const tile = this.tiles.get(id) ?? this.#tile(id);
    const size = Math.min((width - 6) / (Math.max(symbol.length, 6) * 0.72), (height - 2) / 2.4, 30);
    const alone = Math.min((width - 4) / (symbol.length * 0.75), height - 2, 12);
    tile.hidden = width < 1 || height < 1;
    tile.style.transform = `translate(${x}px, ${y}px)`;
    tile.style.width = `${width}px`;
    tile.style.height = `${height}px`;
    tile.style.fontSize = `${size >= SMALLEST ? size : alone}px`;
    setAttribute(tile, "data-lines", size >= SMALLEST ? 2 : Number(alone >= SMALLEST));
  }

  #tile(id) {
    const tile = el("a", { class: "tile", tabindex: "-1", href: this.address(id), target: "_blank", rel: "noopener" }, el("bdi"), el("span"));
    tile.addEventListener("focus", () => this.#focusable(id));
    this.tiles.set(id, tile);
    this.map.append(tile);
    return tile;
  }

  #paint(row) {
    const tile = this.tiles.get(row.id);
    if (!tile) return;
    const value = row[`price_change_${this.window}`];
    const old = oldness(row, serverNow());
    const change = old || percent(value, this.locale);
    setAttribute(tile, "data-step", old ? "none" : step(value, this.window));
    setText(tile.firstChild, row.symbol);
    setText(tile.lastChild, change);
    setAttribute(tile, "title", `${row.name} (${row.symbol}): ${this.numbers.price(row.price)}, ${this.window} ${change}, market cap ${this.numbers.compact(row.market_cap)}`);
  }

  #focusable(id) {
    this.tiles.get(this.current)?.setAttribute("tabindex", "-1");
    this.tiles.get(id)?.setAttribute("tabindex", "0");
    this.current = id;
  }

  #walk(event) {
    const ends = { Home: this.rows?.[0]?.id, End: this.rows?.at(-1)?.id };
    const arrow = event.key.startsWith("Arrow") && this.places.has(this.current);
    const next = ends[event.key] ?? (arrow ? neighbour(this.places, this.current, event.key) : null);
    if (!next) return;
    event.preventDefault();
    this.tiles.get(next)?.focus({ preventScroll: true });
  }
}

if (!customElements.get("spot-heatmap")) customElements.define("spot-heatmap", Heatmap);
