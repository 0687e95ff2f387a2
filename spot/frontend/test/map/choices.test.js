import assert from "node:assert/strict";
import { test } from "node:test";

import { members, needed, SIZES } from "../../src/map/choices.js";
import { stablecoins } from "../../src/map/stablecoins.js";
import { breadth } from "../../src/map/summary.js";

const row = (name, price, day = 0, month = day) => ({ name, price, price_change_24h: day, price_change_7d: null, price_change_30d: month });

function view(rows) {
  return { keys: Object.keys(rows), rows: new Map(Object.entries(rows)) };
}

const market = view({
  bitcoin: row("Bitcoin", 85_000, -3.2),
  ethereum: row("Ethereum", 2_600, 1.5),
  tether: row("Tether", 0.9997, -0.01),
  "new-dollar": row("New Dollar", 1.002, 0.02),
  "by-chance": row("Chance", 1.001, 6),
});

test("stablecoins are told by name, and by following the dollar in price and movement", () => {
  assert.deepEqual([...stablecoins(market.rows)], ["tether", "new-dollar"]);
});

test("stablecoins are the same in a currency in which a dollar costs something else", () => {
  const euro = (price, day) => row("", price * 0.86, day - 1.5);
  const rows = view({ tether: euro(0.9997, 0), "new-dollar": euro(1.002, 0.03), "one-euro": row("", 1, 0) }).rows;
  assert.deepEqual([...stablecoins(rows)], ["tether", "new-dollar"]);
});

test("a set leaves out what its name says and still has as many coins as were asked for", () => {
  const of = (set, count = "50") => members({ set, count }, market);
  assert.deepEqual(of("all"), market.keys);
  assert.deepEqual(of("no_btc"), market.keys.slice(1));
  assert.deepEqual(of("no_stable"), ["bitcoin", "ethereum", "by-chance"]);
  assert.deepEqual(of("neither"), ["ethereum", "by-chance"]);
  assert.deepEqual(of("no_btc", "2"), ["ethereum", "tether"]);
});

test("enough coins are asked for to fill a set, and never more than a request may", () => {
  assert.equal(needed({ count: "100", set: "all" }), 100);
  assert.equal(needed({ count: "100", set: "no_btc" }), 101);
  assert.ok(needed({ count: "100", set: "neither" }) > 150);
  assert.equal(needed({ count: "500", set: "no_stable" }), 500);
});

test("a coin whose price has stopped is not counted among those that rose", () => {
  const rows = view({ a: row("A", 1, 5), b: { ...row("B", 1, 60), stale: true } });
  assert.match(breadth(rows.keys, rows.rows, { set: "all", size: "equal", window: "24h" }, "en-US"), /1 rose, 0 fell .*of 1 nothing is known. Best A/);
});

test("a square root lifts small coins and keeps their order", () => {
  const [big, small] = [{ market_cap: 1e12 }, { market_cap: 1e6 }].map(SIZES.root[2]);
  assert.equal(big / small, 1000);
});

test("the summary counts who rose and fell, and names the ends", () => {
  const text = breadth(market.keys, market.rows, { set: "all", size: "market_cap", window: "24h" }, "en-US");
  assert.match(text, /^The 5 largest coins, sized by market cap\. Over 24 h, 3 rose, 2 fell and 0 stood still\./);
  assert.match(text, /Best Chance \+6\.00%, worst Bitcoin −3\.20%\.$/);
  const week = breadth(market.keys, market.rows, { set: "no_btc", size: "equal", window: "7d" }, "en-US");
  assert.match(week, /without bitcoin.*of 5 nothing is known\.$/);
});
