import assert from "node:assert/strict";
import { test } from "node:test";

import { bars, volumes } from "../src/series.js";
import { points } from "../src/sparkline.js";

const candle = (timestamp, open, close, volume = 1) => ({ timestamp, open, high: 9, low: 1, close, volume });

test("candles that are missing leave their places empty", () => {
  const times = bars([candle(0, 1, 2), candle(60_000, 1, 2), candle(240_000, 1, 2)], 60_000);
  assert.deepEqual(times.map(({ time }) => time), [0, 60, 120, 180, 240]);
  assert.deepEqual(times[2], { time: 120 });
});

test("a hole of years does not fill the memory", () => {
  assert.ok(bars([candle(0, 1, 2), candle(1e12, 1, 2)], 60_000).length < 1_100);
});

test("an unknown interval leaves the candles as they are", () => {
  assert.equal(bars([candle(0, 1, 2), candle(240_000, 1, 2)], undefined).length, 2);
});

test("volume has the colour of its candle, and no bar where it is unknown", () => {
  const colours = { up: "green", down: "red" };
  assert.deepEqual(volumes([candle(0, 1, 2), candle(60_000, 2, 1), candle(120_000, 1, 1, null)], colours), [
    { time: 0, value: 1, color: "green" }, { time: 60, value: 1, color: "red" }, { time: 120 },
  ]);
});

test("a sparkline spans its box, skips what is unknown, and needs two prices", () => {
  assert.equal(points([1, 2, 3], 100, 20), "0.0,18.0 50.0,10.0 100.0,2.0");
  assert.equal(points([1, null, 3], 100, 20), "0.0,18.0 100.0,2.0");
  assert.equal(points([5, 5], 100, 20), "0.0,10.0 100.0,10.0");
  for (const prices of [null, [], [1], [null, NaN]]) assert.equal(points(prices), "");
});
