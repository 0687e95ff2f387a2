// The coins of the map as a table: the same data, for who reads better than looks.

import { changeCell, showChange } from "./change.js";
import { coinLink, showCoin } from "./coin_name.js";
import { el, setText } from "./dom.js";
import { count, spaced } from "./format.js";
import { page } from "./page.js";

const COLUMNS = ["Rank", "Coin", "Price", "Change", "Market cap", "24 h volume"];

export class HeatmapTable {
  #lines = new Map(); // coin id -> {tr, coin, cells}

  constructor() {
    this.heads = COLUMNS.map((text) => el("th", { scope: "col" }, text));
    this.rows = el("tbody", {});
    this.caption = el("caption", { class: "hidden" });
    const table = el("table", {}, this.caption, el("thead", {}, el("tr", {}, ...this.heads)), this.rows);
    this.element = el("div", { class: "map-table", role: "region", "aria-label": "Market map as a table", tabindex: "0" }, table);
  }

  /** Shows the coins with these ids, in this order. */
  show(ids, rows, window, numbers, summary) {
    setText(this.heads[3], `${spaced(window)} change`);
    setText(this.caption, summary);
    const wanted = new Set(ids);
    for (const [id, { tr }] of this.#lines) if (!wanted.has(id)) this.#drop(id, tr);
    let next = this.rows.firstChild;
    for (const id of ids) {
      const line = this.#lines.get(id) ?? this.#line(id);
      this.#fill(line, rows.get(id), window, numbers);
      if (line.tr === next) next = next.nextSibling;
      else this.rows.insertBefore(line.tr, next);
    }
  }

  #drop(id, tr) {
    tr.remove();
    this.#lines.delete(id);
  }

  #line(id) {
    const line = { coin: coinLink(id), rank: el("td"), price: el("td"), change: changeCell(), cap: el("td"), volume: el("td") };
    line.tr = el("tr", {}, line.rank, el("th", { scope: "row" }, line.coin), line.price, el("td", {}, line.change), line.cap, line.volume);
    this.#lines.set(id, line);
    return line;
  }

  #fill(line, row, window, numbers) {
    setText(line.rank, count(row.market_cap_rank, page.locale));
    showCoin(line.coin, row);
    setText(line.price, numbers.price(row.price));
    showChange(line.change, row[`price_change_${window}`]);
    setText(line.cap, numbers.compact(row.market_cap));
    setText(line.volume, numbers.compact(row.volume_24h));
  }
}
