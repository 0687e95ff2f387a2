import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { age, clock, count, direction, interval, NONE, numbers, percent, priceDecimals, tinyFraction } from "../src/format.js";

const usd = numbers("en-US", "usd");
const MISSING = [null, undefined, NaN, Infinity, -Infinity, "12"];

describe("a price", () => {
  for (const [value, text] of [
    [67000.12, "$67,000.12"], [99999.999, "$100,000.00"], [10, "$10.00"], [9.87654, "$9.8765"], [1.0003, "$1.0003"], [0.99994, "$0.9999"],
    [0.5239, "$0.5239"], [0.01234567, "$0.01235"], [0.0001234, "$0.0001234"], [0, "$0.00"],
  ]) {
    test(`of ${value} reads ${text}`, () => assert.equal(usd.price(value), text));
  }

  for (const [value, text] of [
    [0.00000644, "$0.0₅644"], [0.00001699, "$0.0₄1699"], [0.00009999, "$0.0₄9999"], [1e-12, "$0.0₁₁1"], [0.000006, "$0.0₅6"], [-0.00000644, "-$0.0₅644"],
  ]) {
    test(`of ${value} counts its zeros: ${text}`, () => assert.equal(usd.price(value), text));
  }

  test("keeps the separators and the symbol's place of the locale", () => {
    assert.equal(numbers("de-DE", "eur").price(1234.5), "1.234,50\u00a0€");
    assert.equal(numbers("de-DE", "eur").price(0.00000644), "0,0₅644\u00a0€");
  });

  test("knows currencies that are coins, and units that no standard names", () => {
    assert.equal(numbers("en-US", "btc").price(1.5), "BTC\u00a01.5000");
    assert.equal(numbers("en-US", "sats").price(1234), "1,234.00 SATS");
    assert.equal(numbers("en-US", "sats").price(0.00000644), "0.0₅644 SATS");
  });

  test("has no hundredths of what has none, where they tell nothing", () => {
    assert.equal(numbers("en-US", "jpy").price(13_221_940), "¥13,221,940");
    assert.equal(numbers("en-US", "jpy").price(412.345), "¥412.35");
    assert.equal(numbers("en-US", "kwd").price(27_000.5), "KWD\u00a027,000.50");
  });

  test("is a dash when there is none, in every form", () => {
    for (const value of MISSING) {
      for (const form of ["price", "compact", "exact"]) assert.equal(usd[form](value), NONE);
    }
  });

  test("shows all its digits on demand", () => {
    assert.equal(usd.exact(0.00000644), "$0.00000644");
    assert.equal(usd.exact(1234567890123), "$1,234,567,890,123");
  });
});

describe("digits after the point", () => {
  for (const [value, digits] of [[0, 2], [10, 2], [9.99, 4], [1, 4], [0.5, 4], [0.05, 5], [-0.05, 5], [0.005, 6]]) {
    test(`${value} has ${digits}`, () => assert.equal(priceDecimals(value), digits));
  }

  test("the subscript starts where four zeros would follow the point", () => {
    assert.equal(tinyFraction(0.0001), null);
    assert.equal(tinyFraction(0), null);
    assert.equal(tinyFraction(0.00001), "0₄1");
  });
});

describe("a market cap", () => {
  for (const [value, text] of [[1.3245e12, "$1.32T"], [45_600_000, "$45.60M"], [9.9e9, "$9.90B"], [1500, "$1.50K"], [950, "$950.00"], [0.00000644, "$0.0₅644"]]) {
    test(`of ${value} reads ${text}`, () => assert.equal(usd.compact(value), text));
  }
});

describe("a change", () => {
  for (const [value, text, way] of [
    [2.34, "+2.34%", "up"], [-1.2, "−1.20%", "down"], [0, "0.00%", "flat"], [-0, "0.00%", "flat"], [-0.004, "0.00%", "flat"], [0.004, "0.00%", "flat"],
    [0.005, "+0.01%", "up"], [-0.005, "−0.01%", "down"], [1234.5, "+1,235%", "up"], [-99.999, "−100.00%", "down"],
  ]) {
    test(`of ${value} reads ${text} and goes ${way}`, () => {
      assert.equal(percent(value, "en-US"), text);
      assert.equal(direction(value), way);
    });
  }

  test("is a dash and has no direction when there is none", () => {
    for (const value of MISSING) {
      assert.equal(percent(value, "en-US"), NONE);
      assert.equal(direction(value), "none");
    }
  });

  test("takes the locale's form", () => assert.equal(percent(2.34, "de-DE"), "+2,34\u00a0%"));
});

test("a count has separators, or is a dash", () => {
  assert.equal(count(1234567, "en-US"), "1,234,567");
  assert.equal(count(null, "en-US"), NONE);
});

describe("an age", () => {
  for (const [ms, text] of [[0, "0 s"], [-5000, "0 s"], [12_900, "12 s"], [119_000, "119 s"], [120_000, "2 min"], [7_199_000, "119 min"], [7_200_000, "2 h"], [172_800_000, "2 d"], [NaN, NONE]]) {
    test(`of ${ms} ms reads ${text}`, () => assert.equal(age(ms), text));
  }
});

describe("a time", () => {
  const noon = Date.UTC(2026, 6, 1, 12, 3, 4);

  test("has its zone", () => assert.equal(clock(noon, noon, "en-US", "UTC"), "12:03:04 UTC"));
  test("follows summer time", () => assert.equal(clock(noon, noon, "en-GB", "Europe/London"), "13:03:04 BST"));
  test("has its date on another day", () => assert.equal(clock(noon, noon + 86_400_000, "en-US", "UTC"), "Jul 1, 2026, 12:03:04 UTC"));
  test("has midnight as 00", () => assert.equal(clock(Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1), "en-US", "UTC"), "00:00:00 UTC"));
  test("is a dash when there is none", () => assert.equal(clock(null, noon, "en-US", "UTC"), NONE));
});

describe("the length of a candle", () => {
  for (const [ms, text] of [[1_800_000, "30-minute"], [14_400_000, "4-hour"], [345_600_000, "4-day"], [5_400_000, "90-minute"], [1, NONE]]) {
    test(`of ${ms} ms reads ${text}`, () => assert.equal(interval(ms), text));
  }
});
