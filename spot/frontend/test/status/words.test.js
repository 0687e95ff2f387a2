import assert from "node:assert/strict";
import { test } from "node:test";

import { span } from "../../src/data/format.js";
import { brings, dataState, streamState, subject, verdict } from "../../src/status/words.js";

const row = (state, more = {}) => ({ kind: "markets", currency: "usd", block: 1, count: 1, state, ...more });
const facts = (states, more = {}) => ({ data: states.map((state) => row(state)), simulated: false, worker_seen: 1_000, now: 2_000, ...more });

test("every kind of data is named in words", () => {
  assert.equal(subject(row("live")), "Market in USD");
  assert.equal(subject(row("live", { block: 2 })), "Market in USD, coins 501 to 1000");
  assert.equal(subject(row("live", { kind: "candles" })), "Candles in USD, 1 chart");
  assert.equal(subject(row("live", { kind: "onchain", currency: null, count: 3 })), "On-chain events, 3 channels");
  assert.equal(subject(row("live", { kind: "of next year" })), "of next year");
});

test("a state that nobody foresaw is shown as it is", () => {
  assert.deepEqual(dataState("live"), ["Fresh", "live"]);
  assert.deepEqual(dataState("odd"), ["odd", "idle"]);
  assert.deepEqual(streamState("odd"), ["odd", "idle"]);
  assert.equal(brings(["ticks", "odd"]), "prices, odd");
});

test("the verdict is that of the worst, and what is idle or missing does not count", () => {
  assert.deepEqual(verdict(facts(["live", "idle", "missing"])), ["All data are as fresh as they should be", "live"]);
  assert.deepEqual(verdict(facts(["live"], { simulated: true })), ["All is well, with simulated prices", "demo"]);
  assert.deepEqual(verdict(facts(["live", "stale", "unavailable", "idle"])), ["2 of 3 kinds of data are not as fresh as usual", "stale"]);
  assert.equal(verdict(facts(["stale"]))[0], "1 of 1 kind of data is not as fresh as usual");
  assert.equal(verdict(facts(["waiting"]))[1], "waiting");
  assert.equal(verdict(facts([]))[1], "waiting");
});

test("without a worker nothing is renewed, however fresh it still is", () => {
  assert.equal(verdict(facts(["live"], { worker_seen: null }))[1], "offline");
  assert.equal(verdict(facts(["live"], { now: 62_000 }))[1], "offline");
});

test("paces are short", () => {
  assert.deepEqual([5_000, 60_000, 900_000, 86_400_000, 172_800_000, 0, null].map(span), ["5 s", "60 s", "15 min", "24 h", "2 d", "–", "–"]);
});
