import assert from "node:assert/strict";
import { test } from "node:test";

import { oldness, stopped } from "../../src/data/row_age.js";

const NOW = Date.UTC(2026, 10, 28, 12);
const OLD = { stale: true, as_of: Date.UTC(2026, 9, 29, 12) };

test("a price that has stopped says of when it is, and how old", () => {
  assert.equal(stopped(OLD, NOW, "en-GB", "UTC"), "Price of 29 Oct 2026, 30 d old");
  assert.equal(oldness(OLD, NOW), "30 d old");
});

test("a fresh row, one of an older server and none say nothing", () => {
  for (const row of [{ stale: false, as_of: NOW }, { as_of: NOW - 9e9 }, {}, undefined, null]) {
    assert.equal(stopped(row, NOW, "en-GB", "UTC"), "");
    assert.equal(oldness(row, NOW), "");
  }
});

test("a stale row without a time says so", () => {
  assert.equal(stopped({ stale: true, as_of: null }, NOW, "en-GB", "UTC"), "The time of this price is not known");
  assert.equal(oldness({ stale: true, as_of: null }, NOW), "old");
});
