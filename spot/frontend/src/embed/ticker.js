// <spot-ticker coins="bitcoin,ethereum">, embedded: scrolling prices, paused by pointer, focus or button.

import { serverNow } from "../client/socket.js";
import { direction, percent } from "../data/format.js";
import { oldness, stopped } from "../data/row_age.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { scrolling } from "../widgets/marquee.js";
import { Embed } from "./element.js";
import { tickerFeed } from "./options.js";

const ARROWS = { up: "▲", down: "▼" };

class Ticker extends Embed {
  label = "Prices";

  ask() {
    return tickerFeed({ coins: this.getAttribute("coins"), limit: this.getAttribute("limit") });
  }

  build(stage) {
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.button = el("button", { type: "button", onclick: () => this.#stop(!this.stopped) });
    this.track = el("div", { class: "track" });
    this.rail = el("div", { class: "rail" }, this.track);
    stage.append(this.button, this.rail);
    this.watcher = new ResizeObserver(() => this.#measure());
    for (const type of ["pointerenter", "pointerleave", "focusin", "focusout"]) this.rail.addEventListener(type, () => this.#run());
    this.calm.addEventListener("change", () => this.#measure());
    this.#stop(false);
  }

  draw(rows) {
    const shown = rows.map(({ id }) => id).join() + this.rail.clientWidth;
    if (shown !== this.shown) this.#fill(rows);
    this.shown = shown;
    for (const row of rows) for (const item of this.items.get(row.id)) this.#show(item, row);
  }

  /** As many copies of the list as fill the rail and one more, so that the wrap is never seen. */
  #fill(rows) {
    this.items = new Map(rows.map(({ id }) => [id, []]));
    this.track.replaceChildren(this.#copy(rows, false));
    for (const row of rows) for (const item of this.items.get(row.id)) this.#show(item, row);
    const copies = 1 + Math.ceil(this.rail.clientWidth / Math.max(1, this.track.scrollWidth));
    for (let n = 0; n < Math.min(copies, 30); n += 1) this.track.append(this.#copy(rows, true));
    this.watcher.disconnect();
    this.watcher.observe(this.track.firstChild);
  }

  #copy(rows, again) {
    const list = el("ul", { "aria-hidden": again && "true", inert: again });
    for (const { id, name } of rows) {
      const item = el("a", { href: this.address(id), target: "_blank", rel: "noopener", title: name }, el("bdi", { class: "symbol" }), el("span", { class: "price" }), el("span", { class: "change" }));
      this.items.get(id).push(item);
      list.append(el("li", {}, item));
    }
    return list;
  }

  #show(item, row) {
    const [symbol, price, change] = item.children;
    const old = oldness(row, serverNow());
    const way = old ? "none" : direction(row.price_change_24h);
    setAttribute(item, "title", [row.name, stopped(row, serverNow(), this.locale, this.zone)].filter(Boolean).join(". "));
    setText(symbol, row.symbol);
    setText(price, this.numbers.price(row.price));
    setText(change, old || `${ARROWS[way] ?? ""} ${percent(row.price_change_24h, this.locale)}`.trim());
    setAttribute(change, "data-way", way);
  }

  #stop(stopped) {
    this.stopped = stopped;
    setAttribute(this.button, "aria-label", stopped ? "Play the ticker" : "Pause the ticker");
    setText(this.button, stopped ? "▶" : "❚❚");
    this.#run();
  }

  /** Keeps the place when the list has become wider or narrower; the speed is always the same. */
  #measure() {
    const width = this.track.firstChild?.getBoundingClientRect().width;
    if (this.calm.matches || !width) {
      this.motion?.cancel();
      this.motion = null;
      return;
    }
    if (width === this.width && this.motion) return;
    this.width = width;
    this.motion = scrolling(this.track, width, this.motion);
    this.#run();
  }

  #run() {
    if (!this.motion) return;
    if (this.stopped || this.rail.matches(":hover, :focus-within")) this.motion.pause();
    else this.motion.play();
  }
}

if (!customElements.get("spot-ticker")) customElements.define("spot-ticker", Ticker);
