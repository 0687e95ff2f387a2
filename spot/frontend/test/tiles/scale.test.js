import assert from "node:assert/strict";
import { test } from "node:test";

import { legend, step, WINDOWS } from "../../src/tiles/scale.js";

test("the steps of a day are 1, 3 and 6 percent to both sides", () => {
  const values = [-7, -6, -5, -3, -2, -0.5, 0.5, 1, 3, 5.99, 6];
  assert.deepEqual(values.map((value) => step(value, "24h")), [-4, -4, -3, -3, -2, -1, 1, 2, 3, 3, 4]);
});

test("what reads 0.00 % is neutral, and what has no value is neither up nor down", () => {
  assert.deepEqual([0, -0, 0.004, -0.004].map((value) => step(value, "1h")), [0, 0, 0, 0]);
  assert.deepEqual([null, undefined, NaN].map((value) => step(value, "1h")), ["none", "none", "none"]);
});

test("every window has a symmetric legend of the same nine steps", () => {
  for (const window of WINDOWS) assert.deepEqual(legend(window).map(([level]) => level), [-4, -3, -2, -1, 0, 1, 2, 3, 4]);
});
