import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { Feed } from "../../src/client/socket.js";

const NOW = Date.UTC(2026, 0, 1);
let sockets;

/** A WebSocket whose server is the test. */
class FakeSocket {
  constructor(url) {
    this.url = new URL(url);
    this.readyState = 0;
    this.sent = [];
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  accept() {
    this.readyState = 1;
    this.onopen();
  }

  say(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  drop(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

const snapshot = (seq, data, more = {}) => ({
  type: "snapshot", seq, data, as_of: Date.now(), fetched_at: Date.now(), max_age_ms: 60_000, source: "acme", stale: false, simulated: false, ...more,
});
const delta = (base, changed, more = {}) => ({ ...snapshot(base + 1), type: "delta", base, changed, ...more });
const bitcoin = (price) => [{ id: "bitcoin", price }];

function opened(params = {}) {
  const feed = new Feed("market", params, { random: () => 0.5 });
  feed.open();
  sockets.at(-1).accept();
  return feed;
}

const server = () => sockets.at(-1);
const asked = () => server().sent.filter(({ action }) => action !== "ping");

beforeEach(() => {
  sockets = [];
  globalThis.location = new URL("https://spot.example/?q=x");
  globalThis.WebSocket = FakeSocket;
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: NOW });
});

afterEach(() => mock.timers.reset());

describe("connecting", () => {
  test("asks for the envelope and deltas at the page's own host", () => {
    opened({ vs_currency: "eur", page: 2 });
    assert.equal(server().url.href, "wss://spot.example/tzone_apis/services/spot/ws/market?vs_currency=eur&page=2&envelope=1&delta=1");
  });

  test("is said until the first data, then the feed is live", () => {
    const feed = opened();
    assert.equal(feed.condition().name, "connecting");
    server().say(snapshot(1, bitcoin(3)));
    assert.equal(feed.condition().name, "live");
    assert.equal(feed.head.data, undefined);
  });

  test("to simulated data is a demo, never live", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3), { simulated: true }));
    assert.equal(feed.condition().name, "demo");
  });

  test("to a server without data yet passes its reason on", () => {
    const feed = opened();
    server().say({ type: "status", state: "unavailable", reason: "No provider answers.", next_try_ms: NOW + 5000 });
    assert.deepEqual(feed.condition(), { name: "unavailable", reason: "No provider answers.", nextTry: NOW + 5000 });
  });
});

describe("frames", () => {
  test("a delta on the newest frame changes the view and says what changed", () => {
    const feed = opened();
    const seen = [];
    feed.addEventListener("frame", ({ detail }) => seen.push([...detail.changes]));
    server().say(snapshot(1, bitcoin(3)));
    server().say(delta(1, { bitcoin: { price: 4 } }));
    assert.equal(feed.view.rows.get("bitcoin").price, 4);
    assert.deepEqual(seen, [[], [["bitcoin", [["price", 3, 4]]]]]);
  });

  test("a delta keeps the parameters that the snapshot told", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3), { params: { vs_currency: "eur" } }));
    server().say(delta(1, {}));
    assert.deepEqual(feed.head.params, { vs_currency: "eur" });
  });

  test("a delta on another frame is not applied: one resync is asked for, and heals", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    server().say(delta(2, { bitcoin: { price: 99 } }));
    server().say(delta(3, { bitcoin: { price: 100 } }));
    assert.equal(feed.view.rows.get("bitcoin").price, 3);
    assert.deepEqual(asked(), [{ action: "resync" }]);
    server().say(snapshot(5, bitcoin(5)));
    server().say(delta(5, { bitcoin: { price: 6 } }));
    assert.equal(feed.view.rows.get("bitcoin").price, 6);
  });

  test("a resync that nobody answers ends the connection", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    server().say(delta(7, {}));
    for (let n = 0; n < 3; n += 1) mock.timers.tick(5_000);
    assert.ok(sockets.length > 1 || feed.link === "waiting");
  });

  test("frames of a type that we do not know are passed over", () => {
    const feed = opened();
    server().say({ type: "novelty" });
    assert.equal(feed.condition().name, "connecting");
  });
});

