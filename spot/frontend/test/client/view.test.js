import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { applyDelta, fromSnapshot, Gap } from "../../src/client/view.js";

function coins() {
  return fromSnapshot([{ id: "bitcoin", price: 3, symbol: "BTC" }, { id: "ethereum", price: 2, symbol: "ETH" }, { id: "tether", price: 1, symbol: "USDT" }]);
}

function table() {
  return fromSnapshot({ headers: ["Row", "Price"], rows: [[1, 3], [2, 2]], ids: ["bitcoin", "ethereum"] });
}

describe("a snapshot", () => {
  test("keeps coins by id, in their order", () => {
    const view = coins();
    assert.deepEqual(view.keys, ["bitcoin", "ethereum", "tether"]);
    assert.equal(view.rows.get("ethereum").price, 2);
    assert.equal(view.headers, null);
  });

  test("of the market table pairs ids with rows of cells", () => {
    const view = table();
    assert.deepEqual(view.headers, ["Row", "Price"]);
    assert.deepEqual(view.rows.get("ethereum"), [2, 2]);
  });

  test("of candles keys them by their time", () => {
    assert.deepEqual(fromSnapshot([{ timestamp: 1000, close: 1 }]).keys, ["1000"]);
  });

  test("may be empty", () => assert.deepEqual(fromSnapshot([]).keys, []));
});

describe("a delta", () => {
  test("changes only the cells that it names, and tells what they were", () => {
    const view = coins();
    const changes = applyDelta(view, { changed: { ethereum: { price: 2.5 } } });
    assert.deepEqual(view.rows.get("ethereum"), { id: "ethereum", price: 2.5, symbol: "ETH" });
    assert.deepEqual([...changes], [["ethereum", [["price", 2, 2.5]]]]);
    assert.deepEqual(view.keys, ["bitcoin", "ethereum", "tether"]);
  });

  test("names the market table's cells by their column", () => {
    const view = table();
    const changes = applyDelta(view, { changed: { bitcoin: { 1: 4 } } });
    assert.deepEqual(view.rows.get("bitcoin"), [1, 4]);
    assert.deepEqual(changes.get("bitcoin"), [["1", 3, 4]]);
  });

  test("brings the market table's new rows by column too", () => {
    const view = table();
    applyDelta(view, { left: ["bitcoin"], entered: { solana: { 0: 1, 1: 9 } }, order: ["solana", "ethereum"] });
    assert.deepEqual(view.rows.get("solana"), [1, 9]);
  });

  test("can set a cell to nothing", () => {
    const view = coins();
    applyDelta(view, { changed: { tether: { price: null } } });
    assert.equal(view.rows.get("tether").price, null);
  });

  test("lets rows leave and enter, in the order that it gives", () => {
    const view = coins();
    applyDelta(view, { left: ["bitcoin"], entered: { solana: { id: "solana", price: 9 } }, order: ["solana", "ethereum", "tether"] });
    assert.deepEqual(view.keys, ["solana", "ethereum", "tether"]);
    assert.equal(view.rows.has("bitcoin"), false);
    assert.equal(view.rows.get("solana").price, 9);
  });

  test("without an order keeps the order of those that stay", () => {
    const view = coins();
    applyDelta(view, { left: ["ethereum"] });
    assert.deepEqual(view.keys, ["bitcoin", "tether"]);
  });

  test("with all parts empty changes nothing", () => {
    const view = coins();
    assert.equal(applyDelta(view, {}).size, 0);
    assert.deepEqual(view, coins());
  });

  for (const [what, delta] of [
    ["changes a row that we do not have", { changed: { nonesuch: { price: 1 } } }],
    ["orders a row that we do not have", { order: ["bitcoin", "ethereum", "nonesuch"] }],
    ["leaves a row out of its order", { order: ["bitcoin", "ethereum"] }],
  ]) {
    test(`is a gap when it ${what}`, () => assert.throws(() => applyDelta(coins(), delta), Gap));
  }

  test("many deltas lead where a snapshot would", () => {
    const view = coins();
    for (let price = 0; price < 100; price += 1) applyDelta(view, { changed: { bitcoin: { price } } });
    applyDelta(view, { order: ["tether", "bitcoin", "ethereum"] });
    const whole = fromSnapshot([{ id: "tether", price: 1, symbol: "USDT" }, { id: "bitcoin", price: 99, symbol: "BTC" }, { id: "ethereum", price: 2, symbol: "ETH" }]);
    assert.deepEqual(view, whole);
  });
});
