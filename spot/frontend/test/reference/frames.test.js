import assert from "node:assert/strict";
import { test } from "node:test";

import { eventsOf, factsOf, laidOut, size } from "../../src/reference/frames.js";

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
  const table = { headers: Array.from({ length: 20 }, (_, place) => `Header ${place}`), rows: rows.map(({ id, name }) => [id, name, [1, 2]]) };
  assert.equal(laidOut(table).split("\n").length, 8); // a line for the headers, and one for each row
  assert.equal(laidOut(rows).split("\n").length, 5);
  assert.match(factsOf(JSON.stringify("y".repeat(30_000)), 0).text, /more characters$/);
});

test("the age of an answer's header counts where the frame has none", () => {
  assert.equal(factsOf("[]", 4000, 1500).age, 1500);
  assert.equal(factsOf('{"type":"snapshot","as_of":1000}', 4000, 1500).age, 3000);
});

test("events are cut out of a stream, whichever way it is split", () => {
  const stream = 'retry: 3000\n\nid: 2\ndata: {"a":1}\n\n: keep-alive\n\nevent: x\ndata: {"b":2}\n\n';
  for (let place = 0; place <= stream.length; place += 1) {
    const first = eventsOf(stream.slice(0, place));
    const second = eventsOf(first.rest + stream.slice(place));
    assert.deepEqual([...first.messages, ...second.messages], ['{"a":1}', '{"b":2}']);
    assert.equal(second.rest, "");
  }
});

test("sizes are short", () => {
  assert.deepEqual([812, 34_140, 2_500_000].map(size), ["812 B", "34.1 kB", "2.50 MB"]);
});
