import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { coins, heatmapFeed, limit, link, tickerFeed, weight, window } from "../src/embed/options.js";

describe("attributes", () => {
  test("coins are ids between commas, each once, with spaces forgiven", () => {
    assert.deepEqual(coins(" Bitcoin, ethereum,,bitcoin "), ["bitcoin", "ethereum"]);
    assert.deepEqual([coins(""), coins(null)], [[], []]);
    assert.deepEqual(coins("a,b,c", 2), ["a", "b"]);
  });

  test("a limit is a whole number within what there can be, else the usual one", () => {
    assert.deepEqual([limit("7", 20, 50), limit("900", 20, 50)], [7, 50]);
    for (const text of [null, "", "0", "-3", "2.5", "many", "Infinity"]) assert.equal(limit(text, 20, 50), 20, text);
  });

  test("a window or a size that does not exist is the usual one", () => {
    assert.deepEqual([window("7d"), window("8d"), window(null)], ["7d", "24h", "24h"]);
    const row = { market_cap: 9, volume_24h: 4 };
    assert.deepEqual(["root", "volume", "equal", "constructor", null].map((size) => weight(size)(row)), [3, 4, 1, 9, 9]);
  });
});

describe("what is asked of the server", () => {
  test("a ticker shows its coins in their order, or the largest", () => {
    assert.deepEqual(tickerFeed({ coins: "b,a" }), ["ticker-tape", { coin_ids: "b,a" }]);
    assert.deepEqual(tickerFeed({ coins: "c,b,a", limit: "2" }), ["ticker-tape", { coin_ids: "c,b" }]);
    assert.deepEqual(tickerFeed({ limit: "5" }), ["coin-heatmap", { per_page: 5 }]);
  });

  test("a map shows its coins, or the largest", () => {
    assert.deepEqual(heatmapFeed({ coins: "b,a" }), ["coin-heatmap", { per_page: 500, page_size: 2, filters: '{"id":["b","a"]}' }]);
    assert.deepEqual(heatmapFeed({}), ["coin-heatmap", { per_page: 100 }]);
  });
});

describe("the link of a coin", () => {
  const to = (template, id = "bitcoin") => link(template, id, "https://spot.example/x?y", "https://blog.example/post");

  test("leads to the server's page of it", () => assert.equal(to(null), "https://spot.example/coin/bitcoin/"));
  test("leads to the embedding site where that names an address", () => assert.equal(to("/coins/{id}?from={id}"), "https://blog.example/coins/bitcoin?from=bitcoin"));
  test("is never a script", () => assert.equal(to("javascript:alert('{id}')"), "https://spot.example/coin/bitcoin/"));
  test("has the id escaped", () => assert.equal(to("/c/{id}", "a/../b?c"), "https://blog.example/c/a%2F..%2Fb%3Fc"));
});
