import assert from "node:assert/strict";
import { test } from "node:test";

import { dollarIn, floorIn, rounded } from "../../src/movers/floors.js";

function feed(currency, rows) {
  return { head: { params: { vs_currency: currency } }, view: { rows: new Map(Object.entries(rows)) } };
}

test("floors are round sums of the currency at hand, worth about what was chosen in dollars", () => {
  const bitcoin = 1 / 87_000;
  assert.deepEqual([1e6, 1e7, 1e8, 1e10].map((dollars) => floorIn(dollars, bitcoin)), [10, 100, 1000, 100_000]);
  assert.equal(floorIn(50_000, bitcoin), 0.5);
  assert.equal(floorIn(1e6, 0.92), 1e6);
  assert.equal(floorIn(1e6, 155), 2e8);
  assert.equal(floorIn(1e6, 1), 1e6);
});

test("without the price of a dollar there is no floor in another currency", () => {
  assert.equal(floorIn(1e6, null), null);
  assert.deepEqual([0, -1, NaN, Infinity].map(rounded), [0, 0, 0, 0]);
});

test("a dollar costs what Tether costs, in the rows of the same currency", () => {
  const eur = feed("eur", { tether: { price: 0.91 } });
  const usd = feed("usd", { tether: { price: 0.9998 } });
  assert.equal(dollarIn("usd", []), 1);
  assert.equal(dollarIn("eur", [usd, { head: null, view: null }, eur]), 0.91);
  assert.equal(dollarIn("eur", [usd, feed("eur", { bitcoin: { price: 1 } })]), null);
});
