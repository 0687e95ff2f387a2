import assert from "node:assert/strict";
import { test } from "node:test";

import { available } from "../../src/data/windows.js";

const market = (coins) => ({ rows: new Map(coins.map((row, index) => [`coin-${index}`, row])) });

test("only windows that coins have a value for can be chosen", () => {
  const row = { price_change_24h: 1, price_change_7d: null, price_change_30d: -2 };
  assert.deepEqual([...available(market([row, row]))], ["24h", "30d"]);
});

test("a window that only a few coins have cannot", () => {
  const coins = Array.from({ length: 100 }, (_, n) => ({ price_change_24h: 1, price_change_1y: n < 20 ? 5 : null }));
  assert.deepEqual([...available(market(coins))], ["24h"]);
});
