import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Stream } from "../../src/client/stream.js";

let sockets;

/** A WebSocket whose server is the test. */
class FakeSocket {
  constructor(url, options) {
    Object.assign(this, { url, options, sent: [], closed: false });
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  async say(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
    await settled();
  }

  /** The messages since the last call. */
  heard() {
    return this.sent.splice(0);
  }
}

const settled = () => new Promise((over) => setImmediate(over));
const page = (id, seq, ids) => ({ id, type: "snapshot", channel: "market", seq, epoch: "e", as_of: Date.now(), fetched_at: Date.now(), max_age_ms: 60_000, stale: false, data: ids.map((key) => ({ id: key, price: seq })) });
const ack = (id, more = {}) => ({ type: "ack", id, ...more });
const server = () => sockets.at(-1);
const ids = (feed) => feed.rows().map(({ id }) => id);

async function welcomed(stream, ...views) {
  const feeds = views.map(([path, params]) => stream.feed(path, params));
  for (const feed of feeds) feed.open();
  mock.timers.tick(0);
  await settled();
  await server().say({ type: "welcome", messages_per_second: 0 });
  return feeds;
}

beforeEach(() => {
  sockets = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.UTC(2026, 0, 1) });
});
afterEach(() => mock.timers.reset());

const streaming = (options = {}) => new Stream({ server: "https://spot.example", WebSocket: FakeSocket, random: () => 0.5, ...options });

test("feeds share one socket, each with its own frames, and the last one closes it", async () => {
  const [first, second] = await welcomed(streaming({ key: "secret" }), ["market", { page_size: 1 }], ["top-gainers", {}]);
  assert.equal(sockets.length, 1);
  assert.deepEqual([server().url, server().options.headers["X-API-Key"]], ["wss://spot.example/tzone_apis/services/spot/ws/stream", "secret"]);
  assert.deepEqual(server().heard()[0], { id: 1, method: "subscribe", channel: "market", params: { page_size: 1 }, delta: true });
  await server().say(ack(1), ack(2), page(1, 5, ["a"]), page(2, 6, ["b"]));
  assert.deepEqual([ids(first), ids(second)], [["a"], ["b"]]);
  first.close();
  assert.equal(server().closed, false);
  second.close();
  assert.equal(server().closed, true);
});

test("after a lost connection feeds come back together and go on after their page", async () => {
  const [feed] = await welcomed(streaming(), ["market", {}]);
  await server().say(ack(1), page(1, 5, ["a"]));
  server().onclose({ code: 1012 });
  assert.equal(feed.condition().name, "reconnecting");
  mock.timers.tick(1_000);
  await settled();
  assert.equal(sockets.length, 2);
  await server().say({ type: "welcome", messages_per_second: 0 });
  const [message] = server().heard();
  assert.deepEqual([message.since, message.epoch], [5, "e"]);
  await server().say(ack(1), { ...page(1, 6, []), type: "delta", base: 5, data: undefined, changed: { a: { price: 9 } } });
  assert.deepEqual(feed.rows(), [{ id: "a", price: 9 }]);
  feed.close();
});

test("equal views are one subscription until one of them changes", async () => {
  const [first, second] = await welcomed(streaming(), ["market", {}], ["market", { per_page: 250 }]);
  server().heard();
  await server().say(ack(1), page(1, 5, ["a"]), ack(2, { duplicate: true, subscription: 1 }));
  const [left, again] = server().heard();
  assert.deepEqual([left.method, again.method, again.id], ["unsubscribe", "subscribe", 1]);
  await server().say(ack(left.id), ack(1), page(1, 6, ["a"]));
  assert.deepEqual([ids(first), ids(second)], [["a"], ["a"]]);
  second.update({ search: "b" });
  assert.deepEqual(server().heard().map(({ id, method, params }) => [id, method, params]), [[2, "subscribe", { search: "b" }]]);
  await server().say(ack(2), page(2, 7, ["b"]));
  assert.deepEqual([ids(first), ids(second)], [["a"], ["b"]]);
  for (const feed of [first, second]) feed.close();
});

test("a refusal ends its own feed, that of a change leaves the view", async () => {
  const [first, second] = await welcomed(streaming(), ["market", {}], ["market", { page: 0 }]);
  const refusal = { type: "error", code: "bad_value", message: "No.", retry: false, field: "page" };
  await server().say(ack(1), page(1, 5, ["a"]), { ...refusal, id: 2 });
  assert.deepEqual([first.condition().name, second.condition().name, second.condition().code], ["live", "refused", "bad_value"]);
  server().heard();
  first.update({ page: 0 });
  const [update] = server().heard();
  assert.deepEqual([update.method, update.subscription], ["update", 1]);
  await server().say({ ...refusal, id: update.id });
  assert.deepEqual([first.params, ids(first), first.condition().name], [{}, ["a"], "live"]);
  for (const feed of [first, second]) feed.close();
});

test("events bring the whole page anew, and messages keep the server's pace", async () => {
  const stream = streaming();
  const feeds = Array.from({ length: 25 }, (_, page) => stream.feed("listings", { page_size: page + 1 }));
  for (const feed of feeds) feed.open();
  mock.timers.tick(0);
  await settled();
  await server().say({ type: "welcome", messages_per_second: 10 });
  assert.equal(server().heard().length, 19);
  mock.timers.tick(1_000);
  assert.equal(server().heard().length, 6);
  await server().say(ack(1), page(1, 5, ["a"]), { id: 1, type: "events", gap: false, data: [{ id: "b" }] });
  assert.deepEqual(server().heard().map(({ method }) => method), ["unsubscribe", "subscribe"]);
  for (const feed of feeds) feed.close();
});
