import assert from "node:assert/strict";
import { test } from "node:test";

import { awaited, awaitedText, unlisted, unlistedText } from "../../src/data/missing.js";

const unknown = { code: "unknown_coin", message: "no coin has the id" };
const unavailable = { code: "unavailable", message: "No price of it has been fetched yet." };

test("coins that are no longer listed are told apart from those that may still come", () => {
  const missing = { "renamed-coin": unknown, "spell-token": unavailable };
  assert.deepEqual(unlisted(missing), ["renamed-coin"]);
  assert.deepEqual(awaited(missing), ["spell-token"]);
  assert.deepEqual([unlisted(undefined), awaited(undefined)], [[], []]);
});

test("missing coins are named and counted, never all of fifty", () => {
  assert.equal(unlistedText([]), "");
  assert.equal(unlistedText(["a"]), "1 coin is no longer listed: a.");
  assert.equal(unlistedText(["a", "b", "c", "d", "e"]), "5 coins are no longer listed: a, b, c and 2 more.");
  assert.equal(awaitedText(["a", "b"]), "No price yet of a, b.");
  assert.equal(awaitedText([]), "");
});
