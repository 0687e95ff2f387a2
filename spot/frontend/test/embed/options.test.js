import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { coins, complaints, heatmapFeed, limit, link, serverOf, tickerFeed, weight, window } from "../../src/embed/options.js";

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

describe("attributes that say nothing", () => {
  const of = (element, attributes) => complaints(element, (name) => attributes[name] ?? null);

  test("are told one by one, with what is allowed", () => {
    assert.deepEqual(of("spot-heatmap", { limit: "5000", window: "5m", size: "foo" }), [
      '<spot-heatmap limit="5000">: limit is a whole number from 1 to 500.',
      '<spot-heatmap window="5m">: window is one of 1h, 24h, 7d, 14d, 30d, 200d, 1y.',
      '<spot-heatmap size="foo">: size is one of market_cap, root, volume, equal.',
    ]);
    const wrong = { coins: "bitcoin;ether eum", currency: "$", theme: "Dark!", palette: "pink", server: "spot", link: "javascript:x", limit: "0" };
    assert.equal(of("spot-ticker", wrong).length, 7);
  });

  test("are none where all is well, or nothing is given", () => {
    const right = { coins: "bitcoin, ethereum,", currency: "EUR", theme: "dark", palette: "blue-orange", server: "https://spot.example", link: "/coins/{id}", limit: "50" };
    assert.deepEqual(of("spot-ticker", right), []);
    assert.deepEqual(of("spot-heatmap", { limit: "", window: null }), []);
  });

  test("a server that is no address is that of the script", () => {
    assert.deepEqual(["https://spot.example", "spot", "javascript:1", "", null].map(serverOf), ["https://spot.example", null, null, null, null]);
  });
});
