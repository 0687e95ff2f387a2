import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { attend, leave, listen, recovered } from "../../src/client/presence.js";

const MINUTE = 60_000;
let document, window, feed, done;

/** A feed that writes down what it is told. */
function follower(link = "open", server = "https://spot.example") {
  const calls = [];
  const told = (name) => () => calls.push(name);
  const made = { link, server, calls, rest: told("rest"), wake: told("wake"), retry: told("retry"), random: () => 0.5 };
  attend(made);
  done.push(made);
  return made;
}

function show(hidden) {
  document.hidden = hidden;
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 0 });
  done = [];
  document = Object.assign(new EventTarget(), { hidden: false });
  window = new EventTarget();
  listen({ document, window });
  feed = follower();
});

afterEach(() => {
  for (const one of done) leave(one);
  mock.timers.reset();
});

describe("a hidden tab", () => {
  test("keeps its connections for a while, then gives them up, and wakes when it is seen", () => {
    show(true);
    mock.timers.tick(4 * MINUTE);
    assert.deepEqual(feed.calls, []);
    mock.timers.tick(MINUTE);
    assert.deepEqual(feed.calls, ["rest"]);
    show(false);
    assert.deepEqual(feed.calls, ["rest", "wake"]);
  });

  test("that is looked at in between does not rest", () => {
    show(true);
    mock.timers.tick(4 * MINUTE);
    show(false);
    mock.timers.tick(4 * MINUTE);
    assert.ok(!feed.calls.includes("rest"));
  });

  test("rests at once when the browser freezes it", () => {
    document.dispatchEvent(new Event("freeze"));
    assert.deepEqual(feed.calls, ["rest"]);
  });
});

test("a page that is left rests, so that Back may find it as it was, and then wakes", () => {
  window.dispatchEvent(new Event("pagehide"));
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  assert.deepEqual(feed.calls, ["rest", "wake"]);
});

test("a page that is shown for the first time has nothing to wake", () => {
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
  assert.deepEqual(feed.calls, []);
});

test("a network that comes or goes makes every feed look at its connection", () => {
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("online"));
  assert.deepEqual(feed.calls, ["wake", "wake"]);
});

test("a machine that has slept makes every feed look at its connection", () => {
  mock.timers.setTime(10 * MINUTE);
  mock.timers.tick(5_000);
  assert.ok(feed.calls.includes("wake"));
});

test("a feed that has left is told nothing", () => {
  leave(feed);
  document.dispatchEvent(new Event("freeze"));
  assert.deepEqual(feed.calls, []);
});

test("when the server answers one feed, those that wait for the same server try soon", () => {
  const waiting = follower("waiting");
  const other = follower("waiting", "https://elsewhere.example");
  recovered(feed);
  mock.timers.tick(499);
  assert.deepEqual(waiting.calls, []);
  mock.timers.tick(1);
  assert.deepEqual(waiting.calls, ["retry"]);
  assert.deepEqual([feed.calls, other.calls], [[], []]);
});
