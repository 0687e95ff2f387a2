import assert from "node:assert/strict";
import { test } from "node:test";

import { choices, offered, VOLUMES } from "../../src/movers/question.js";

const address = (parameters) => (name) => parameters[name] ?? "";

test("movers ask the usual for an address that says nothing, or nonsense", () => {
  const usual = { window: "24h", count: "5", volume: "", cap: "" };
  assert.deepEqual(choices(address({})), usual);
  assert.deepEqual(choices(address({ movers: "q", "movers.rows": "7", "movers.volume": "-1", "movers.cap": "1e9" })), usual);
});

test("movers ask what the address says, no floor among it", () => {
  const parameters = { movers: "7d", "movers.rows": "25", "movers.volume": "0", "movers.cap": "0005" };
  assert.deepEqual(choices(address(parameters)), { window: "7d", count: "25", volume: "0", cap: "5" });
});

test("an amount in force is always among those offered", () => {
  assert.equal(offered(VOLUMES, ""), VOLUMES);
  assert.equal(offered(VOLUMES, "0"), VOLUMES);
  assert.ok(offered(VOLUMES, "123").includes("123"));
});
