// Starred coins outside the market table, such as those below the first 500: fetched by their ids.

import { Feed } from "../client/socket.js";
import { page } from "../page/page.js";

const AT_ONCE = 50; // ids that one feed takes

/** "change" when rows have come, or what is missing is another. */
export class OwnCoins extends EventTarget {
  feeds = new Map(); // ids of one feed, joined -> {feed, abort}

  /** Follows these coins, and no others. */
  follow(ids) {
    const chunks = new Set();
    for (let at = 0; at < ids.length; at += AT_ONCE) chunks.add(ids.slice(at, at + AT_ONCE).join());
    for (const [chunk, { feed, abort }] of this.feeds) {
      if (chunks.has(chunk) && feed.params.vs_currency === page.currency) continue;
      feed.close();
      abort.abort();
      this.feeds.delete(chunk);
    }
    for (const chunk of chunks) if (!this.feeds.has(chunk)) this.#open(chunk);
  }

  #open(chunk) {
    const abort = new AbortController();
    const feed = new Feed("ticker-tape", { coin_ids: chunk, vs_currency: page.currency });
    page.follow(feed, abort.signal, { aside: true });
    for (const type of ["frame", "state"]) feed.addEventListener(type, () => this.dispatchEvent(new Event("change")), { signal: abort.signal });
    this.feeds.set(chunk, { feed, abort });
    feed.open();
  }

  get rows() {
    return [...this.feeds.values()].flatMap(({ feed }) => feed.rows());
  }

  /** The ids that no source lists any more. */
  get unlisted() {
    return [...this.feeds].flatMap(([chunk, { feed }]) => {
      const { name, code } = feed.condition();
      if (name === "refused" && code === "unknown_coin") return chunk.split(",");
      return Object.entries(feed.head?.missing ?? {}).filter(([, why]) => why.code === "unknown_coin").map(([id]) => id);
    });
  }

  /** The number of coins without a row that may still get one. */
  get awaited() {
    const asked = [...this.feeds.keys()].reduce((sum, chunk) => sum + chunk.split(",").length, 0);
    return asked - this.rows.length - this.unlisted.length;
  }
}
