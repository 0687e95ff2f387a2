import assert from "node:assert/strict";
import { test } from "node:test";

import { closing, delay } from "../../src/client/reconnect.js";

test("the longest wait doubles until half a minute", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 60].map((attempt) => delay(attempt, () => 1)), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test("any wait up to the longest is as likely: clients that were cut together come back apart", () => {
  assert.deepEqual([0, 0.25, 0.5].map((luck) => delay(3, () => luck)), [0, 2000, 4000]);
});

for (const code of [1009, 4400, 4401, 4402, 4403, 4404, 4405]) {
  test(`after ${code} the same request is not tried again`, () => assert.equal(closing(code).final, true));
}

for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4409, 4413, 4429, 4430, 4508, 4510, 4511]) {
  test(`after ${code} the client comes back`, () => assert.equal(closing(code).final, false));
}

test("a server at a limit is asked again, but not soon", () => {
  for (const code of [4413, 4430]) assert.equal(closing(code).crowded, true);
  assert.deepEqual([0, 1].map((luck) => delay(0, () => luck, true)), [20_000, 60_000]);
});

test("a question that is refused says nothing of the connection", () => {
  assert.deepEqual([4400, 4404, 4403, 4430, 1006].map((code) => closing(code).question), [true, true, false, false, false]);
});

test("every close has a sentence", () => {
  for (const code of [1006, 1012, 4401, 4402, 4404, 4405, 4409, 4413, 4430, 4999]) assert.match(closing(code).reason, /\.$/);
});