describe("staleness", () => {
  test("comes with the age of the data, though the socket is open and silent", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3), { max_age_ms: 10_000 }));
    mock.timers.tick(10_000);
    assert.equal(feed.condition().name, "live");
    mock.timers.tick(1);
    assert.equal(feed.condition().name, "stale");
  });

  test("comes with the server's word too, and goes with new data", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    server().say({ type: "heartbeat", seq: 1, as_of: NOW, stale: true });
    assert.equal(feed.condition().name, "stale");
    server().say(delta(1, { bitcoin: { price: 4 } }));
    assert.equal(feed.condition().name, "live");
  });

  test("is told with its reason", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    server().say({ type: "status", state: "stale", reason: "The provider is out of budget.", as_of: NOW });
    assert.deepEqual(feed.condition(), { name: "stale", reason: "The provider is out of budget.", nextTry: null });
  });

  test("is measured by the server's clock", () => {
    const feed = opened();
    server().say({ type: "pong", ts: NOW - 3_600_000 });
    server().say(snapshot(1, bitcoin(3), { as_of: NOW - 3_600_000, max_age_ms: 10_000 }));
    assert.equal(feed.condition().name, "live");
    server().say({ type: "pong", ts: NOW });
    assert.equal(feed.condition().name, "stale");
    mock.timers.tick(1);
  });
});

describe("a lost connection", () => {
  test("comes back by itself, keeps the last view, and starts with a snapshot", () => {
    const feed = opened({ search: "btc" });
    server().say(snapshot(1, bitcoin(3)));
    server().drop(1006);
    assert.deepEqual(feed.condition(), { name: "reconnecting", reason: "The connection was lost.", seconds: 1 });
    assert.equal(feed.view.rows.get("bitcoin").price, 3);
    mock.timers.tick(500);
    assert.equal(sockets.length, 2);
    assert.equal(server().url.searchParams.get("search"), "btc");
    server().accept();
    server().say(delta(1, { bitcoin: { price: 9 } }));
    assert.deepEqual(asked(), [{ action: "resync" }]);
    server().say(snapshot(1, bitcoin(4)));
    assert.equal(feed.condition().name, "live");
  });

  test("waits longer from try to try, until there are data", () => {
    const feed = opened();
    const waits = [];
    for (let n = 0; n < 7; n += 1) {
      server().drop(1006);
      waits.push(feed.retryAt - Date.now());
      mock.timers.tick(waits.at(-1));
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
    server().accept();
    server().say(snapshot(1, bitcoin(3)));
    server().drop(1006);
    assert.equal(feed.retryAt - Date.now(), 500);
  });

  test("can be tried again at once", () => {
    const feed = opened();
    server().drop(1012);
    feed.retry();
    assert.equal(sockets.length, 2);
    mock.timers.tick(60_000);
    assert.equal(sockets.length, 2);
  });

  test("is noticed when the server falls silent without closing", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    for (let n = 0; n < 14; n += 1) mock.timers.tick(5_000);
    assert.ok(sockets.length > 1 || feed.link === "waiting");
  });

  test("is given up when a server takes the connection and never answers the handshake", () => {
    const feed = new Feed("market", {}, { random: () => 0.5 });
    feed.open();
    for (let n = 0; n < 4; n += 1) mock.timers.tick(5_000);
    assert.equal(sockets[0].readyState, 3);
    assert.ok(sockets.length > 1);
  });

  test("is not suspected while heartbeats come", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    for (let n = 0; n < 10; n += 1) {
      mock.timers.tick(30_000);
      server().say({ type: "heartbeat", seq: 1, as_of: Date.now(), stale: false });
    }
    assert.equal(sockets.length, 1);
    assert.equal(feed.condition().name, "live");
  });

  test("is final when the server would refuse again, and says why", () => {
    const feed = opened({ coin_id: "nonesuch" });
    server().say({ type: "error", code: "unknown_coin", message: "No coin has this id.", field: "coin_id" });
    server().drop(4404);
    mock.timers.tick(600_000);
    assert.equal(sockets.length, 1);
    assert.deepEqual(feed.condition(), { name: "refused", reason: "No coin has this id.", code: "unknown_coin", question: true });
  });

  test("closed by us before it is open closes as soon as it is: browsers report anything earlier as an error", () => {
    const feed = new Feed("market");
    feed.open();
    feed.close();
    assert.equal(server().readyState, 0);
    server().accept();
    assert.equal(server().readyState, 3);
    assert.equal(feed.link, "closed");
  });

  test("closed by us before it is open is given up when the server never answers the handshake", () => {
    const feed = new Feed("market");
    feed.open();
    feed.close();
    mock.timers.tick(10_000);
    assert.equal(server().readyState, 3);
  });

  test("stays closed when we closed it", () => {
    const feed = opened();
    feed.close();
    mock.timers.tick(600_000);
    assert.equal(sockets.length, 1);
    assert.equal(feed.link, "closed");
  });
});

