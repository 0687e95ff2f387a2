import assert from "node:assert/strict";
import { test } from "node:test";

import { absent, cells, joined } from "../../src/market/own_rows.js";

const HEADERS = ["Row", "Symbol", "Price", "24h Change (%)", "7d Chart"];
const view = () => ({ headers: HEADERS, keys: ["a", "b"], rows: new Map([["a", [1, "A", 5, 1, [1]]], ["b", [2, "B", 3, null, null]]]) });
const small = { id: "c", symbol: "C", price: 4, price_change_24h: 9, price_change_7d: 5, as_of: 7, stale: true };

test("own coins that the market lacks are found", () => assert.deepEqual(absent(["a", "x", "b"], ["a", "b"]), ["x"]));

test("a coin fetched by its id becomes a row of the table, with what it has", () => {
  const row = cells(small, HEADERS);
  assert.deepEqual([...row], [null, "C", 4, 9, null]);
  assert.deepEqual([row.as_of, row.stale], [7, true]);
});

test("such rows come last, or where the order puts them, and rows are numbered through", () => {
  assert.deepEqual(joined(view(), [small], {}).keys, ["a", "b", "c"]);
  const { keys, rows } = joined(view(), [small], { header: "24h Change (%)", order: "desc" });
  assert.deepEqual(keys, ["c", "a", "b"]);
  assert.deepEqual(keys.map((key) => rows.get(key)[0]), [1, 2, 3]);
  assert.deepEqual(joined(view(), [small], { header: "24h Change (%)", order: "asc" }).keys, ["a", "c", "b"]);
  assert.equal(rows.get("c").stale, true);
});

test("without such rows the view is the servers own", () => {
  const own = view();
  assert.equal(joined(own, [], {}), own);
});
