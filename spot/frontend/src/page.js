// What all panels of a page share: currency, locale and time zone, the feeds, the pause, and the beat of the second.

import * as address from "./address.js";

export const CURRENCIES = ["usd", "eur", "gbp", "jpy", "inr", "btc", "eth"];

const CODE = /^[a-z0-9]{2,10}$/;

/** Events: "second", "state" (of some feed), "currency", "pause". */
class Page extends EventTarget {
  constructor() {
    super();
    this.locale = navigator.language || "en";
    this.timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.feeds = new Set();
    this.asides = new WeakSet();
    this.paused = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#readCurrency();
    setInterval(() => this.#emit("second"), 1000);
    address.onWalk(() => this.#readCurrency());
    document.addEventListener("visibilitychange", () => this.#shown());
  }

  /** Counts a feed in, until the signal ends it. The state of one that stands aside is not the page's. */
  follow(feed, signal, { aside = false } = {}) {
    this.feeds.add(feed);
    if (aside) this.asides.add(feed);
    feed.addEventListener("state", () => this.#emit("state"), { signal });
    signal.addEventListener("abort", () => this.feeds.delete(feed));
  }

  setCurrency(currency) {
    address.set({ vs: currency === "usd" ? null : currency, page: null });
    this.#readCurrency();
  }

  /** While paused no panel changes what it shows; the feeds go on, so that resuming shows the newest. */
  setPaused(paused) {
    this.paused = paused;
    this.#emit("pause");
  }

  #readCurrency() {
    const wanted = address.get("vs", "usd").toLowerCase();
    const currency = CODE.test(wanted) ? wanted : "usd";
    if (currency === this.currency) return;
    this.currency = currency;
    this.#emit("currency");
  }

  /** A tab that was hidden may have slept: ask at once whether its connections live. */
  #shown() {
    if (document.hidden) return;
    for (const feed of this.feeds) feed.probe();
  }

  #emit(type) {
    this.dispatchEvent(new Event(type));
  }
}

export const page = new Page();
