import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { numbers } from "../../src/data/format.js";
import { isTimeZone, locale, palette, theme, timeZone, timeZones, wear } from "../../src/page/looks.js";
import { Settings } from "../../src/page/settings.js";

function storage(entries = {}) {
  const map = new Map(Object.entries(entries));
  return {
    map,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => map.set(key, value),
    removeItem: (key) => map.delete(key),
  };
}

function broken() {
  const fail = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };
  return { getItem: () => null, setItem: fail, removeItem: fail };
}

function chosen(entries) {
  const settings = new Settings(storage(), new EventTarget());
  for (const [name, value] of Object.entries(entries)) settings.set(name, value);
  return settings;
}

describe("settings", () => {
  test("keep what JSON can say, each under its own key", () => {
    const place = storage();
    const settings = new Settings(place, new EventTarget());
    settings.set("coins", ["bitcoin", "dogecoin"]);
    assert.deepEqual(settings.get("coins"), ["bitcoin", "dogecoin"]);
    assert.deepEqual([...place.map.keys()], ["spot:coins"]);
    assert.deepEqual(new Settings(place, new EventTarget()).get("coins"), ["bitcoin", "dogecoin"]);
  });

  test("forget what is set to nothing", () => {
    const settings = chosen({ density: "tight" });
    settings.set("density", null);
    assert.equal(settings.get("density", "roomy"), "roomy");
  });

  test("take what is no JSON for nothing", () => {
    const settings = new Settings(storage({ "spot:theme": "dark}" }), new EventTarget());
    assert.equal(settings.get("theme", "system"), "system");
  });

  test("last as long as the page where nothing can be stored", () => {
    for (const place of [null, broken()]) {
      const settings = new Settings(place, new EventTarget());
      settings.set("theme", "dark");
      assert.equal(settings.get("theme"), "dark");
      settings.set("theme", null);
      assert.equal(settings.get("theme", "system"), "system");
    }
  });

  test("tell of changes here and in other tabs, and of nobody else's", () => {
    const window = new EventTarget();
    const settings = new Settings(storage(), window);
    const heard = [];
    settings.addEventListener("change", ({ detail }) => heard.push(detail.name));
    settings.set("theme", "dark");
    for (const key of ["spot:palette", "another", null]) window.dispatchEvent(Object.assign(new Event("storage"), { key }));
    assert.deepEqual(heard, ["theme", "palette", null]);
  });
});

describe("looks", () => {
  test("are the first of each kind until somebody has chosen, or has chosen what there is not", () => {
    for (const entries of [{}, { theme: "sepia", palette: 7 }]) {
      assert.equal(theme(chosen(entries)), "system");
      assert.equal(palette(chosen(entries)), "green-red");
    }
    assert.equal(palette(chosen({ palette: "blue-orange" })), "blue-orange");
  });

  test("take a locale that exists: chosen, else the browser's, else English", () => {
    assert.equal(locale(chosen({ locale: "de-CH" }), "fr-FR"), "de-CH");
    assert.equal(locale(chosen({ locale: "x" }), "fr-FR"), "fr-FR");
    assert.equal(locale(chosen({ locale: 5 }), undefined), "en-US");
  });

  test("write all numbers in the digits that have subscripts", () => {
    assert.equal(locale(chosen({ locale: "ar-EG" })), "ar-EG-u-nu-latn");
    assert.equal(numbers(locale(chosen({ locale: "ar-EG" })), "usd").price(0.00000644).match(/0.*644/)[0], "0.0₅644");
  });

  test("take a time zone that exists, else the system's", () => {
    assert.equal(timeZone(chosen({ timeZone: "Asia/Kolkata" })), "Asia/Kolkata");
    assert.equal(timeZone(chosen({ timeZone: "Mars/Olympus" })), Intl.DateTimeFormat().resolvedOptions().timeZone);
    assert.ok(isTimeZone("UTC"));
    assert.ok(!isTimeZone(""));
  });

  test("name time zones as their cities do today", () => {
    assert.deepEqual(timeZones(["UTC", "Europe/Zurich", "Asia/Calcutta", "Asia/Kolkata"]), ["Asia/Kolkata", "Europe/Zurich"]);
  });

  test("stand on the root: a theme only where it is forced", () => {
    const root = { dataset: { theme: "dark" } };
    wear(chosen({}), root);
    assert.deepEqual(root.dataset, { palette: "green-red" });
    wear(chosen({ theme: "light", palette: "red-green" }), root);
    assert.deepEqual(root.dataset, { theme: "light", palette: "red-green" });
  });
});
