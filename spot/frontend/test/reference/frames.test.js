import assert from "node:assert/strict";
import { test } from "node:test";

import { factsOf, laidOut, size } from "../../src/reference/frames.js";
import { LANGUAGES } from "../../src/reference/snippets.js";

test("a frame has a kind, a size in bytes and the age of its data", () => {
  const facts = factsOf('{"type":"snapshot","as_of":1000,"stale":false,"data":"é"}', 4000);
  assert.deepEqual([facts.kind, facts.bytes, facts.age], ["snapshot", 58, 3000]);
  assert.deepEqual([factsOf('[{"price":1}]', 0).kind, factsOf('[{"price":1}]', 0).age], ["rows", null]);
  assert.equal(factsOf("a,b\r\n1,2\r\n", 0).kind, "csv");
});

test("a frame is laid out with a line for each row, and is the same JSON", () => {
  const rows = Array.from({ length: 3 }, (_, place) => ({ id: `coin-${place}`, name: "x".repeat(60) }));
  const frame = { type: "snapshot", data: rows };
  assert.deepEqual(JSON.parse(laidOut(frame)), frame);
  assert.equal(laidOut(frame).split("\n").filter((line) => line.includes('"id"')).length, 3);
  assert.match(factsOf(JSON.stringify("y".repeat(30_000)), 0).text, /more characters$/);
});

test("sizes are short", () => {
  assert.deepEqual([812, 34_140, 2_500_000].map(size), ["812 B", "34.1 kB", "2.50 MB"]);
});

test("an address with quotes stays one argument of a shell", () => {
  const [, , curl] = LANGUAGES.find(([key]) => key === "curl");
  assert.equal(curl({ http: "http://x/?q=it's" }), "curl 'http://x/?q=it'\\''s'\n");
});
