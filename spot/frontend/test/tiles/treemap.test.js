import assert from "node:assert/strict";
import { test } from "node:test";

import { at, label, bounded, Layout, neighbour } from "../../src/tiles/treemap.js";

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
  assert.ok(places.every(({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= 900.001 && y + height <= 600.001));
  assert.ok(Math.abs(area - 900 * 600) < 1);
});

test("equal tiles are near to squares, wherever they lie", () => {
  for (const count of [50, 100, 250, 500]) {
    const places = [...new Layout().place(items(...new Array(count).fill(1)), 928, 540).values()];
    const tall = places.filter(({ width, height }) => height > 1.5 * width);
    assert.ok(tall.length < count / 50, `${count}: ${tall.length} tall`);
  }
});

const inside = (inner, outer) =>
  inner.x >= outer.x - 0.01 && inner.y >= outer.y - 0.01 && inner.x + inner.width <= outer.x + outer.width + 0.01 && inner.y + inner.height <= outer.y + outer.height + 0.01;
const inGroups = (...groups) => groups.flatMap((sizes, group) => sizes.map((size, n) => ({ id: `${group}-${n}`, size, group: `g${group}` })));

test("the tiles of a group lie inside its rectangle, below its heading, and groups beside each other", () => {
  const layout = new Layout();
  const places = layout.place(inGroups([50, 20, 5], [30, 10], [8, 4, 2, 1]), 1000, 500, () => 20);
  assert.deepEqual([...layout.groups.keys()], ["g0", "g1", "g2"]);
  for (const [id, place] of places) {
    const { strip, ...group } = layout.groups.get(`g${id[0]}`);
    assert.equal(strip, 20);
    assert.ok(inside(place, { ...group, y: group.y + strip, height: group.height - strip }), id);
  }
  const boxes = [...layout.groups.values()];
  const apart = (a, b) => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
  for (const [index, box] of boxes.entries()) {
    assert.ok(inside(box, { x: 0, y: 0, width: 1000, height: 500 }));
    for (const other of boxes.slice(index + 1)) assert.ok(apart(box, other));
  }
});

test("a group is asked with its own box how high its heading is, and may have none", () => {
  const layout = new Layout();
  layout.place(inGroups([90], [10]), 1000, 500, (name, { width }) => (name === "g0" && width > 500 ? 18 : 0));
  assert.deepEqual([...layout.groups.values()].map(({ strip }) => strip), [18, 0]);
});

test("grouped tiles keep their places too while only their sizes change, and move when one changes its group", () => {
  const layout = new Layout();
  const corner = (name) => [layout.groups.get(name).x, layout.groups.get(name).y].map(Math.round).join();
  layout.place(inGroups([50, 20], [30, 10]), 1000, 500, () => 20);
  const before = ["g0", "g1"].map(corner);
  layout.place(inGroups([30, 20], [60, 10]), 1000, 500, () => 20);
  assert.deepEqual([corner("g0"), corner("g1").split(",")[1]], [before[0], before[1].split(",")[1]]);
  const moved = inGroups([50, 20], [30, 10]).map((item) => (item.id === "0-1" ? { ...item, group: "g1" } : item));
  const place = layout.place(moved, 1000, 500, () => 20).get("0-1");
  assert.ok(inside(place, layout.groups.get("g1")));
});

test("without groups there are none", () => {
  const layout = new Layout();
  layout.place(inGroups([50], [30]), 100, 100);
  layout.place(items(50, 30), 100, 100);
  assert.equal(layout.groups.size, 0);
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

test("a point is in the tile that lies there, and in none outside the map", () => {
  const places = new Layout().place(items(50, 30, 20), 1000, 500);
  for (const [id, { x, y, width, height }] of places) assert.equal(at(places, x + width / 2, y + height / 2), id);
  assert.equal(at(places, -1, 10), null);
  assert.equal(at(places, 10, 501), null);
});

test("a label that does not fit is left out rather than cut", () => {
  const [wide, below] = [2.1, 3.7]; // as "BTC" and "+2.34%" are
  const large = label({ width: 200, height: 100 }, wide, below);
  assert.ok(large.symbol * wide < 200 && large.change * below < 200 && large.change >= 9);
  assert.deepEqual(label({ width: 34, height: 16 }, wide, below).change, 0);
  assert.ok(label({ width: 34, height: 16 }, wide, below).symbol >= 9);
  assert.deepEqual(label({ width: 10, height: 10 }, wide, below), { symbol: 0, change: 0 });
  assert.deepEqual(label({ width: 34, height: 16 }, 7, below), { symbol: 0, change: 0 });
});

test("no label is wider or higher than its tile, whatever the tile", () => {
  for (let width = 4; width < 400; width += 7) {
    for (let height = 4; height < 300; height += 11) {
      const { symbol, change } = label({ width, height }, 2.6, 3.9);
      assert.ok(symbol * 2.6 <= width && change * 3.9 <= width && symbol * 1.1 + change * 1.2 <= height, `${width}x${height}`);
    }
  }
});

test("a value out of all measure leaves the others a place that can be seen", () => {
  const items = [{ id: "giant", size: 3e24 }, ...Array.from({ length: 99 }, (_, n) => ({ id: `coin-${n}`, size: 1e9 * (n + 1) }))];
  const places = new Layout().place(items, 1000, 500);
  const area = ({ width, height }) => width * height;
  const others = [...places].filter(([id]) => id !== "giant").map(([, place]) => area(place));
  assert.ok(area(places.get("giant")) > 0.9 * 1000 * 500, "it is still the largest by far");
  assert.ok(others.reduce((a, b) => a + b) > 0.03 * 1000 * 500);
});

test("sizes that are large but can be stay as they are, and two that cannot be share", () => {
  const real = new Map([["btc", 1.7e12], ["eth", 3e11], ["usdt", 1.9e11], ["doge", 2e10]]);
  assert.equal(bounded(real), real);
  const sizes = bounded(new Map([["a", 1e30], ["b", 3e24], ["c", 5], ["d", 5], ["e", 0]]));
  assert.deepEqual([sizes.get("a"), sizes.get("b"), sizes.get("c"), sizes.get("e")], [120, 120, 5, 0]);
  assert.equal(bounded(new Map([["a", Infinity], ["b", 1]])).get("a"), 24);
});

test("the smallest group has room for a heading", () => {
  const coins = [{ id: "btc", size: 1e12, group: "Layer 1" }, { id: "game", size: 1e6, group: "Gaming" }, { id: "link", size: 2e6, group: "Oracles" }];
  const layout = new Layout();
  layout.place(coins, 900, 400);
  for (const name of ["Gaming", "Oracles"]) {
    const { width, height } = layout.groups.get(name);
    assert.ok(width >= 24 && height >= 24, `${name}: ${width} x ${height}`);
  }
});
