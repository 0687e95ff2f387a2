import assert from "node:assert/strict";
import { test } from "node:test";

import { paceOf, sentence, stateText } from "../../src/data/state.js";

test("live is only what is renewed every two minutes", () => {
  for (const pace of [undefined, 0, 5_000, 120_000]) assert.equal(stateText({ name: "live", pace }), "Live");
  assert.equal(stateText({ name: "live", pace: 637_000 }), "Every 11 min");
  assert.equal(paceOf({ max_age_ms: 1_274_000 }), 637_000);
  assert.equal(stateText({ name: "demo", pace: 637_000 }), "Demo");
});

test("a refused question is no lost connection", () => {
  assert.equal(stateText({ name: "refused", question: true }), "Not available");
  assert.equal(stateText({ name: "refused" }), "Not connected");
  assert.equal(stateText({ name: "answered" }), "Connected");
});

test("what the server says reads as a sentence", () => {
  assert.equal(sentence("coin_ids: no coin has the id 'x'"), "No coin has the id 'x'.");
  assert.equal(sentence("503: down for tests"), "503: down for tests.");
  assert.equal(sentence("CoinGecko cannot be reached."), "CoinGecko cannot be reached.");
  assert.deepEqual([null, undefined, " "].map(sentence), ["", "", ""]);
});
