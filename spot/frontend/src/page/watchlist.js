// The coins that the visitor has starred, stored in this browser. `text` and `read` export and import them.

import { settings } from "./settings.js";

const NAME = "watchlist";
const COIN_ID = /^[a-z0-9][a-z0-9._-]{0,99}$/i;
export const MOST = 300; // as many as fit into the address of a socket

/** Ids have one spelling, so that a coin is not among them twice. */
function spelt(id) {
  return id.toLowerCase();
}

/** Coin ids in a text, one to a line or separated by commas. */
export function read(text) {
  return [...new Set(text.split(/[\s,;]+/).filter((id) => COIN_ID.test(id)).map(spelt))].slice(0, MOST);
}

/** "change" when the list has changed, here or in another tab. */
export class Watchlist extends EventTarget {
  constructor(store = settings) {
    super();
    this.store = store;
    this.#load();
    store.addEventListener("change", ({ detail }) => {
      if (detail.name !== NAME && detail.name !== null) return;
      this.#load();
      this.dispatchEvent(new Event("change"));
    });
  }

  get ids() {
    return [...this.set];
  }

  has(id) {
    return this.set.has(spelt(id));
  }

  /** Returns whether it is in the list now; a full list takes no more. */
  toggle(id) {
    this.#save(this.has(id) ? this.ids.filter((other) => other !== spelt(id)) : [...this.ids, spelt(id)]);
    return this.has(id);
  }

  /** Adds the ids of a text; returns how many of them are new. */
  add(text) {
    const before = this.set.size;
    this.#save([...new Set([...this.ids, ...read(text)])]);
    return this.set.size - before;
  }

  remove(ids) {
    this.#save(this.ids.filter((id) => !ids.includes(id)));
  }

  get text() {
    return this.ids.map((id) => `${id}\n`).join("");
  }

  #load() {
    const saved = this.store.get(NAME, []);
    this.set = new Set(Array.isArray(saved) ? saved.filter((id) => typeof id === "string" && COIN_ID.test(id)).map(spelt).slice(0, MOST) : []);
  }

  #save(ids) {
    this.store.set(NAME, ids.length ? ids.slice(0, MOST) : null);
  }
}

export const watchlist = new Watchlist();
