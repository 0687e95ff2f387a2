// The window in which the visitor chooses the ticker's coins and puts them in order.

import { Feed } from "../client/socket.js";
import { unlisted } from "../data/missing.js";
import { page } from "../page/page.js";
import { watchlist } from "../page/watchlist.js";
import { disc, letter } from "../widgets/coin_name.js";
import { el, setText } from "../widgets/dom.js";
import { SearchField } from "../widgets/search_field.js";
import { searchCoins } from "./coin_search.js";
import { MOST } from "./list.js";

const HITS = 8;

function named(id, { name, symbol }) {
  const mark = disc(id);
  setText(mark, letter(symbol || name));
  return [mark, el("bdi", { class: "coin-name" }, name), el("bdi", { class: "coin-symbol" }, symbol)];
}

/** The coins of a market frame as [id, {name, symbol}]. */
function coins({ keys, rows, headers }) {
  const [name, symbol] = [headers.indexOf("Name"), headers.indexOf("Symbol")];
  return keys.map((id) => [id, { name: rows.get(id)[name], symbol: rows.get(id)[symbol] }]);
}

export class TapeChooser {
  #names = new Map(); // id -> {name, symbol}, as far as they are known

  /** `tape` is the feed of the ticker: it knows the names of its coins, and which ids no coin has any more. */
  constructor(list, tape) {
    this.list = list;
    this.tape = tape;
    for (const [id, row] of tape.view?.rows ?? []) this.#names.set(id, { name: row.name, symbol: row.symbol });
    this.#build();
  }

  open() {
    this.abort = new AbortController();
    this.list.addEventListener("change", () => this.#show(), { signal: this.abort.signal });
    this.feed = new Feed("market", { vs_currency: page.currency, per_page: 500, page_size: HITS, sparkline: false });
    this.feed.addEventListener("frame", () => this.#showHits(), { signal: this.abort.signal });
    this.feed.open();
    document.body.append(this.dialog);
    this.#show();
    this.dialog.showModal();
    this.field.element.focus();
  }

  #build() {
    const button = (text, action) => el("button", { type: "button", class: "button", onclick: action }, text);
    this.field = new SearchField("Search a coin to add", "Search name or symbol", (search) => this.#search(search));
    this.hits = el("ul", { class: "chooser-hits", "aria-label": "Coins found" });
    this.none = el("p", { class: "chooser-none", "aria-live": "polite" });
    this.rows = el("ol", { class: "chooser-rows", "aria-label": "Coins of the ticker" });
    this.status = el("p", { class: "chooser-told", role: "status" });
    this.starred = button("Add my starred coins", () => this.list.add(...watchlist.ids));
    this.usual = button("Back to the usual coins", () => this.list.forget());
    this.dialog = el(
      "dialog",
      { class: "chooser", "aria-labelledby": "chooser-title", onclose: () => this.#closed() },
      el("header", {}, el("h2", { id: "chooser-title" }, "Coins of the ticker"), button("Done", () => this.dialog.close())),
      this.field.element, this.hits, this.none, this.status, this.rows,
      el("footer", {}, this.starred, this.usual),
    );
    this.dialog.addEventListener("click", ({ target }) => target === this.dialog && this.dialog.close()); // beside it
  }

  #closed() {
    this.field.show("");
    this.abort.abort();
    this.feed.close();
    this.dialog.remove();
  }

  /** The coins of the market come first, in its order, and then those of the whole list. */
  async #search(search) {
    this.text = search;
    this.listed = null;
    this.feed.update({ search: search || null });
    this.#showHits();
    if (!search) return;
    const listed = await searchCoins(search);
    if (this.text !== search) return; // another text has been typed meanwhile
    this.listed = listed ?? [];
    this.#showHits();
  }

  #hitsOf(search) {
    const { view, head } = this.feed;
    const market = search && view && (head.params?.search ?? "") === search ? coins(view) : [];
    return [...new Map([...market, ...(this.listed ?? [])])].slice(0, HITS);
  }

  #showHits() {
    const hits = this.text ? this.#hitsOf(this.text) : [];
    for (const [id, coin] of hits) this.#names.set(id, coin);
    setText(this.none, this.text && this.listed && !hits.length ? `No coin found for “${this.text}”.` : "");
    const shape = hits.map(([id]) => id + this.list.ids.includes(id)).join();
    if (shape === this.hitShape) return; // prices moved, names did not: keep the focus where it is
    this.hitShape = shape;
    this.hits.replaceChildren(...hits.map(([id, coin]) => this.#hit(id, coin)));
  }

  #hit(id, coin) {
    const isAdded = this.list.ids.includes(id);
    const words = isAdded ? `${coin.name} is in the ticker` : `Add ${coin.name}`;
    const add = () => {
      this.list.add(id);
      this.field.element.focus();
    };
    return el("li", {}, el("button", { type: "button", "aria-label": words, disabled: isAdded || this.list.isFull, onclick: add }, ...named(id, coin), el("span", { "aria-hidden": "true" }, isAdded ? "✓" : "+")));
  }

  #show() {
    const { ids } = this.list;
    const focus = this.dialog.contains(document.activeElement) ? document.activeElement.dataset : {};
    const place = [...this.rows.children].findIndex(({ dataset }) => dataset.coin === focus.coin);
    this.gone = unlisted(this.tape.head?.missing);
    setText(this.status, `${ids.length} of at most ${MOST} coins`);
    this.usual.hidden = !this.list.isOwn;
    this.starred.hidden = !watchlist.ids.some((id) => !ids.includes(id)) || this.list.isFull;
    this.rows.replaceChildren(...ids.map((id, at) => this.#row(id, at, ids.length)));
    if (focus.does) this.#focus(focus, place);
    this.hitShape = null;
    this.#showHits();
  }

  /** Rows are made anew when the list changes; the focus stays with the button of the coin that was moved, or goes to
   * the one that took the place of a coin that was removed. */
  #focus({ coin, does }, at) {
    const rows = [...this.rows.children];
    const row = rows.find(({ dataset }) => dataset.coin === coin) ?? rows[Math.min(at, rows.length - 1)];
    const same = row?.querySelector(`[data-does="${does}"]:not(:disabled)`);
    (same ?? row?.querySelector("button:not(:disabled)") ?? this.field.element).focus();
  }

  #row(id, at, length) {
    const coin = this.#names.get(id) ?? { name: id, symbol: "" };
    const button = (does, text, words, action, disabled) =>
      el("button", { type: "button", class: "button", "data-coin": id, "data-does": does, "aria-label": words, title: words, disabled, onclick: action }, text);
    const gone = this.gone.includes(id) ? [el("span", { class: "chooser-gone" }, "no longer listed")] : [];
    return el(
      "li",
      { "data-coin": id },
      ...named(id, coin),
      ...gone,
      button("up", "↑", `Move ${coin.name} forward`, () => this.list.move(id, -1), at === 0),
      button("down", "↓", `Move ${coin.name} back`, () => this.list.move(id, 1), at === length - 1),
      button("remove", "✕", `Remove ${coin.name}`, () => this.list.remove(id), length === 1),
    );
  }
}
