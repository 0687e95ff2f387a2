import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { LEADING, measured, moved, offered, parameters, place, shown, toggled } from "../../src/market/layout.js";

describe("the columns of the market", () => {
  test("follow the width as long as nobody has chosen", () => {
    assert.deepEqual(shown(null, 1200), ["price", "1h", "24h", "7d", "cap", "volume", "chart"]);
    assert.deepEqual(shown(undefined, 360), ["price", "24h"]);
    assert.ok(!shown(null, 900).includes("chart"));
  });

  test("are the chosen ones in their order, at every width", () => {
    assert.deepEqual(shown(["chart", "price", "1y"], 1200), ["chart", "price", "1y"]);
    assert.deepEqual(shown(["chart", "price", "1y"], 360), ["chart", "price", "1y"]);
  });

  test("keep the price, and forget what there is not", () => {
    assert.deepEqual(shown(["cap", "cap", "nonsense", 7, "coin"], 1200), ["price", "cap"]);
    assert.deepEqual(shown("cap", 360), ["price", "24h"]);
    assert.deepEqual(toggled(["price", "cap"], "price"), ["price", "cap"]);
  });

  test("of a phone are kept apart from those of a wide window", () => {
    assert.notEqual(place(360), place(1200));
  });

  test("come and go, and move by one place within their bounds", () => {
    assert.deepEqual(toggled(["price", "cap"], "cap"), ["price"]);
    assert.deepEqual(toggled(["price"], "1y"), ["price", "1y"]);
    assert.deepEqual(toggled(["price", "24h", "cap", "chart"], "30d"), ["price", "24h", "30d", "cap", "chart"]);
    assert.deepEqual(toggled(["chart", "price"], "category"), ["chart", "price", "category"]);
    assert.deepEqual(moved(["price", "24h", "cap"], "cap", -1), ["price", "cap", "24h"]);
    const ids = ["price", "cap"];
    assert.equal(moved(ids, "price", -1), ids);
    assert.equal(moved(ids, "cap", 1), ids);
    assert.equal(moved(ids, "1y", 1), ids);
  });

  test("are all offered, the shown ones first", () => {
    const all = offered(["cap", "price"]);
    assert.deepEqual(all.slice(0, 2), ["cap", "price"]);
    assert.equal(new Set(all).size, 19);
  });

  test("say what the server has to send: the windows, at least one, and whether the week", () => {
    assert.deepEqual(parameters(["chart", "7d", "1h"]), { price_change_percentage: "1h,7d", sparkline: true, columns: null });
    assert.deepEqual(parameters(["price"]), { price_change_percentage: "24h", sparkline: false, columns: null });
    assert.equal(parameters(["rank", "coin", "fdv", "price"]).columns, "market_cap_rank,fully_diluted_valuation");
  });
});

describe("a column", () => {
  test("is as wide whatever its numbers are, until one needs more", () => {
    const { widths, least } = measured(["rank", "coin", "price", "7d"], 1200);
    assert.deepEqual(measured(["rank", "coin", "price", "7d"], 1200, { price: 8 }).widths, widths);
    assert.ok(measured(["rank", "coin", "price", "7d"], 1200, { price: 22 }).widths.price > widths.price);
    assert.equal(least, widths.rank + widths.coin + widths.price + widths["7d"]);
  });

  test("fits a phone with the usual ones beside it", () => {
    assert.ok(measured([...LEADING, ...shown(null, 349)], 349, { price: 10 }).least * 16 <= 349);
  });
});
