// State that all panels of a page share: currency, locale, time zone, feeds, pause, and a tick each second.

import * as address from "./address.js";
import * as looks from "./looks.js";
import { settings } from "./settings.js";

const DEFAULT = "usd";
const CODE = /^[a-z0-9]{2,10}$/;

/** Events: "second", "state" (of some feed), "currency", "pause", "waiting", "notice", "price", "locale" (or the time zone), "theme" (or the palette). */
class Page extends EventTarget {
  constructor() {
    super();
    this.#readLocale();
    this.feeds = new Set();
    this.asides = new WeakSet();
    this.paces = new WeakMap();
    this.paused = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#preferCurrency();
    this.#readCurrency();
    settings.addEventListener("change", () => this.#looks());
    setInterval(() => this.#emit("second"), 1000);
    address.onWalk(() => this.#readCurrency());
  }

  /** Adds a feed to the page until `signal` aborts. `aside` leaves its state out of the page's; `pace()` returns its interval in ms. */
  follow(feed, signal, { aside = false, pace = () => 0 } = {}) {
    this.feeds.add(feed);
    this.paces.set(feed, pace);
    if (aside) this.asides.add(feed);
    if (this.paused) feed.pause();
    for (const type of ["state", "waiting"]) feed.addEventListener(type, () => this.#emit(type), { signal });
    feed.addEventListener("refusal", ({ detail }) => this.#refused(detail, feed), { signal });
    feed.addEventListener("notice", ({ detail }) => this.#emit("notice", detail), { signal });
    signal.addEventListener("abort", () => this.feeds.delete(feed));
  }

  setCurrency(currency) {
    settings.set("currency", currency === DEFAULT ? null : currency);
    address.set({ vs: currency === DEFAULT ? null : currency, page: null });
    this.#readCurrency();
  }

  /** Publishes the price of a coin to the other panels: {id, price, at, currency}. */
  publishPrice(price) {
    this.#emit("price", price);
  }

  /**
   * After a currency was refused, switches to the default one, with a notice. When the site stops serving visitors, a page
   * that has shown data is loaded again: it says so, and where to sign in, or it goes on for who has.
   */
  #refused({ code, message: reason }, feed) {
    if (code === "key_required" && feed.view) return location.reload();
    const { currency } = this;
    if (code !== "unknown_currency" || currency === DEFAULT || !reason.includes(`'${currency}'`)) return;
    this.setCurrency(DEFAULT);
    const message = `${currency.toUpperCase()} is not quoted here. Prices are shown in ${DEFAULT.toUpperCase()}; the field at the top has the other currencies.`;
    this.#emit("notice", { code: "unknown_currency", message });
  }

  /** Freezes all panels. The feeds stay connected, so that resuming shows the newest data. */
  setPaused(paused) {
    this.paused = paused;
    this.#emit("pause");
    for (const feed of this.feeds) {
      if (paused) feed.pause();
      else feed.resume();
    }
  }

  /** Updates that the pause withholds. */
  get waiting() {
    return [...this.feeds].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** An address without a currency opens in the one chosen last. */
  #preferCurrency() {
    const preferred = String(settings.get("currency", DEFAULT));
    if (preferred !== DEFAULT && CODE.test(preferred)) address.set({ vs: address.get("vs", preferred) }, { step: false });
  }

  #readLocale() {
    this.locale = looks.locale(settings);
    this.timeZone = looks.timeZone(settings);
  }

  #looks() {
    const { locale, timeZone } = this;
    this.#readLocale();
    if (locale !== this.locale || timeZone !== this.timeZone) this.#emit("locale");
    const { theme, palette } = document.documentElement.dataset;
    looks.wear(settings);
    const now = document.documentElement.dataset;
    if (theme !== now.theme || palette !== now.palette) this.#emit("theme");
  }

  #readCurrency() {
    const code = address.get("vs", DEFAULT).toLowerCase();
    const currency = CODE.test(code) ? code : DEFAULT;
    if (currency === this.currency) return;
    this.currency = currency;
    this.#emit("currency");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const page = new Page();
