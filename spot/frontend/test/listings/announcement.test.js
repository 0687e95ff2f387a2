import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { direction, moment, titleText, typeWords } from "../../src/listings/announcement.js";

describe("the type of an announcement", () => {
  for (const [type, words, way] of [
    ["spot_listing", "Spot listing", "up"],
    ["futures_listing", "Futures listing", "up"],
    ["spot_delisting", "Spot delisting", "down"],
    ["futures_delisting", "Futures delisting", "down"],
    ["hodler_airdrop", "Hodler airdrop", "up"],
    ["monitoring_tag_extend", "Monitoring tag extend", "down"],
    ["monitoring_tag_remove", "Monitoring tag remove", "up"],
    ["caution_released", "Caution released", "up"],
    ["not_listing", "Not listing", "flat"],
    ["something_new", "Something new", "flat"],
  ]) {
    test(`${type} reads "${words}" and goes ${way}`, () => {
      assert.equal(typeWords(type), words);
      assert.equal(direction(type), way);
    });
  }
});

test("the moment is the earliest that anybody knows of", () => {
  assert.equal(moment({ published_at: 1, detected_at: 2, received_at: 3 }), 1);
  assert.equal(moment({ published_at: null, detected_at: 2, received_at: 3 }), 2);
  assert.equal(moment({ published_at: null, detected_at: null, received_at: 3 }), 3);
});

test("an announcement without a title says so, and markup in one stays text", () => {
  assert.equal(titleText({ title: "" }), "(without a title)");
  assert.equal(titleText({ title: "<b>x</b>" }), "<b>x</b>");
});
