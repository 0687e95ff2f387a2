import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Voice } from "../../src/page/voice.js";

let said, voice;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1 });
  said = [];
  voice = new Voice((text) => said.push(text));
});

afterEach(() => mock.timers.reset());

test("of many texts in a row on one topic only the newest is said", () => {
  for (const text of ["1 row moved", "2 rows moved", "3 rows moved"]) voice.say(text, "table");
  mock.timers.tick(60_000);
  assert.deepEqual(said, ["3 rows moved"]);
});

test("texts on different topics come one by one, seconds apart", () => {
  voice.say("Sorted by price", "table");
  voice.say("Updates are paused", "pause");
  mock.timers.tick(1_000);
  assert.equal(said.length, 1);
  mock.timers.tick(3_999);
  assert.equal(said.length, 1);
  mock.timers.tick(1);
  assert.deepEqual(said, ["Sorted by price", "Updates are paused"]);
});

test("a state that comes back before it was told is not told at all", () => {
  voice.say("Live", "connection");
  mock.timers.tick(10_000);
  voice.say("Stale", "connection");
  voice.say("Live", "connection");
  mock.timers.tick(10_000);
  assert.deepEqual(said, ["Live"]);
});

test("what somebody did is said again though it was said before", () => {
  for (let n = 0; n < 2; n += 1) {
    voice.say("Copied", "copy", { repeat: true });
    mock.timers.tick(10_000);
  }
  assert.deepEqual(said, ["Copied", "Copied"]);
});
