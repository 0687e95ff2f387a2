import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { stamp, tabbed } from "../../src/widgets/copying.js";
import { description, points, way } from "../../src/widgets/sparkline.js";

describe("a table for the clipboard", () => {
  test("has all digits, no exponents, and nothing for what is missing", () => {
    assert.equal(tabbed(["Id", "Price"], [["pepe", 6.44e-6], ["x", null], ["y", -1.5]]), "Id\tPrice\npepe\t0.00000644\nx\t\ny\t-1.5\n");
  });

  test("lets no text run as a formula or break a line", () => {
    assert.equal(tabbed(["Name"], [["=1+1"], ["a\tb\nc"]]), "Name\n'=1+1\na b c\n");
  });
});

test("a time stands in a file's name without what file systems refuse", () => {
  assert.equal(stamp(Date.UTC(2026, 10, 19, 17, 30)), "20261119T173000Z");
});

describe("a sparkline", () => {
  const numbers = { price: (value) => `$${value}` };

  test("says where it starts and ends, and how far it went", () => {
    assert.equal(description([2, null, 5, 1, 3], numbers), "7 days: from $2 to $3, lowest $1, highest $5");
    assert.equal(description([null, 2], numbers), "No prices of the last 7 days");
    assert.equal(description(null, numbers), "No prices of the last 7 days");
  });

  test("fills its own height, and lies in the middle when nothing moved", () => {
    assert.equal(points([1, 2, 3], 100, 24), "0.0,22.0 50.0,12.0 100.0,2.0");
    assert.equal(points([5, 5], 100, 24), "0.0,12.0 100.0,12.0");
    assert.equal(points([1], 100, 24), "");
  });

  test("goes the way from its first to its last price", () => {
    assert.deepEqual([[1, 2], [2, 1], [1, null], null, [3, 9, 3]].map(way), ["up", "down", "flat", "flat", "flat"]);
  });
});
