import assert from "node:assert/strict";
import { test } from "node:test";

import { Settings } from "../../src/page/settings.js";
import { MOST, TapeList } from "../../src/tape/list.js";

const USUAL = ["bitcoin", "ethereum", "tether"];

function made(kept) {
  const values = new Map(kept === undefined ? [] : [["spot:tape", JSON.stringify(kept)]]);
  const storage = {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
  const store = new Settings(storage, new EventTarget());
  return { list: new TapeList(USUAL, { store }), store };
}

test("without a list of their own a visitor sees the usual coins", () => {
  const { list } = made();
  assert.deepEqual(list.ids, USUAL);
  assert.equal(list.isOwn, false);
});

test("coins are added once, moved and removed, and stay so for the next visit", () => {
  const { list, store } = made();
  list.add("solana", "bitcoin");
  assert.deepEqual(list.ids, [...USUAL, "solana"]);
  list.move("solana", -2);
  assert.deepEqual(list.ids, ["bitcoin", "solana", "ethereum", "tether"]);
  list.move("bitcoin", -1);
  list.remove("tether");
  assert.deepEqual(new TapeList(USUAL, { store }).ids, ["bitcoin", "solana", "ethereum"]);
  list.forget();
  assert.deepEqual(list.ids, USUAL);
});

test("the last coin cannot be removed, and no more go in than the feed takes", () => {
  const { list } = made(["bitcoin"]);
  list.remove("bitcoin");
  assert.deepEqual(list.ids, ["bitcoin"]);
  list.add(...Array.from({ length: 80 }, (_, n) => `coin-${n}`));
  assert.equal(list.ids.length, MOST);
  assert.equal(list.isFull, true);
});

test("what was kept is checked: nonsense counts as no list", () => {
  for (const kept of ["bitcoin", { a: 1 }, [1, null], ["../etc", "a b?"], []]) assert.equal(made(kept).list.isOwn, false, JSON.stringify(kept));
  assert.deepEqual(made(["bitcoin", 7, "bitcoin", "<b>", "solana"]).list.ids, ["bitcoin", "solana"]);
});

test("a change is told, from whatever tab it comes", () => {
  const { list, store } = made();
  let told = 0;
  list.addEventListener("change", () => (told += 1));
  list.add("solana");
  store.set("theme", "dark");
  store.set("tape", null);
  assert.equal(told, 2);
});
