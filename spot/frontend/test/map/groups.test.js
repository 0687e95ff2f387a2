import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { categorised, read } from "../../src/map/choices.js";
import { grouped, OTHER, room, total, weighted } from "../../src/map/groups.js";
import { breadth } from "../../src/map/summary.js";

const row = (category, cap, day, week = null) => ({ name: "", category, market_cap: cap, price_change_24h: day, price_change_7d: week });
const rows = new Map(Object.entries({
  bitcoin: row("Layer 1", 1000, -2),
  tether: row("Stablecoins", 400, 0.01),
  ethereum: row("Layer 1", 500, 4, 10),
  odd: row(null, 5000, 1),
  quiet: row("Memes", null, 3),
  silent: row("Memes", 10, null),
}));
const ids = [...rows.keys()];

describe("groups", () => {
  test("have their coins in the order in which these came, the largest first and the rest last", () => {
    assert.deepEqual([...grouped(ids, rows)], [
      ["Layer 1", ["bitcoin", "ethereum"]],
      ["Stablecoins", ["tether"]],
      ["Memes", ["quiet", "silent"]],
      [OTHER, ["odd"]],
    ]);
  });

  test("keep their order while they are the same, however large they get", () => {
    const before = [...grouped(ids, rows).keys()];
    const later = new Map(rows).set("tether", row("Stablecoins", 9000, 0));
    assert.deepEqual([...grouped(ids, later, before).keys()], before);
    assert.deepEqual([...grouped(ids, later).keys()], ["Stablecoins", "Layer 1", "Memes", OTHER]);
    assert.deepEqual([...grouped(ids.slice(0, 3), later, before).keys()], ["Stablecoins", "Layer 1"]);
  });

  test("of rows from before there were categories are one, and there is nothing to group by", () => {
    const old = new Map([["bitcoin", { market_cap: 1 }], ["tether", { market_cap: 2 }]]);
    assert.deepEqual([...grouped(["bitcoin", "tether"], old)], [[OTHER, ["bitcoin", "tether"]]]);
    assert.equal(categorised({ keys: [...old.keys()], rows: old }), 0);
    assert.equal(categorised({ keys: ids, rows }), 5);
  });
});

describe("the change of a group", () => {
  test("is that of its coins weighted by market cap", () => {
    assert.equal(weighted(["bitcoin", "ethereum"], rows, "24h"), (1000 * -2 + 500 * 4) / 1500);
    assert.equal(weighted(["tether"], rows, "24h"), 0.01);
  });

  test("is of those of which both are known", () => {
    assert.equal(weighted(["bitcoin", "ethereum"], rows, "7d"), 10);
    assert.equal(weighted(["quiet", "silent"], rows, "24h"), null);
    assert.equal(weighted(["bitcoin", "gone"], rows, "24h"), -2);
    assert.equal(weighted([], rows, "24h"), null);
  });

  test("leaves nothing unknown a zero in a sum either", () => {
    assert.equal(total(["bitcoin", "quiet"], rows, "market_cap"), 1000);
    assert.equal(total(["quiet"], rows, "market_cap"), null);
  });

  test("stands in the summary: the best and the worst", () => {
    const choices = { set: "all", size: "market_cap", window: "24h" };
    const said = breadth(ids, rows, choices, "en-US", [["Layer 1", -2], ["DeFi", 1.5], ["Memes", null], ["AI", 0]]);
    assert.match(said, / Of 4 groups, DeFi \+1\.50% did best and Layer 1 −2\.00% worst\.$/);
    assert.doesNotMatch(breadth(ids, rows, choices, "en-US"), /groups/);
  });
});

test("a heading shortens its name, then leaves out its change, and is nothing only where no letter has room", () => {
  const of = (width, height = 20) => room({ width, height }, 16, 50, 40);
  assert.deepEqual([of(106), of(86), of(85), of(16), of(15)], ["both", "both", "name", "name", ""]);
  assert.equal(of(500, 15), "");
  assert.equal(room({ width: 76, height: 20 }, 16, 20, 40), "both"); // "DeFi" is short enough as it is
});

test("the address says whether coins are grouped, and nothing else than what there is", () => {
  const said = (search) => {
    Object.assign(globalThis, { location: { search }, innerWidth: 1440 });
    return read().group;
  };
  assert.deepEqual(["?group=category", "?group=colour", ""].map(said), ["category", "none", "none"]);
});
