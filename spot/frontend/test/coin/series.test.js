import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bars, followed, isOpen, line, missing, shortInterval, volumes, volumeWords, within } from "../../src/coin/series.js";
import { points } from "../../src/widgets/sparkline.js";

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

test("a line ends before a gap and begins anew after it", () => {
  const drawn = line(bars([candle(0, 1, 2), candle(60_000, 1, 3), candle(180_000, 1, 4)], 60_000), "none");
  assert.deepEqual(drawn, [{ time: 0, value: 2 }, { time: 60, value: 3, color: "none" }, { time: 120 }, { time: 180, value: 4 }]);
});

test("missing candles are counted between the first and the last", () => {
  assert.equal(missing([candle(0, 1, 2), candle(60_000, 1, 2), candle(240_000, 1, 2)], 60_000), 2);
  assert.equal(missing([candle(0, 1, 2), candle(60_000, 1, 2)], 60_000), 0);
  assert.equal(missing([candle(0, 1, 2)], 60_000), 0);
  assert.equal(missing([candle(0, 1, 2), candle(240_000, 1, 2)], undefined), 0);
});

test("a candle is open until the data are as new as its end", () => {
  assert.equal(isOpen(candle(60_000, 1, 2), 60_000, 119_999), true);
  assert.equal(isOpen(candle(60_000, 1, 2), 60_000, 120_000), false);
  assert.equal(isOpen(candle(60_000, 1, 2), undefined, 60_001), false);
});

test("what is in view are the candles whose middle is, and no gaps", () => {
  const drawn = bars([candle(0, 1, 2), candle(60_000, 1, 2), candle(180_000, 1, 2)], 60_000);
  const times = (range) => within(drawn, range).map(({ time }) => time);
  assert.deepEqual(times({ from: -0.5, to: 3.5 }), [0, 60, 180]);
  assert.deepEqual(times({ from: 0.2, to: 2.9 }), [60]);
  assert.deepEqual(times(null), [0, 60, 180]);
});

test("lengths of candles are short", () => {
  assert.deepEqual([1_800_000, 3_600_000, 14_400_000, 86_400_000, 345_600_000].map(shortInterval), ["30 min", "1 h", "4 h", "1 d", "4 d"]);
  assert.equal(shortInterval(undefined), "");
});

test("every kind of volume is named for what it is, and one that nobody explains is not guessed at", () => {
  assert.deepEqual(["rolling_24h", "interval", "none", "of next year"].map((basis) => volumeWords(basis)?.[0] ?? null), ["Vol 24 h", "Vol", null, "Vol"]);
  assert.match(volumeWords("rolling_24h")[1], /not the volume traded within the candle/);
  assert.match(volumeWords(undefined)[1], /does not say/);
});

test("a sparkline spans its box, skips what is unknown, and needs two prices", () => {
  assert.equal(points([1, 2, 3], 100, 20), "0.0,18.0 50.0,10.0 100.0,2.0");
  assert.equal(points([1, null, 3], 100, 20), "0.0,18.0 100.0,2.0");
  assert.equal(points([5, 5], 100, 20), "0.0,10.0 100.0,10.0");
  for (const prices of [null, [], [1], [null, NaN]]) assert.equal(points(prices), "");
});

describe("the last candle", () => {
  const candles = [candle(0, 1, 2), candle(60_000, 2, 3)];

  test("follows a live price, and its high and low with it", () => {
    const { close, high, low, timestamp } = followed(candles, { price: 12, at: 90_000 }, 60_000, 80_000).at(-1);
    assert.deepEqual([timestamp, close, high, low], [60_000, 12, 12, 1]);
    assert.equal(candles.at(-1).close, 3);
  });

  test("is followed by the next one when it is over", () => {
    const after = followed(candles, { price: 12, at: 125_000 }, 60_000, 80_000);
    assert.deepEqual(after.map(({ timestamp, close }) => [timestamp, close]), [[0, 2], [60_000, 3], [120_000, 12]]);
  });

  test("stays as it is for a price that is older, missing, or a candle too far", () => {
    for (const price of [{ price: 12, at: 70_000 }, { price: null, at: 90_000 }, { price: 12, at: 180_000 }, { price: 12, at: null }]) {
      assert.equal(followed(candles, price, 60_000, 80_000), candles);
    }
    assert.deepEqual(followed([], { price: 12, at: 90_000 }, 60_000, 80_000), []);
  });
});
