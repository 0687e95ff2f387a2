import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { readNumber } from "../../src/data/read_number.js";
import { FILTERS, fromAddress, inWords, readRange, refusal, toAddress, toWire } from "../../src/market/filters.js";

const filter = (id) => FILTERS.find((one) => one.id === id);
const address = (parameters) => (name) => parameters[name] ?? "";

describe("numbers as people type them", () => {
  test("come with multiples, currency signs, percent signs, spaces and any minus", () => {
    for (const [text, value] of [
      ["1.5B", 1.5e9], ["2.5 m", 2.5e6], ["$100k", 1e5], ["3T", 3e12], ["1e9", 1e9], ["-5%", -5], ["−2.5 %", -2.5],
      ["12 mio", 12e6], ["0", 0], [".5", 0.5], ["7.", 7], ["2 500 000", 2.5e6], ["2’500’000", 2.5e6], ["+3", 3],
    ]) assert.equal(readNumber(text), value, text);
  });

  test("are nothing when empty, and undefined when they are none", () => {
    assert.equal(readNumber("  "), null);
    for (const text of ["abc", "1x", "--1", "1e999", "Infinity", "NaN", "1.2.3,4,5x", "b"]) assert.equal(readNumber(text), undefined, text);
  });

  test("are read as the locale groups, and otherwise as what they can only mean", () => {
    assert.equal(readNumber("1,000", "en-US"), 1000);
    assert.equal(readNumber("1.000", "de-DE"), 1000);
    assert.equal(readNumber("1.000", "en-US"), 1);
    assert.equal(readNumber("1,5", "de-DE"), 1.5);
    assert.equal(readNumber("1.5", "de-DE"), 1.5);
    assert.equal(readNumber("1,234,567", "de-DE"), 1_234_567);
    assert.equal(readNumber("1.234.567,89", "en-US"), 1_234_567.89);
    assert.equal(readNumber("1,234,567.89", "de-DE"), 1_234_567.89);
  });
});

describe("ranges", () => {
  test("have one end or both, and none is no filter", () => {
    assert.deepEqual(readRange(filter("cap"), "1B", ""), { value: { low: 1e9, high: null } });
    assert.deepEqual(readRange(filter("24h"), "-5", "5"), { value: { low: -5, high: 5 } });
    assert.deepEqual(readRange(filter("cap"), " ", ""), { value: null });
  });

  test("that cannot be are told at the end that is wrong", () => {
    assert.match(readRange(filter("cap"), "x", "").low, /“x” is not a number.*2\.5M/);
    assert.match(readRange(filter("24h"), "", "x").high, /percentage/);
    assert.match(readRange(filter("cap"), "-1", "").low, /Market cap is never below 0/);
    assert.match(readRange(filter("24h"), "5", "-5").high, /below the lowest/);
  });
});

describe("filters", () => {
  const filters = { cap: { low: 1e9, high: null }, "24h": { low: -5, high: 2.5 }, name: "b:t" };

  test("go into an address and come back", () => {
    const parameters = toAddress(filters);
    assert.equal(parameters["f.cap"], "1000000000..");
    assert.equal(parameters["f.volume"], null);
    assert.deepEqual(fromAddress(address(parameters)), { filters, unread: [] });
  });

  test("of an address that cannot be read are named and left out", () => {
    const { filters: read, unread } = fromAddress(address({ "f.cap": "1e9", "f.price": "5..1", "f.24h": "1..2..3", "f.7d": "..", "f.1h": "..3" }));
    assert.deepEqual(read, { "1h": { low: null, high: 3 } });
    assert.deepEqual(unread, ["Price", "Market cap", "24 h change", "7 d change"]);
  });

  test("are asked of the server in its own words", () => {
    assert.deepEqual(JSON.parse(toWire(filters)), {
      market_cap: { gte: 1e9 }, price_change_24h: { gte: -5, lte: 2.5 }, name: { contains: "b:t" },
    });
    assert.equal(toWire({}), null);
  });

  test("can be about the visitor's own coins, of which there may be none", () => {
    assert.deepEqual(JSON.parse(toWire({}, ["bitcoin", "dogecoin"])), { id: ["bitcoin", "dogecoin"] });
    assert.deepEqual(JSON.parse(toWire({}, [])), { id: { eq: null } });
  });

  test("are said in words", () => {
    const write = (_, number) => `<${number}>`;
    assert.equal(inWords(filter("cap"), filters.cap, write), "Market cap ≥ <1000000000>");
    assert.equal(inWords(filter("cap"), { low: null, high: 5 }, write), "Market cap ≤ <5>");
    assert.equal(inWords(filter("24h"), filters["24h"], write), "24 h change <-5> to <2.5>");
    assert.equal(inWords(filter("name"), "bit", write), "Name has “bit”");
  });

  test("that the server refuses are named as people know them", () => {
    const { filter: blamed, message } = refusal({ field: "filters.market_cap.gte", message: "filters.market_cap.gte must be a number." });
    assert.equal(blamed.id, "cap");
    assert.equal(message, "Market cap must be a number.");
    assert.deepEqual(refusal({ field: "page", message: "no" }), { filter: null, message: "no" });
    assert.deepEqual(refusal({ message: "no" }), { filter: null, message: "no" });
  });
});