describe("a change of parameters", () => {
  test("sends only what changed, and null for what is cleared", () => {
    const feed = opened({ search: "btc", page: 2 });
    assert.equal(feed.update({ search: null, page: 2, sort_by: "price" }), true);
    assert.deepEqual(asked(), [{ search: null, sort_by: "price" }]);
    assert.equal(feed.update({ search: null, page: 2 }), false);
  });

  test("made while the socket connects is sent once it is open", () => {
    const feed = new Feed("market", { search: "btc" });
    feed.open();
    feed.update({ search: null, page: 2 });
    feed.update({ page: 3 });
    server().accept();
    assert.deepEqual(asked(), [{ search: null, page: 3 }]);
    server().drop(1006);
    mock.timers.tick(1_000);
    server().accept();
    assert.deepEqual(asked(), []);
  });

  test("made while there is no connection goes with the next one", () => {
    const feed = opened();
    server().drop(1006);
    feed.update({ search: "eth" });
    mock.timers.tick(500);
    assert.equal(server().url.searchParams.get("search"), "eth");
  });

  test("that is refused is taken back, so that a reconnect is not refused", () => {
    const feed = opened({ vs_currency: "usd" });
    const refusals = [];
    feed.addEventListener("refusal", ({ detail }) => refusals.push(detail.message));
    server().say(snapshot(1, bitcoin(3)));
    feed.update({ vs_currency: "xxx", page: -1 });
    server().say({ type: "error", code: "bad_value", message: "Unknown currency.", field: "vs_currency" });
    server().say({ type: "error", code: "bad_value", message: "From 1.", field: "page" });
    assert.deepEqual(feed.params, { vs_currency: "usd" });
    assert.deepEqual(refusals, ["Unknown currency.", "From 1."]);
  });
});

