import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { conditionOf, firedText, isRule, questions, ruleText, signature } from "../../src/alerts/rules.js";

const bitcoin = { id: "bitcoin", symbol: "BTC", name: "Bitcoin" };
const price = { id: "1", kind: "above", coin: bitcoin, currency: "usd", value: 70_000, hysteresis: 0.5, cooldown: 15, simulated: false };
const filter = { id: "2", kind: "enters", filter: { filters: '{"price":{"gte":5}}', search: null, words: "Price ≥ $5" }, currency: "usd", hysteresis: 0, cooldown: 15 };
const write = (value) => `$${value}`;

describe("a stored rule", () => {
  test("is one, or is left out", () => {
    assert.ok(isRule(price) && isRule(filter));
    const wrong = [null, 5, {}, { ...price, kind: "explodes" }, { ...price, value: "70000" }, { ...price, value: NaN }, { ...price, coin: { ...bitcoin, id: "../x" } }, { ...price, currency: "US D" }, { ...price, cooldown: -1 }, { ...filter, filter: null }, { ...price, kind: "change" }];
    for (const rule of wrong) assert.ok(!isRule(rule), JSON.stringify(rule));
  });

  test("has a condition in milliseconds", () => {
    assert.deepEqual(conditionOf(price), { kind: "above", value: 70_000, window_ms: 0, hysteresis: 0.5, confirm: 1, cooldown_ms: 900_000, simulated: false });
    assert.equal(conditionOf({ ...price, kind: "change", value: 5, minutes: 15 }).window_ms, 900_000);
    assert.equal(conditionOf(filter).confirm, 2);
  });

  test("begins anew when it asks for something else, not when it rests longer", () => {
    assert.notEqual(signature(price), signature({ ...price, value: 71_000 }));
    assert.equal(signature(price), signature({ ...price, cooldown: 20, paused: true }));
  });
});

describe("the feeds of rules", () => {
  test("are one for all coins of a currency, and one for each filter", () => {
    const others = [{ ...price, id: "3", coin: { ...bitcoin, id: "aave" } }, { ...price, id: "4", currency: "eur" }, { ...filter, id: "5" }];
    const asked = [...questions([price, filter, ...others]).values()];
    assert.deepEqual(asked.map(({ path, params, rules }) => [path, params.coin_ids ?? params.filters, params.vs_currency, rules.length]), [
      ["ticker-tape", "aave,bitcoin", "usd", 2],
      ["market", '{"price":{"gte":5}}', "usd", 2],
      ["ticker-tape", "bitcoin", "eur", 1],
    ]);
  });
});

describe("the words", () => {
  test("of a rule", () => {
    assert.equal(ruleText(price, write), "BTC rises to $70000");
    assert.equal(ruleText({ ...price, kind: "change", value: 5, minutes: 15 }, write), "BTC moves by more than 5 % within 15 min");
    assert.equal(ruleText(filter, write), "A coin enters: Price ≥ $5");
  });

  test("of what happened, with a word about simulated prices", () => {
    assert.equal(firedText(price, { event: "above" }, { price: 70_012 }, write, false), "BTC has risen to $70012 (alert at $70000).");
    assert.equal(firedText({ ...price, minutes: 15 }, { event: "down", percent: -5.26 }, { price: 1 }, write, true), "BTC is down 5.26 % within 15 min, at $1. Simulated prices.");
    assert.equal(firedText(filter, { event: "entered" }, { name: "Aave" }, write, false), "Aave now fits: Price ≥ $5.");
  });
});
