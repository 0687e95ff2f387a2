// The cases that the server's conditions have too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { START, step } from "../../src/alerts/conditions.js";

const cases = JSON.parse(readFileSync(new URL("../../../../tests/spot/alerts/cases.json", import.meta.url), "utf8"));

function fired(condition, answers) {
  let state = START;
  return answers.flatMap((answer, index) => {
    const after = step(condition, JSON.parse(JSON.stringify(state)), { source: "a", ...answer });
    state = after.state;
    return after.firings.map(({ key, event }) => [index, key, event]);
  });
}

describe("a condition", () => {
  for (const { name, condition, answers, fires } of cases) test(name, () => assert.deepEqual(fired(condition, answers), fires));

  test("says of a change from where and how far", () => {
    const condition = { kind: "change", value: 5, window_ms: 60_000 };
    const { state } = step(condition, START, { at: 0, values: { btc: 100 } });
    assert.deepEqual(step(condition, state, { at: 10, values: { btc: 90 } }).firings, [{ key: "btc", event: "down", base: 100, percent: -10 }]);
  });
});
