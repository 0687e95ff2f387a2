import assert from "node:assert/strict";
import { test } from "node:test";

import { addresses, feedsOf, pairs, problem } from "../../src/reference/question.js";

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

test("defaults are left out of the address, and the form of the frames is in it", () => {
  const values = { per_page: "250", windows: "1h,24h", coin_id: "bitcoin", filters: '{"a": 1}' };
  const query = pairs(feed, values, "delta");
  assert.deepEqual(query.map(([name]) => name), ["windows", "coin_id", "filters", "envelope", "delta"]);
  const { ws, http } = addresses(feed, query, "https://spot.example");
  assert.equal(ws, "wss://spot.example/api/spot/ws/market?windows=1h,24h&coin_id=bitcoin&filters=%7B%22a%22%3A%201%7D&envelope=1&delta=1");
  assert.equal(http, ws.replace("wss", "https").replace("/ws/", "/"));
});
