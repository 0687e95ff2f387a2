// The coins of the map as a table.

import { serverNow } from "../client/socket.js";
import { count, spaced } from "../data/format.js";
import { oldness, stopped } from "../data/row_age.js";
import { page } from "../page/page.js";
import { changeCell, showChange } from "../widgets/change.js";
import { coinLink, showCoin } from "../widgets/coin_name.js";
import { el, setAttribute, setText } from "../widgets/dom.js";

const COLUMNS = ["Rank", "Coin", "Price", "Change", "Market cap", "24 h volume"];

export class HeatmapTable {
  #lines = new Map(); // coin id -> {tr, coin, cells}
  #parts = new Map(); // label of a group, or null -> {body, and the cells of its heading}

  constructor() {
    this.heads = COLUMNS.map((text) => el("th", { scope: "col" }, text));
    this.caption = el("caption", { class: "hidden" });
    this.table = el("table", {}, this.caption, el("thead", {}, el("tr", {}, ...this.heads)));
    this.element = el("div", { class: "map-table", role: "region", "aria-label": "Market map as a table", tabindex: "0" }, this.table);
  }

  /** Shows parts in this order: `ids` of coins, and where there are groups `label`, `change`, `cap` and `volume` of one. */
  show(parts, rows, window, numbers, summary) {
    setText(this.heads[3], `${spaced(window)} change`);
    setText(this.caption, summary);
    const shown = new Set(parts.flatMap(({ ids }) => ids));
    for (const [id, { tr }] of this.#lines) if (!shown.has(id)) this.#drop(id, tr);
    for (const part of parts) this.#showPart(part, rows, window, numbers);
    const labels = new Set(parts.map(({ label }) => label));
    for (const [label, { body }] of this.#parts) if (!labels.has(label)) this.#dropPart(label, body);
    let next = this.table.tBodies[0];
    for (const { label } of parts) {
      const { body } = this.#parts.get(label);
      if (body === next) next = next.nextElementSibling;
      else this.table.insertBefore(body, next);
    }
  }

  #showPart({ label, ids, ...facts }, rows, window, numbers) {
    const part = this.#parts.get(label) ?? this.#part(label);
    if (label !== null) this.#head(part, ids.length, facts, numbers);
    let next = label === null ? part.body.firstChild : part.head.nextSibling;
    for (const id of ids) {
      const line = this.#lines.get(id) ?? this.#line(id);
      this.#fill(line, rows.get(id), window, numbers);
      if (line.tr === next) next = next.nextSibling;
      else part.body.insertBefore(line.tr, next);
    }
  }

  #part(label) {
    const part = { body: el("tbody") };
    this.#parts.set(label, part);
    this.table.append(part.body);
    if (label === null) return part;
    Object.assign(part, { coins: el("span", { class: "map-group-coins" }), change: changeCell(), cap: el("td", { class: "map-group-sum" }), volume: el("td", { class: "map-group-sum" }) });
    const name = el("th", { scope: "rowgroup", colspan: "3" }, label, " ", part.coins);
    part.head = el("tr", { class: "map-group" }, name, el("td", {}, part.change), part.cap, part.volume);
    part.body.append(part.head);
    return part;
  }

  #head(part, coins, { change, cap, volume }, numbers) {
    setText(part.coins, `${count(coins, page.locale)} ${coins === 1 ? "coin" : "coins"}`);
    showChange(part.change, change);
    setText(part.cap, numbers.compact(cap));
    setText(part.volume, numbers.compact(volume));
  }

  #dropPart(label, body) {
    body.remove();
    this.#parts.delete(label);
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
    const old = oldness(row, serverNow());
    showChange(line.change, old ? null : row[`price_change_${window}`]);
    if (old) setText(line.change.lastChild, old);
    setAttribute(line.change, "title", stopped(row, serverNow(), page.locale, page.timeZone) || null);
    setText(line.cap, numbers.compact(row.market_cap));
    setText(line.volume, numbers.compact(row.volume_24h));
  }
}
