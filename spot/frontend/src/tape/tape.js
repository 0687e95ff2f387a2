// <spot-ticker coins="bitcoin,ethereum">: scrolling prices, paused by pointer, focus or button. The visitor's own list, if
// there is one, replaces that of the attribute.

import { serverNow } from "../client/socket.js";
import { awaited, awaitedText, unlisted, unlistedText } from "../data/missing.js";
import { oldness, stopped } from "../data/row_age.js";
import { page } from "../page/page.js";
import { settings } from "../page/settings.js";
import { changeCell, flash, showChange } from "../widgets/change.js";
import { disc, letter, link } from "../widgets/coin_name.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { showLogo } from "../widgets/logo.js";
import { scrolling, scrollTo } from "../widgets/marquee.js";
import { Panel } from "../widgets/panel.js";
import { TapeChooser } from "./chooser.js";
import { TapeList } from "./list.js";

const SETTLE_MS = 300; // ordering coins takes several clicks
const AWAITED_MS = 5_000; // a coin outside the market is usually fetched within this; later its absence is reported
const PAUSED = "tape-paused";

class Ticker extends Panel {
  heading = "Ticker";
  items = new Map(); // coin id -> one element per copy of the list

  build(body, controls) {
    this.glyph = el("span", { "aria-hidden": "true" });
    this.word = el("span", { class: "icon-word" });
    this.button = el("button", { type: "button", class: "icon-button tape-stop", onclick: () => this.#choosePause(!this.stopped) }, this.glyph, this.word);
    const choose = el("button", { type: "button", class: "button tape-choose", "aria-label": "Edit the ticker's coins", title: "Edit the ticker's coins", onclick: () => this.#choose() }, "Edit");
    controls.append(this.button, choose);
    this.gone = el("span", { role: "status" });
    this.clean = el("button", { type: "button", class: "button", onclick: () => this.#clean() });
    this.note = el("p", { class: "tape-note", hidden: true }, this.gone, this.clean);
    this.append(this.note);
    this.track = el("div", { class: "tape-track" });
    this.rail = el("div", { class: "tape-rail" }, this.track);
    body.append(this.rail);
    this.#stop(settings.get(PAUSED) === true);
    this.#listen();
  }

  openFeeds() {
    const { signal } = this.abort;
    this.list = new TapeList(this.getAttribute("coins").split(","), { signal });
    this.list.addEventListener("change", () => this.#ordered());
    page.addEventListener("second", () => this.#showMissing(), { signal });
    return [this.feed("ticker-tape", { coin_ids: this.list.ids.join() })];
  }

  /** If no coin of the list is listed any more, a button restores the default list. */
  onRefusal(feed, refusal) {
    super.onRefusal(feed, refusal);
    this.refused = refusal.code === "unknown_coin" && this.list.isOwn;
    this.#showMissing();
  }

  // --- coins that are missing ---

  #showMissing() {
    const [feed] = this.feeds;
    const missing = feed.head?.missing;
    const [gone, late] = [unlisted(missing), awaited(missing)];
    if (!late.length) this.lateSince = null;
    else this.lateSince ??= Date.now();
    const isLate = this.lateSince && Date.now() - this.lateSince > AWAITED_MS;
    const words = [unlistedText(gone), isLate ? awaitedText(late) : ""].filter(Boolean).join(" ");
    setText(this.gone, this.refused ? "None of your coins is listed any more." : words);
    setText(this.clean, this.refused ? "Back to the usual coins" : "Remove");
    this.clean.hidden = !this.refused && !gone.length;
    this.note.hidden = !this.refused && !words;
  }

  #clean() {
    if (this.refused) this.list.forget();
    else this.list.remove(...unlisted(this.feeds[0].head.missing));
    this.refused = false;
  }

  // --- the coins ---

  #ordered() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.ask(this.feeds[0], { coin_ids: this.list.ids.join() }), SETTLE_MS);
  }

  #choose() {
    new TapeChooser(this.list, this.feeds[0]).open();
  }

  draw(feed, changes) {
    const { keys, rows } = feed.view;
    if (keys.join() !== this.shown) this.#fill(keys, rows);
    for (const key of keys) this.#show(key, rows.get(key));
    for (const [key, cells] of changes) this.#flash(key, cells);
    this.refused = false;
    this.#showMissing();
  }

  #fill(keys, rows) {
    this.shown = keys.join();
    this.items = new Map(keys.map((key) => [key, []]));
    this.track.replaceChildren(this.#copy(keys, rows, false));
    for (const key of keys) this.#show(key, rows.get(key));
    this.#repeat();
    this.watcher.disconnect();
    this.watcher.observe(this.track.firstChild);
    this.watcher.observe(this.rail);
  }

  /** Appends copies of the list until they fill the rail behind it, so that the loop is seamless. */
  #repeat() {
    const { view } = this.feeds[0];
    const copies = Math.ceil(this.rail.clientWidth / Math.max(1, this.track.firstChild.offsetWidth));
    for (let n = this.track.children.length - 1; n < copies; n += 1) {
      this.track.append(this.#copy(view.keys, view.rows, true));
      for (const key of view.keys) this.#show(key, view.rows.get(key));
    }
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
    const old = stopped(row, serverNow(), page.locale, page.timeZone);
    for (const item of this.items.get(key)) {
      const [mark, pair, price, change] = item.children;
      setText(mark, letter(row.symbol));
      showLogo(mark, key, row.logo);
      setText(pair, row.symbol_pair);
      setText(price, this.numbers.price(row.price));
      showChange(change, old ? null : row.change_pct_24h);
      if (old) setText(change.lastChild, oldness(row, serverNow())); // the change would be one of that day
      item.classList.toggle("stopped", Boolean(old));
      setAttribute(item, "title", old ? `${row.name}. ${old}` : row.name);
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
    this.rail.addEventListener("focusin", ({ target }) => this.#reveal(target));
    page.calm.addEventListener("change", () => this.#measure());
    page.addEventListener("pause", () => this.#run());
  }

  #choosePause(stopped) {
    settings.set(PAUSED, stopped || null);
    this.#stop(stopped);
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
    this.#repeat();
    if (width === this.width && this.motion) return;
    this.width = width;
    this.motion = scrolling(this.track, width, this.motion);
    this.#run();
  }

  /** Moves the tape to the focused item: scrolling by the browser would leave a gap. */
  #reveal(item) {
    if (!this.motion) return;
    this.rail.scrollLeft = 0;
    const [box, rail] = [item.getBoundingClientRect(), this.rail.getBoundingClientRect()];
    if (box.left >= rail.left && box.right <= rail.right) return;
    const offset = Math.max(0, box.left - this.track.getBoundingClientRect().left - rail.width / 4);
    scrollTo(this.motion, offset);
  }

  #still() {
    this.motion?.cancel();
    this.motion = null;
  }

  #run() {
    if (!this.motion) return;
    const isPaused = this.stopped || page.paused || this.rail.matches(":hover, :focus-within");
    if (isPaused) this.motion.pause();
    else this.motion.play();
  }
}

customElements.define("spot-ticker", Ticker);
