import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { Client, Refused, Unreachable } from "../../src/client/http.js";

const page = (rows, more = {}) => ({ type: "snapshot", channel: "listings", as_of: Date.now(), fetched_at: Date.now(), max_age_ms: 60_000, stale: false, data: rows, ...more });
const json = (status, body, headers = {}) => new Response(status === 304 ? null : JSON.stringify(body), { status, headers });
const later = { type: "error", code: "unavailable", message: "Later.", retry: true };

let asked;

/** A client whose server answers by the list, and whose pauses have no random part. */
function client(answers, options = {}) {
  asked = [];
  const fetch = async (url, request) => {
    asked.push({ url: new URL(url), ...request });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return new Client({ server: "https://spot.example", random: () => 0, fetch, ...options });
}

describe("a page over HTTP", () => {
  beforeEach(() => mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 0, 1) }));
  afterEach(() => mock.timers.reset());

  test("has rows, age and staleness, and is not sent again when unchanged", async () => {
    const spot = client([json(200, page([{ id: "a" }]), { ETag: 'W/"1"' }), json(304, null, { "X-Spot-Stale": "true" })], { key: "secret" });
    const first = await spot.get("listings", { cex: ["binance", "upbit"], filters: { id: "a" }, page: null });
    const again = await spot.get("listings", { cex: ["binance", "upbit"], filters: { id: "a" } });
    assert.deepEqual(first.rows, [{ id: "a" }]);
    assert.equal(again.rows, first.rows);
    assert.deepEqual([first.stale, again.stale], [false, true]);
    assert.equal(asked[0].url.search, "?cex=binance%2Cupbit&filters=%7B%22id%22%3A%22a%22%7D&envelope=1");
    assert.deepEqual(asked.map(({ headers }) => headers["If-None-Match"]), [undefined, 'W/"1"']);
    assert.equal(asked[0].headers["X-API-Key"], "secret");
    mock.timers.tick(61_000);
    assert.equal(first.stale, true);
    assert.equal(Math.round(first.age), 61);
  });

  test("is asked for again while the server is away or asks to come back", async () => {
    const spot = client([new TypeError("no route"), json(503, later, { "Retry-After": "0" }), json(200, page([{ id: "a" }]))]);
    assert.equal((await spot.get("listings")).rows.length, 1);
    assert.equal(asked.length, 3);
  });

  test("is given up when the wait would be longer than the patience", async () => {
    const spot = client([json(429, { ...later, code: "too_many_requests" }, { "Retry-After": "60" })], { patience: 5 });
    await assert.rejects(spot.get("listings"), (error) => error instanceof Refused && error.code === "too_many_requests" && error.retryAfter === 60 && error.status === 429);
  });

  test("that is refused says why; an answer of something else is no page", async () => {
    const refusal = { type: "error", code: "bad_value", message: "No.", retry: false, field: "page", allowed: "1" };
    const spot = client([json(400, refusal), json(200, { data: null }), json(302, {}, { Location: "https://other.example" })]);
    await assert.rejects(spot.get("listings", { page: 0 }), { name: "Refused", message: "No.", field: "page", allowed: "1", status: 400, retry: false });
    await assert.rejects(spot.get("listings"), Unreachable);
    await assert.rejects(spot.get("listings"), /redirects/);
    assert.ok(asked.every(({ redirect }) => redirect === "manual"));
  });
});

describe("a batch", () => {
  test("has a page or a refusal for each view, and asks again for those that may come later", async () => {
    const whole = { status: 200, headers: { ETag: 'W/"1"' }, body: page([{ id: "a" }]) };
    const waits = { status: 503, headers: { "Retry-After": "0" }, body: later };
    const wrong = { status: 404, headers: {}, body: { code: "unknown_coin", message: "No such coin.", retry: false, field: "views[2].params.coin_ids" } };
    const spot = client([json(200, { views: [whole, waits, wrong] }), json(200, { views: [whole] }), json(200, { views: [{ status: 304, headers: {} }] })]);
    const [first, second, third] = await spot.batch([{ feed: "listings" }, { feed: "market", params: { page_size: 1 } }, { feed: "ticker-tape", params: { coin_ids: "x" } }]);
    assert.deepEqual([first.rows, second.rows], [[{ id: "a" }], [{ id: "a" }]]);
    assert.ok(third instanceof Refused);
    assert.deepEqual([third.code, third.status], ["unknown_coin", 404]);
    assert.deepEqual(JSON.parse(asked[1].body).views, [{ feed: "market", params: { page_size: 1, envelope: true } }]);
    assert.equal((await spot.batch([{ feed: "listings" }]))[0].rows, first.rows);
    assert.equal(JSON.parse(asked[2].body).views[0].if_none_match, 'W/"1"');
  });
});

test("a ticket goes in the address, another for each request", async () => {
  let tickets = 0;
  const spot = client([json(200, page([])), json(200, page([]))], { ticket: async () => `t${(tickets += 1)}` });
  await spot.get("listings");
  await spot.get("listings");
  assert.deepEqual(asked.map(({ url }) => url.searchParams.get("ticket")), ["t1", "t2"]);
});
