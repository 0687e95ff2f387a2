import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { age, clock, count, direction, givenDecimals, interval, NONE, numbers, percent, priceDecimals, tinyFraction } from "../../src/data/format.js";

const usd = numbers("en-US", "usd");
const MISSING = [null, undefined, NaN, Infinity, -Infinity, "12"];

describe("a price", () => {
  for (const [value, text] of [
    [67000.12, "$67,000.12"], [99999.999, "$100,000.00"], [87152, "$87,152"], [87152.5, "$87,152.5"], [10, "$10"], [8.27, "$8.27"], [1.34, "$1.34"], [1, "$1"], [1.00003, "$1.0000"], [9.87654, "$9.8765"], [1.0003, "$1.0003"], [0.99994, "$0.9999"],
    [0.5239, "$0.5239"], [0.01234567, "$0.01235"], [0.0001234, "$0.0001234"], [0, "$0"], [-0, "$0"], [1.1 + 0.24, "$1.34"],
  ]) {
    test(`of ${value} reads ${text}`, () => assert.equal(usd.price(value), text));
  }

  for (const [value, text] of [
    [0.00000644, "$0.0₅644"], [0.00001699, "$0.0₄1699"], [0.00009999, "$0.0₄9999"], [1e-12, "$0.0₁₁1"], [0.000006, "$0.0₅6"], [-0.00000644, "-$0.0₅644"],
  ]) {
    test(`of ${value} counts its zeros: ${text}`, () => assert.equal(usd.price(value), text));
  }

  test("keeps the separators and the symbol's place of the locale", () => {
    assert.equal(numbers("de-DE", "eur").price(1234.56), "1.234,56\u00a0€");
    assert.equal(numbers("de-DE", "eur").price(0.00000644), "0,0₅644\u00a0€");
  });

  test("knows currencies that are coins, and units that no standard names", () => {
    assert.equal(numbers("en-US", "btc").price(1.5), "BTC\u00a01.5");
    assert.equal(numbers("en-US", "sats").price(1234), "1,234 SATS");
    assert.equal(numbers("en-US", "sats").price(0.00000644), "0.0₅644 SATS");
  });

  test("has no hundredths of what has none, where they tell nothing", () => {
    assert.equal(numbers("en-US", "jpy").price(13_221_940), "¥13,221,940");
    assert.equal(numbers("en-US", "jpy").price(412.345), "¥412.35");
    assert.equal(numbers("en-US", "kwd").price(27_000.5), "KWD\u00a027,000.5");
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

describe("a number of any size stays short", () => {
  const LONGEST = 16;
  const SIZES = [1e300, 1.7976931348623157e308, 3e24, 1.2e9, 123456789012.34, 99999.9, 1234.5, 1e-300, 5e-324, -1e300, -2.5e15];

  for (const value of SIZES) {
    test(`${value}`, () => {
      for (const text of [usd.compact(value), percent(value, "en-US")]) assert.ok(text.length <= LONGEST, text);
      assert.ok(usd.price(value).length <= 20, usd.price(value));
      assert.ok(usd.exact(value).length <= 40, usd.exact(value));
    });
  }

  test("in words as long as there are some, then with a power of ten", () => {
    assert.equal(usd.compact(3e24), "$3.00×10²⁴");
    assert.equal(usd.compact(9.99e14), "$999.00T");
    assert.equal(usd.price(2.5e12), "$2.50T");
    assert.equal(percent(1.2e9, "en-US"), "+1.2B%");
    assert.equal(percent(1e300, "en-US"), "+1×10³⁰⁰%");
    assert.equal(percent(-1e16, "en-US"), "−1×10¹⁶%");
    assert.equal(usd.exact(1e300), "$1×10³⁰⁰");
  });
});

describe("digits after the point", () => {
  for (const [value, digits] of [[0, 2], [10, 2], [9.99, 4], [1, 4], [0.5, 4], [0.05, 5], [-0.05, 5], [0.005, 6]]) {
    test(`${value} has ${digits}`, () => assert.equal(priceDecimals(value), digits));
  }

  for (const [value, digits] of [[87152, 0], [1.34, 2], [0.00000644, 8], [6.44e-6, 8], [1e21, 0], [1.1 + 0.24, 2], [-0.5, 1], [0, 0]]) {
    test(`${value} came with ${digits}`, () => assert.equal(givenDecimals(value), digits));
  }

  test("the subscript starts where four zeros would follow the point", () => {
    assert.equal(tinyFraction(0.0001), null);
    assert.equal(tinyFraction(0), null);
    assert.equal(tinyFraction(0.00001), "0₄1");
  });
});

describe("a market cap", () => {
  for (const [value, text] of [[1.3245e12, "$1.32T"], [45_600_000, "$45.60M"], [9.9e9, "$9.90B"], [1500, "$1.50K"], [950, "$950"], [0.00000644, "$0.0₅644"]]) {
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