describe("a pause", () => {
  const price = (feed) => feed.view.rows.get("bitcoin").price;

  test("keeps the view and its time as they are, counts what waits, and then shows the newest at once", () => {
    const feed = opened();
    const frames = [];
    feed.addEventListener("frame", ({ detail }) => frames.push([...detail.changes]));
    server().say(snapshot(1, bitcoin(3)));
    feed.pause();
    server().say(delta(1, { bitcoin: { price: 4 } }, { as_of: NOW + 1 }));
    server().say(delta(2, { bitcoin: { price: 5 } }, { as_of: NOW + 2 }));
    assert.deepEqual([price(feed), feed.head.as_of, feed.waiting], [3, NOW, 2]);
    feed.resume();
    assert.deepEqual([price(feed), feed.head.as_of, feed.waiting], [5, NOW + 2, 0]);
    assert.deepEqual(frames, [[], [["bitcoin", [["price", 3, 5]]]]]);
    server().say(delta(3, { bitcoin: { price: 6 } }));
    assert.equal(price(feed), 6);
  });

  test("without updates ends without a frame", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    feed.pause();
    feed.addEventListener("frame", () => assert.fail("nothing has changed"));
    feed.resume();
  });

  test("does not keep back the first data, nor what the visitor asks for", () => {
    const feed = opened();
    feed.pause();
    server().say(snapshot(1, bitcoin(3)));
    assert.equal(price(feed), 3);
    feed.update({ search: "bit" });
    server().say(delta(1, { bitcoin: { price: 4 } }));
    assert.deepEqual([price(feed), feed.waiting], [3, 1]);
    server().say(snapshot(5, bitcoin(5)));
    assert.deepEqual([price(feed), feed.waiting], [5, 0]);
    server().say(snapshot(6, bitcoin(6)));
    assert.deepEqual([price(feed), feed.waiting], [5, 1]);
  });

  test("does not hide that the connection has gone, and lasts over it", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    feed.pause();
    server().drop(1006);
    assert.equal(feed.condition().name, "reconnecting");
    mock.timers.tick(500);
    server().accept();
    server().say(snapshot(9, bitcoin(9)));
    assert.deepEqual([price(feed), feed.waiting, feed.condition().name], [3, 1, "live"]);
  });

  test("judges staleness by the newest data, not by those it shows", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3), { max_age_ms: 10_000 }));
    feed.pause();
    mock.timers.tick(9_000);
    server().say(delta(1, { bitcoin: { price: 4 } }, { max_age_ms: 10_000 }));
    mock.timers.tick(9_000);
    assert.equal(feed.condition().name, "live");
  });
});

describe("a rest", () => {
  test("closes the socket and keeps the view; waking asks for a snapshot at once", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    feed.rest();
    assert.equal(sockets[0].readyState, 3);
    mock.timers.tick(600_000);
    assert.equal(sockets.length, 1);
    assert.equal(feed.view.rows.get("bitcoin").price, 3);
    feed.wake();
    assert.equal(sockets.length, 2);
    assert.equal(feed.condition().name, "reconnecting");
    server().accept();
    server().say(snapshot(7, bitcoin(7)));
    assert.equal(feed.condition().name, "live");
  });

  test("is nothing to a feed that was closed", () => {
    const feed = opened();
    feed.close();
    feed.rest();
    feed.wake();
    assert.equal(sockets.length, 1);
  });

  test("ends a wait for the next try, and waking tries at once", () => {
    const feed = opened();
    server().drop(1006);
    feed.rest();
    mock.timers.tick(60_000);
    assert.equal(sockets.length, 1);
    feed.wake();
    assert.equal(sockets.length, 2);
  });

  test("a refusal for too many connections is tried again when somebody is back, one for good is not", () => {
    const feed = opened();
    server().drop(4430);
    feed.wake();
    assert.equal(sockets.length, 2);
    server().accept();
    server().drop(4404);
    feed.wake();
    assert.equal(sockets.length, 2);
  });

  test("at the limit of connections it comes back by itself, slowly, and says why", () => {
    const feed = opened();
    server().say({ type: "error", code: "too_many_connections", message: "At most 200 connections from one address.", retry: false });
    server().drop(4430);
    const { name, reason, seconds } = feed.condition();
    assert.deepEqual([name, reason, seconds], ["reconnecting", "At most 200 connections from one address.", 40]);
    mock.timers.tick(39_000);
    assert.equal(sockets.length, 1);
    mock.timers.tick(1_000);
    assert.equal(sockets.length, 2);
    server().accept();
    server().say(snapshot(1, bitcoin(3)));
    assert.equal(feed.condition().name, "live");
  });

  test("another question is asked at once, at a limit and after a refusal that is still closing", () => {
    const feed = opened({ vs_currency: "xyz" });
    server().say({ type: "error", code: "unknown_currency", message: "no", retry: false, field: "vs_currency" });
    feed.update({ vs_currency: "usd" });
    server().drop(4404);
    assert.equal(sockets.length, 2);
    assert.equal(server().url.searchParams.get("vs_currency"), "usd");
    server().drop(4413);
    feed.update({ vs_currency: "eur" });
    assert.equal(sockets.length, 3);
    server().drop(4404);
    assert.deepEqual([feed.condition().name, feed.condition().question], ["refused", true]);
    mock.timers.tick(600_000);
    assert.equal(sockets.length, 3);
  });

  test("an open connection that does not answer somebody who is back is replaced within two seconds", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    mock.timers.tick(1_000);
    feed.wake();
    assert.equal(server().sent.at(-1).action, "ping");
    mock.timers.tick(1_500);
    assert.equal(sockets.length, 2);
  });

  test("an open connection that answers is kept", () => {
    const feed = opened();
    server().say(snapshot(1, bitcoin(3)));
    feed.wake();
    mock.timers.tick(100);
    server().say({ type: "pong", ts: NOW });
    mock.timers.tick(5_000);
    assert.equal(sockets.length, 1);
  });
});

