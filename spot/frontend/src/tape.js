// <spot-ticker coins="bitcoin,ethereum">: prices that scroll by, until somebody points at them or says stop.

import { changeCell, flash, showChange } from "./change.js";
import { disc, letter, link } from "./coin_name.js";
import { el, setAttribute, setText } from "./dom.js";
import { showLogo } from "./logo.js";
import { page } from "./page.js";
import { Panel } from "./panel.js";

const PIXELS_PER_SECOND = 40;

class Ticker extends Panel {
  heading = "Ticker";
  items = new Map(); // coin id -> one element per copy of the list

  build(body, controls) {
    this.glyph = el("span", { "aria-hidden": "true" });
    this.word = el("span", { class: "icon-word" });
    this.button = el("button", { type: "button", class: "icon-button", onclick: () => this.#stop(!this.stopped) }, this.glyph, this.word);
    controls.append(this.button);
    this.track = el("div", { class: "tape-track" });
    this.rail = el("div", { class: "tape-rail" }, this.track);
    body.append(this.rail);
    this.#stop(false);
    this.#listen();
  }

  openFeeds() {
    return [this.feed("ticker-tape", { coin_ids: this.getAttribute("coins") })];
  }

  draw(feed, changes) {
    const { keys, rows } = feed.view;
    if (keys.join() !== this.shown) this.#fill(keys, rows);
    for (const key of keys) this.#show(key, rows.get(key));
    for (const [key, cells] of changes) this.#flash(key, cells);
  }

  /** As many copies of the list as fill the rail and one more, so that the wrap is never seen. */
  #fill(keys, rows) {
    this.shown = keys.join();
    this.items = new Map(keys.map((key) => [key, []]));
    this.track.replaceChildren(this.#copy(keys, rows, false));
    const copies = 1 + Math.ceil(this.rail.clientWidth / Math.max(1, this.track.scrollWidth));
    for (let n = 0; n < copies; n += 1) this.track.append(this.#copy(keys, rows, true));
    for (const key of keys) this.#show(key, rows.get(key));
    this.watcher.disconnect();
    this.watcher.observe(this.track.firstChild);
    this.watcher.observe(this.rail);
  }

  #copy(keys, rows, again) {
    const list = el("ul", { class: "tape-list", "aria-hidden": again && "true", inert: again });
    for (const key of keys) list.append(el("li", {}, this.#item(key, rows.get(key))));
    return list;
  }

  #item(key, row) {
    const item = link(
      key,
      { class: "tape-item", title: row.name },
      disc(key),
      el("bdi", { class: "tape-pair" }),
      el("span", { class: "tape-price" }),
      changeCell(),
    );
    this.items.get(key).push(item);
    return item;
  }

  #show(key, row) {
    for (const { children: [mark, pair, price, change] } of this.items.get(key)) {
      setText(mark, letter(row.symbol));
      showLogo(mark, key, row.logo);
      setText(pair, row.symbol_pair);
      setText(price, this.numbers.price(row.price));
      showChange(change, row.change_pct_24h);
    }
  }

  #flash(key, cells) {
    const moved = cells.find(([field]) => field === "price");
    if (moved) for (const item of this.items.get(key) ?? []) flash(item.children[2], moved[1], moved[2]);
  }

  #listen() {
    this.watcher = new ResizeObserver(() => this.#measure());
    for (const type of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      this.rail.addEventListener(type, () => this.#run());
    }
    page.calm.addEventListener("change", () => this.#measure());
    page.addEventListener("pause", () => this.#run());
  }

  #stop(stopped) {
    this.stopped = stopped;
    setAttribute(this.button, "aria-label", stopped ? "Play the ticker" : "Pause the ticker");
    setText(this.glyph, stopped ? "▶" : "❚❚");
    setText(this.word, stopped ? "Play" : "Pause");
    this.#run();
  }

  /** Keeps the speed and the place when the list has become wider or narrower. */
  #measure() {
    const width = this.track.firstChild?.getBoundingClientRect().width;
    if (page.calm.matches || !width) return this.#still();
    if (width === this.width && this.motion) return;
    const offset = this.motion ? ((this.motion.currentTime / 1000) * PIXELS_PER_SECOND) % width : 0;
    this.motion?.cancel();
    this.width = width;
    const way = [{ transform: "translateX(0)" }, { transform: `translateX(${-width}px)` }];
    this.motion = this.track.animate(way, { duration: (width / PIXELS_PER_SECOND) * 1000, iterations: Infinity });
    this.motion.currentTime = (offset / PIXELS_PER_SECOND) * 1000;
    this.#run();
  }

  #still() {
    this.motion?.cancel();
    this.motion = null;
  }

  #run() {
    if (!this.motion) return;
    const held = this.stopped || page.paused || this.rail.matches(":hover, :focus-within");
    if (held) this.motion.pause();
    else this.motion.play();
  }
}

customElements.define("spot-ticker", Ticker);
