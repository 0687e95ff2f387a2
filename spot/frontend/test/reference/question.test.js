import assert from "node:assert/strict";
import { test } from "node:test";

import { feedsOf, formFor, problem, questionOf } from "../../src/reference/question.js";

const parameter = (name, schema, more = {}) => ({ name, in: "query", required: false, description: "", schema, ...more });
const OPENAPI = {
  paths: {
    "/api/spot/market": {
      get: {
        tags: ["feeds"],
        summary: "the market",
        parameters: [
          parameter("per_page", { type: "integer", minimum: 1, maximum: 500, default: 250 }),
          parameter("windows", { type: "array", items: { enum: ["1h", "24h"] }, default: ["24h"] }),
          parameter("coin_id", { type: "string", examples: ["bitcoin"] }, { required: true }),
          parameter("filters", { type: "string", contentMediaType: "application/json" }),
          parameter("envelope", { type: "boolean" }),
          { name: "If-None-Match", in: "header", schema: { type: "string" } },
        ],
      },
    },
    "/status.json": { get: { tags: ["status"], parameters: [] } },
  },
};
const [feed] = feedsOf(OPENAPI);
const field = (name) => feed.fields.find((one) => one.name === name);

test("the form has the feeds of the document, and their parameters but those of the frames", () => {
  assert.deepEqual(feedsOf(OPENAPI).map(({ name }) => name), ["market"]);
  assert.deepEqual(feed.fields.map(({ name, kind }) => [name, kind]), [["per_page", "number"], ["windows", "words"], ["coin_id", "text"], ["filters", "json"]]);
  assert.equal(field("windows").default, "24h");
  assert.equal(field("coin_id").example, "bitcoin");
});

test("a value that cannot be is named before it is sent", () => {
  assert.equal(problem(field("per_page"), "0"), "per_page must be at least 1.");
  assert.equal(problem(field("per_page"), "501"), "per_page must be at most 500.");
  assert.equal(problem(field("per_page"), ""), "");
  assert.equal(problem(field("coin_id"), ""), "coin_id is required.");
  assert.equal(problem(field("filters"), "[1]"), "filters must be a JSON object.");
  assert.equal(problem(field("filters"), "{"), "filters is not valid JSON.");
  assert.equal(problem(field("filters"), '{"symbol": "BTC"}'), "");
});

test("defaults are left out of the address, and the form of the frames is in it as each door takes it", () => {
  const values = { per_page: "250", windows: "1h,24h", coin_id: "bitcoin", filters: '{"a": 1}' };
  const question = questionOf(feed, values, "feed", "delta", "https://spot.example");
  const tail = "market?windows=1h,24h&coin_id=bitcoin&filters=%7B%22a%22%3A%201%7D";
  assert.equal(question.feed, `wss://spot.example/api/spot/ws/${tail}&envelope=1&delta=1`);
  assert.equal(question.sse, `https://spot.example/api/spot/sse/${tail}&delta=1`);
  assert.equal(question.http, `https://spot.example/api/spot/${tail}&envelope=1`);
  assert.equal(question.stream, "wss://spot.example/api/spot/ws/stream");
  assert.equal(question.ticket, "https://spot.example/api/spot/ticket");
  assert.equal(questionOf(feed, {}, "http", "plain", "http://x").http, "http://x/api/spot/market");
});

test("a message of the stream has values of JSON", () => {
  const values = { per_page: "100", windows: "1h,24h", coin_id: "bitcoin", filters: '{"a": 1}' };
  assert.deepEqual(questionOf(feed, values, "stream", "delta", "https://spot.example").message, {
    id: 1,
    method: "subscribe",
    channel: "market",
    params: { per_page: 100, windows: ["1h", "24h"], coin_id: "bitcoin", filters: { a: 1 } },
    delta: true,
  });
  assert.equal("delta" in questionOf(feed, values, "stream", "plain", "https://spot.example").message, false);
});

test("a transport that lacks a form writes the envelope", () => {
  assert.deepEqual(["feed", "stream", "sse", "http"].map((transport) => formFor(transport, "plain")), ["plain", "envelope", "envelope", "plain"]);
  assert.equal(formFor("http", "delta"), "envelope");
});
