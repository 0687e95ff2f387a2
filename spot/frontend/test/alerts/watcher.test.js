import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Alerts, Watcher } from "../../src/alerts/watcher.js";
import { Settings } from "../../src/page/settings.js";

const rule = { id: "1", kind: "above", coin: { id: "bitcoin", symbol: "BTC", name: "Bitcoin" }, currency: "usd", value: 100, hysteresis: 0, cooldown: 0, simulated: false };
const entering = { id: "2", kind: "enters", filter: { filters: null, search: "x", words: "“x”" }, currency: "usd", hysteresis: 0, cooldown: 0 };

class FakeFeed extends EventTarget {
  constructor(path, params) {
    super();
    Object.assign(this, { path, params, view: null, head: null, link: "closed", updates: [] });
  }

  open() {
    this.link = "open";
  }

  close() {
    this.link = "closed";
  }

  update(params) {
    this.updates.push(params);
    return JSON.stringify(params) !== JSON.stringify(this.params);
  }

  say(rows, head = {}) {
    this.view = { keys: Object.keys(rows), rows: new Map(Object.entries(rows)), headers: null };
    this.head = { source: "acme", simulated: false, ...head };
    this.dispatchEvent(new Event("frame"));
  }
}

function setUp(rules, map = new Map()) {
  const storage = { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
  const alerts = new Alerts(new Settings(storage, new EventTarget()));
  for (const one of rules) alerts.add(one);
  const feeds = [];
  const fired = [];
  let time = 1_000_000;
  const watcher = new Watcher(alerts, (...parts) => fired.push(parts), {
    makeFeed: (path, params) => feeds[feeds.push(new FakeFeed(path, params)) - 1],
    now: () => time,
  });
  watcher.follow();
  return { alerts, feeds, fired, watcher, map, wait: (ms) => (time += ms) };
}

describe("the watcher", () => {
  test("fires for a crossing, with the row", () => {
    const { feeds: [feed], fired } = setUp([rule]);
    assert.deepEqual([feed.path, feed.params.coin_ids, feed.link], ["ticker-tape", "bitcoin", "open"]);
    feed.say({ bitcoin: { price: 99 } });
    feed.say({ bitcoin: { price: 101 } });
    assert.deepEqual(fired.map(([{ id }, { event }, { price }]) => [id, event, price]), [["1", "above", 101]]);
  });

  test("tells a coin that enters, once two answers agree", () => {
    const { feeds: [feed], fired } = setUp([entering]);
    feed.say({ a: { name: "A" } });
    feed.say({ a: { name: "A" }, b: { name: "B" } });
    assert.equal(fired.length, 0);
    feed.say({ a: { name: "A" }, b: { name: "B" } });
    assert.deepEqual(fired.map(([, { key }, { name }]) => [key, name]), [["b", "B"]]);
  });

  test("opens nothing for a paused rule, and begins anew when it goes on", () => {
    const { alerts, feeds, fired, watcher } = setUp([rule]);
    feeds[0].say({ bitcoin: { price: 99 } });
    alerts.pause("1", true);
    watcher.follow();
    assert.equal(feeds[0].link, "closed");
    alerts.pause("1", false);
    watcher.follow();
    feeds[1].say({ bitcoin: { price: 101 } });
    assert.equal(fired.length, 0);
  });

  test("goes on on the next page where this one was, but not a day later", () => {
    for (const [pause, count] of [[30_000, 1], [86_400_000, 0]]) {
      const first = setUp([rule]);
      first.feeds[0].say({ bitcoin: { price: 99 } });
      first.watcher.close();
      const next = setUp([], first.map);
      next.wait(pause);
      const watcher = new Watcher(next.alerts, (...parts) => next.fired.push(parts), { makeFeed: (path, params) => next.feeds[next.feeds.push(new FakeFeed(path, params)) - 1], now: () => 1_000_000 + pause });
      watcher.follow();
      next.feeds.at(-1).say({ bitcoin: { price: 101 } });
      assert.equal(next.fired.length, count);
    }
  });

  test("leaves a coin alone whose row has not come yet, and reads nonsense in the store as nothing", () => {
    const { feeds: [feed], fired, watcher } = setUp([rule]);
    feed.say({});
    watcher.save();
    const odd = setUp([], new Map([["spot:alerts", '[{"kind":1},null,5]'], ["spot:alerts.states", '"x"'], ["spot:alerts.log", "7"]]));
    assert.deepEqual([odd.alerts.rules, odd.alerts.log, odd.feeds.length, fired.length], [[], [], 0, 0]);
  });
});
