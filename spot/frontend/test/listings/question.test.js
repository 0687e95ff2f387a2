import assert from "node:assert/strict";
import { test } from "node:test";

import { choices, emptiness, KINDS, parameters } from "../../src/listings/question.js";

const address = (parameters) => (name) => parameters[name] ?? "";

test("listings ask for everything where the address says nothing, or nonsense", () => {
  const nothing = { cex: null, type: null, search: null, page: 1 };
  assert.deepEqual(parameters(address({})), nothing);
  assert.deepEqual(parameters(address({ "news.from": "mtgox", "news.kind": "x", "news.page": "0" })), nothing);
});

test("listings ask for an exchange, a kind by its types, a text and a page", () => {
  const chosen = address({ "news.from": "upbit", "news.kind": "delistings", "news.q": "btc", "news.page": "2" });
  assert.deepEqual(parameters(chosen), { cex: "upbit", type: "spot_delisting,futures_delisting,delisting", search: "btc", page: 2 });
});

test("no type belongs to two kinds", () => {
  const types = KINDS.flatMap(([, , list]) => list?.split(",") ?? []);
  assert.equal(new Set(types).size, types.length);
});

test("an empty list says what is empty", () => {
  assert.match(emptiness(choices(address({}))), /yet/);
  assert.match(emptiness(choices(address({ "news.from": "upbit" }))), /this exchange/);
  assert.match(emptiness(choices(address({ "news.q": "x", "news.from": "upbit" }))), /fits/);
});
