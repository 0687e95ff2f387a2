import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { arrangement, namesakes } from "../../src/widgets/arrangement.js";

describe("rows", () => {
  test("stand as the answer says when nobody holds them, or when there were none", () => {
    assert.deepEqual(arrangement(["a", "b"], ["b", "a"], false).keys, ["b", "a"]);
    assert.deepEqual(arrangement([], ["b", "a"], true).keys, ["b", "a"]);
  });

  test("keep their places while held, and the places that would change are counted", () => {
    const { keys, waiting, gone } = arrangement(["a", "b", "c", "d"], ["a", "c", "b", "d"], true);
    assert.deepEqual(keys, ["a", "b", "c", "d"]);
    assert.equal(waiting, 2);
    assert.equal(gone.size, 0);
  });

  test("that are not in the answer any more stay while held, marked; new ones wait", () => {
    const { keys, waiting, gone } = arrangement(["a", "b"], ["b", "c", "d"], true);
    assert.deepEqual(keys, ["a", "b"]);
    assert.deepEqual([...gone], ["a"]);
    assert.equal(waiting, 3);
  });

  test("whose symbol another row has too are namesakes", () => {
    assert.deepEqual([...namesakes([["bitcoin", "BTC"], ["pump-fun", "PUMP"], ["pump", "PUMP"]])].sort(), ["pump", "pump-fun"]);
    assert.equal(namesakes([]).size, 0);
  });
});
