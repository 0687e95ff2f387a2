import assert from "node:assert/strict";
import { test } from "node:test";

import { around, onScreen, onto, panned, revealing, WHOLE } from "../../src/map/zoom.js";

const box = { width: 800, height: 400 };
const place = (x, y, width = 80, height = 40) => ({ x, y, width, height });

test("what is under the pointer stays there while zooming", () => {
  const view = around(WHOLE, 2, 200, 100, box);
  assert.deepEqual(view, { k: 2, x: -200, y: -100 });
  assert.deepEqual(onScreen(view, place(200, 100)), place(200, 100, 160, 80));
});

test("the map never shrinks below its box, nor grows without end", () => {
  assert.deepEqual(around(WHOLE, 0.1, 400, 200, box), WHOLE);
  assert.equal(around(WHOLE, 1e9, 400, 200, box).k, 16);
});

test("zooming out again ends with the whole map, wherever it was looked at", () => {
  let view = around(WHOLE, 8, 799, 1, box);
  for (const x of [10, 700, 300]) view = around(view, 0.4, x, 200, box);
  assert.deepEqual(view, WHOLE);
});

test("panning stops at the edges", () => {
  const view = around(WHOLE, 2, 400, 200, box);
  assert.deepEqual(panned(view, 9999, -9999, box), { k: 2, x: 0, y: -400 });
  assert.deepEqual(panned(WHOLE, 50, 50, box), WHOLE);
});

test("a place that is out of sight comes into it, and one that is in it moves nothing", () => {
  const view = around(WHOLE, 4, 0, 0, box);
  assert.equal(revealing(view, place(10, 10), box), view);
  for (const hidden of [place(720, 360), place(0, 360), place(400, 0)]) {
    const { x, y, width, height } = onScreen(revealing(view, hidden, box), hidden);
    assert.ok(x >= 0 && y >= 0 && x + width <= box.width && y + height <= box.height, `${x} ${y}`);
  }
});

test("a place is shown as large as the box has room for, in the middle unless that is past the edge", () => {
  const half = place(100, 100, 200, 200);
  assert.deepEqual(onScreen(onto(half, box), half), place(200, 0, 400, 400));
  const corner = place(0, 0, 200, 200);
  assert.deepEqual(onScreen(onto(corner, box), corner), place(0, 0, 400, 400));
  assert.deepEqual(onto({ x: 0, y: 0, ...box }, box), WHOLE);
  assert.equal(onto(place(10, 10, 1, 1), box).k, 16);
});
