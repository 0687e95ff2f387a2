import assert from "node:assert/strict";
import { test } from "node:test";

import { label, Layout, neighbour } from "../src/treemap.js";

const items = (...sizes) => sizes.map((size, index) => ({ id: `coin-${index}`, size }));

test("tiles fill the box in proportion to their sizes", () => {
  const places = new Layout().place(items(50, 30, 20), 1000, 500);
  const areas = [...places.values()].map(({ width, height }) => (width * height) / 500_000);
  assert.equal(places.size, 3);
  for (const [index, share] of [0.5, 0.3, 0.2].entries()) assert.ok(Math.abs(areas[index] - share) < 0.01, `${areas}`);
});

test("tiles keep their neighbours when their sizes change, even when they overtake each other", () => {
  const layout = new Layout();
  const before = layout.place(items(50, 30, 20, 10, 5), 1000, 500);
  const after = layout.place(items(40, 45, 15, 12, 6), 1000, 500);
  const corner = (places) => [...places].sort((a, b) => a[1].x + a[1].y - b[1].x - b[1].y)[0][0];
  assert.equal(corner(before), "coin-0");
  assert.equal(corner(after), "coin-0");
});

test("500 tiles lie inside the box without overlapping", () => {
  const places = [...new Layout().place(items(...Array.from({ length: 500 }, (_, n) => 1000 / (n + 1))), 900, 600).values()];
  const area = places.reduce((sum, { width, height }) => sum + width * height, 0);
  assert.ok(places.every(({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= 900 && y + height <= 600));
  assert.ok(area <= 900 * 600);
});

test("no coins make no tiles", () => {
  assert.equal([...new Layout().place([], 100, 100).keys()].filter(Boolean).length, 0);
});

test("arrow keys go to the tile that lies there, and nowhere at the edge", () => {
  const box = (x, y) => ({ x, y, width: 10, height: 10 });
  const places = new Map([["nw", box(0, 0)], ["ne", box(10, 0)], ["sw", box(0, 10)], ["se", box(10, 10)]]);
  const moves = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map((key) => neighbour(places, "nw", key));
  assert.deepEqual(moves, [null, "ne", null, "sw"]);
});

test("a label that does not fit is left out rather than cut", () => {
  assert.equal(label({ width: 200, height: 100 }, "BTC").lines, 2);
  assert.equal(label({ width: 34, height: 16 }, "BTC").lines, 1);
  assert.equal(label({ width: 10, height: 10 }, "BTC").lines, 0);
  assert.equal(label({ width: 34, height: 16 }, "LONGSYMBOL").lines, 0);
});
