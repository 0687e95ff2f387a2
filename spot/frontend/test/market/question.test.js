import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { emptiness, question, sortedNext, sorting } from "../../src/market/question.js";

const address = (parameters) => (name) => parameters[name] ?? "";
const usual = { search: null, sort_by: null, sort_order: null, page: 1, page_size: 25, filters: null, price_change_percentage: "24h", sparkline: false, columns: null };

describe("the question to the server", () => {
  test("is the usual one for an address that says nothing, or nonsense", () => {
    assert.deepEqual(question(address({}), ["price"], []), usual);
    const nonsense = { page: "-1", rows: "1e9", sort: "nonsense", order: "up", q: "", "f.cap": "x" };
    assert.deepEqual(question(address(nonsense), ["price"], []), usual);
  });

  test("is what the address, the columns and the own coins say", () => {
    const parameters = { q: "bit", sort: "price", order: "asc", page: "3", rows: "100" };
    const asked = { search: "bit", sort_by: "price", sort_order: "asc", page: 3, page_size: 100, filters: null, price_change_percentage: "7d", sparkline: true, columns: "market_cap_rank" };
    assert.deepEqual(question(address(parameters), ["rank", "price", "7d", "chart"], ["bitcoin"]), asked);
    const mine = question(address({ ...parameters, mine: "1" }), ["rank", "price", "7d", "chart"], ["bitcoin"]);
    assert.deepEqual(mine, { ...asked, page: 1, page_size: 500, filters: '{"id":["bitcoin"]}' });
  });
});

describe("a column's order", () => {
  test("of numbers goes down, up, and back to the server's own", () => {
    let parameters = {};
    const next = () => (parameters = sortedNext(sorting(address(parameters)), "price"));
    assert.deepEqual(next(), { sort: "price", order: "desc", page: null });
    assert.deepEqual(next(), { sort: "price", order: "asc", page: null });
    assert.deepEqual(next(), { sort: null, order: null, page: null });
  });

  test("of names begins at A", () => {
    assert.equal(sortedNext({ field: "price", order: "desc" }, "name").order, "asc");
    assert.equal(sortedNext({ field: "name", order: "asc" }, "name").order, "desc");
    assert.equal(sortedNext({ field: "name", order: "desc" }, "name").sort, null);
  });
});

describe("an empty table", () => {
  const asked = { search: "", mine: false, own: 0, conditions: [], market: "USD" };

  test("says what nothing fits", () => {
    const [, why] = emptiness({ ...asked, search: "zz", mine: true, own: 2, conditions: ["Market cap ≥ $1B"] });
    assert.match(why, /None of your coins fits: has “zz” in its name, symbol or id; Market cap ≥ \$1B/);
  });

  test("says how to get coins of one's own", () => {
    assert.match(emptiness({ ...asked, mine: true })[1], /star/);
  });
});
