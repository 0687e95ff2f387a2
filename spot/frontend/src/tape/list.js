// The coins of the ticker in order: the visitor's own list, stored in this browser, or else that of the page.

import { settings } from "../page/settings.js";
import { read } from "../page/watchlist.js";

const NAME = "tape";
export const MOST = 50; // what the feed takes

/** "change" when the list has changed, here or in another tab. */
export class TapeList extends EventTarget {
  /** `usual` are the ids that are shown as long as the visitor has no list of their own. */
  constructor(usual, { store = settings, signal } = {}) {
    super();
    this.usual = usual;
    this.store = store;
    const heard = ({ detail }) => (detail.name === NAME || detail.name === null) && this.dispatchEvent(new Event("change"));
    store.addEventListener("change", heard, { signal });
  }

  get isOwn() {
    return this.#own().length > 0;
  }

  get ids() {
    return this.isOwn ? this.#own() : this.usual;
  }

  get isFull() {
    return this.ids.length >= MOST;
  }

  add(...ids) {
    this.#save([...new Set([...this.ids, ...ids])]);
  }

  /** The last coin cannot be removed. */
  remove(...ids) {
    const left = this.ids.filter((id) => !ids.includes(id));
    if (left.length) this.#save(left);
  }

  /** Puts a coin some places further on, or back. */
  move(id, by) {
    const ids = this.ids.filter((other) => other !== id);
    const at = Math.max(0, Math.min(ids.length, this.ids.indexOf(id) + by));
    this.#save([...ids.slice(0, at), id, ...ids.slice(at)]);
  }

  forget() {
    this.store.set(NAME, null);
  }

  #own() {
    const stored = this.store.get(NAME, []);
    const isId = (id) => typeof id === "string" && read(id)[0] === id;
    return Array.isArray(stored) ? [...new Set(stored.filter(isId))].slice(0, MOST) : [];
  }

  #save(ids) {
    this.store.set(NAME, ids.slice(0, MOST));
  }
}