describe("what a program may use", () => {
  test("a server of another origin", () => {
    new Feed("market", {}, { server: "https://elsewhere.example/some/page" }).open();
    assert.equal(server().url.href, "wss://elsewhere.example/tzone_apis/services/spot/ws/market?envelope=1&delta=1");
  });

  test("rows as objects in their order, those of the market table by their columns", () => {
    const feed = opened();
    assert.deepEqual(feed.rows(), []);
    server().say(snapshot(1, [{ id: "b", price: 2 }, { id: "a", price: 1 }]));
    assert.deepEqual(feed.rows(), [{ id: "b", price: 2 }, { id: "a", price: 1 }]);
    server().say(snapshot(2, { headers: ["Row", "Price"], rows: [[1, 5]], ids: ["bitcoin"] }));
    assert.deepEqual(feed.rows(), [{ id: "bitcoin", Row: 1, Price: 5 }]);
  });
});

describe("a page of a site that is closed to visitors", () => {
  const answers = [];
  const asking = [];
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    answers.length = asking.length = 0;
    globalThis.document = { querySelector: () => ({ content: "/admin/ticket/", dataset: { token: "abc" } }) };
    globalThis.fetch = async (path, request) => {
      asking.push([path, request.method, request.headers["X-CSRFToken"]]);
      const status = answers.shift() ?? 200;
      return { ok: status === 200, status, json: async () => ({ ticket: `t${asking.length}` }) };
    };
  });

  afterEach(() => {
    delete globalThis.document;
    delete globalThis.fetch;
  });

  test("gets a ticket for each connection, and another for the next", async () => {
    new Feed("market", {}, { random: () => 0.5 }).open();
    await settled();
    assert.deepEqual(asking, [["/admin/ticket/", "POST", "abc"]]);
    assert.equal(server().url.searchParams.get("ticket"), "t1");
    server().accept();
    server().drop(4409);
    mock.timers.tick(1_000);
    await settled();
    assert.equal(sockets.length, 2);
    assert.equal(server().url.searchParams.get("ticket"), "t2");
  });

  test("says that the sign-in has ended, and tries again after any other failure", async () => {
    answers.push(503, 401);
    const feed = new Feed("market", {}, { random: () => 0.5 });
    const refusals = [];
    feed.addEventListener("refusal", ({ detail }) => refusals.push(detail.code));
    feed.open();
    await settled();
    assert.equal(feed.condition().name, "reconnecting");
    mock.timers.tick(1_000);
    await settled();
    assert.equal(feed.condition().name, "refused");
    assert.match(feed.condition().reason, /not signed in any more/);
    assert.deepEqual(refusals, ["key_required"]);
    assert.equal(sockets.length, 0);
  });

  test("shows no ticket to another site", () => {
    new Feed("market", {}, { server: "https://elsewhere.example" }).open();
    assert.equal(server().url.searchParams.get("ticket"), null);
    assert.equal(asking.length, 0);
  });
});
