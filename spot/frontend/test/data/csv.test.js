import assert from "node:assert/strict";
import { test } from "node:test";

import { candlesCsv, candlesName, csv, plain } from "../../src/data/csv.js";

test("numbers keep every digit and have no exponent", () => {
  assert.equal(plain(5.14e-6), "0.00000514");
  assert.equal(plain(1.234e-7), "0.0000001234");
  assert.equal(plain(1.5e21), "1500000000000000000000");
  assert.equal(plain(40586869133.53702), "40586869133.53702");
  assert.equal(plain(NaN), "");
  for (const number of [6.44e-12, -3.2e-9, 1e-7, 123456.789, 1.7976931348623157e308, 5e-324]) assert.equal(Number(plain(number)), number);
});

test("negative numbers stay numbers", () => {
  assert.equal(csv(["change"], [[-3.5], [-1e-7]]), "change\r\n-3.5\r\n-0.0000001\r\n");
});

test("no text is a formula, and separators stay inside their cell", () => {
  const texts = ["=1+1", "+1", "-1", "@x", " =1", "\u200b=1", "\uFF1D1", "\tx"];
  for (const text of texts) assert.ok(csv(["a"], [[text]]).startsWith("a\r\n'") || csv(["a"], [[text]]).startsWith("a\r\n\"'"), text);
  assert.equal(csv(["a", "b"], [['say "x, y"', "plain"]]), 'a,b\r\n"say ""x, y""",plain\r\n');
});

const facts = {
  currency: "usd", intervalMs: 14_400_000, volumeBasis: "rolling_24h", source: "CoinGecko", asOf: Date.parse("2026-11-20T18:00:00Z"),
  timeZone: "UTC", isComplete: ({ timestamp }) => timestamp < Date.parse("2026-11-20T16:00:00Z"),
};
const candle = { timestamp: Date.parse("2026-11-20T16:00:00Z"), open: 6.44e-6, high: 7e-6, low: 6e-6, close: 6.5e-6, volume: null };

test("candles say when, in what, from whom and as of when", () => {
  const [head, row] = candlesCsv([candle], facts).split("\r\n");
  assert.equal(head, "time_utc,timestamp_ms,open,high,low,close,volume,volume_basis,complete,interval_ms,currency,source,as_of_utc");
  assert.equal(row, "2026-11-20T16:00:00Z,1795190400000,0.00000644,0.000007,0.000006,0.0000065,,rolling_24h,false,14400000,usd,CoinGecko,2026-11-20T18:00:00Z");
});

test("who looks at other clocks than UTC's gets both", () => {
  const [head, row] = candlesCsv([candle], { ...facts, timeZone: "Europe/Zurich" }).split("\r\n");
  assert.match(head, /^time_utc,time_local,timestamp_ms,/);
  assert.match(row, /^2026-11-20T16:00:00Z,2026-11-20T17:00:00\+01:00,1795190400000,/);
});

test("the file is named for what is in it", () => {
  const first = { ...candle, timestamp: Date.parse("2026-10-21T20:00:00Z") };
  assert.equal(candlesName("bitcoin", "usd", "4 h", [first, candle]), "bitcoin-usd-4h-2026-10-21-2026-11-20.csv");
  assert.equal(candlesName("bitcoin", "usd", "", [candle]), "bitcoin-usd-2026-11-20-2026-11-20.csv");
});
