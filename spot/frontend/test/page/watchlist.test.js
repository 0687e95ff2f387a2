import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Settings } from "../../src/page/settings.js";
import { MOST, read, Watchlist } from "../../src/page/watchlist.js";

function storage(entries = {}) {
  const map = new Map(Object.entries(entries));
  return { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
}

const settings = (entries) => new Settings(storage(entries), new EventTarget());

describe("the own coins", () => {
  test("come and go, stay, and are told of", () => {
    const kept = settings();
    const list = new Watchlist(kept);
    let told = 0;
    list.addEventListener("change", () => (told += 1));
    assert.ok(list.toggle("bitcoin"));
    assert.ok(list.toggle("dogecoin"));
    assert.ok(!list.toggle("bitcoin"));
    assert.deepEqual(new Watchlist(kept).ids, ["dogecoin"]);
    assert.equal(told, 3);
  });

  test("are what another tab has made of them", () => {
    const kept = settings();
    const [here, there] = [new Watchlist(kept), new Watchlist(kept)];
    there.toggle("bitcoin");
    assert.ok(here.has("bitcoin"));
  });

  test("leave the browser as text and come back from it", () => {
    const list = new Watchlist(settings());
    assert.equal(list.add("bitcoin\r\nethereum, <b>x</b>\n\nbitcoin ; usd-coin"), 3);
    assert.equal(list.text, "bitcoin\nethereum\nusd-coin\n");
    assert.equal(list.add(list.text), 0);
    assert.deepEqual(read("../etc/passwd \u0000 -x"), []);
  });

  test("have one spelling", () => {
    const list = new Watchlist(settings({ "spot:watchlist": '["BITCOIN", "bitcoin"]' }));
    assert.deepEqual(list.ids, ["bitcoin"]);
    assert.ok(list.has("Bitcoin"));
    assert.ok(!list.toggle("BITCOIN"));
    assert.equal(list.add("Dogecoin dogecoin"), 1);
    list.remove(["dogecoin"]);
    assert.deepEqual(list.ids, []);
  });

  test("are never more than an address can hold", () => {
    const list = new Watchlist(settings());
    list.add(Array.from({ length: MOST + 5 }, (_, index) => `coin-${index}`).join("\n"));
    assert.equal(list.ids.length, MOST);
    assert.equal(list.toggle("one-more"), false);
  });

  test("are none where the storage holds something else", () => {
    for (const saved of ["7", '"bitcoin"', "[1, null, {}]", "x"]) assert.deepEqual(new Watchlist(settings({ "spot:watchlist": saved })).ids, []);
  });
});
