// Evaluates the visitor's rules on feeds of its own, also while the tab is hidden. Of several tabs one does it.

import { Feed, serverNow } from "../client/socket.js";
import { settings } from "../page/settings.js";
import { START, step } from "./conditions.js";
import { answerOf, conditionOf, isMembership, isRule, MOST, questions, signature } from "./rules.js";

const RULES = "alerts";
const STATES = "alerts.states";
const LOG = "alerts.log";
const LOCK = "spot:alerts";
const SAVE_MS = 5_000;
const CONTINUES_MS = 120_000; // a page that opens within this time goes on where the last one was
const LOGGED = 50;

/** The stored rules and what fired; "change" when either has changed, here or in another tab. */
export class Alerts extends EventTarget {
  constructor(store = settings) {
    super();
    this.store = store;
    store.addEventListener("change", ({ detail: { name } }) => {
      if (name === RULES || name === LOG || name === null) this.dispatchEvent(new Event("change"));
    });
  }

  get rules() {
    const rules = this.store.get(RULES, []);
    return Array.isArray(rules) ? rules.filter(isRule).slice(0, MOST) : [];
  }

  /** What fired, newest first: [{id, rule, text, at}]. */
  get log() {
    const log = this.store.get(LOG, []);
    return Array.isArray(log) ? log.filter((entry) => typeof entry?.text === "string" && Number.isFinite(entry?.at)) : [];
  }

  /** Whether there was room for it. */
  add(rule) {
    const { rules } = this;
    if (rules.length >= MOST) return false;
    this.#save([...rules, rule]);
    return true;
  }

  remove(id) {
    this.#save(this.rules.filter((rule) => rule.id !== id));
  }

  pause(id, paused) {
    this.#save(this.rules.map((rule) => (rule.id === id ? { ...rule, paused } : rule)));
  }

  record(entry) {
    this.store.set(LOG, [entry, ...this.log].slice(0, LOGGED));
  }

  #save(rules) {
    this.store.set(RULES, rules.length ? rules : null);
  }
}

/** Opens the feeds of the rules and steps them. `fired(rule, firing, row, simulated)` is called for what fires. */
export class Watcher {
  constructor(alerts, fired, { makeFeed = (path, params) => new Feed(path, params, { always: true }), now = serverNow } = {}) {
    Object.assign(this, { alerts, fired, makeFeed, now });
    this.feeds = new Map(); // name -> {feed, rules, rows}
    this.states = this.#stored();
  }

  /** Watches the rules as they are now. */
  follow() {
    const asked = questions(this.alerts.rules.filter(({ paused }) => !paused));
    const live = new Map([...asked.values()].flatMap(({ rules }) => rules).map((rule) => [rule.id, signature(rule)]));
    for (const [id, { signed }] of this.states) if (live.get(id) !== signed) this.states.delete(id); // it begins anew
    for (const [name, { feed }] of this.feeds) {
      if (asked.has(name)) continue;
      feed.close();
      this.feeds.delete(name);
    }
    for (const [name, { path, params, rules }] of asked) this.#ask(name, path, params, rules);
  }

  close() {
    this.save();
    for (const { feed } of this.feeds.values()) feed.close();
    this.feeds.clear();
  }

  /** Stores where each row stands, for the next page. */
  save() {
    this.savedAt = this.now();
    const states = Object.fromEntries(this.states);
    this.alerts.store.set(STATES, this.states.size ? { at: this.savedAt, states } : null);
  }

  #stored() {
    const { at, states } = this.alerts.store.get(STATES, {}) ?? {};
    const age = this.now() - at;
    return new Map(age >= 0 && age < CONTINUES_MS && states && typeof states === "object" ? Object.entries(states) : []);
  }

  #ask(name, path, params, rules) {
    const known = this.feeds.get(name);
    if (known) {
      known.rules = rules;
      if (!known.feed.update(params) && known.feed.view) this.#answer(known);
      return;
    }
    const entry = { feed: this.makeFeed(path, params), rules, rows: new Map() };
    this.feeds.set(name, entry);
    entry.feed.addEventListener("frame", () => this.#answer(entry));
    entry.feed.open();
  }

  #answer(entry) {
    const { feed, rules } = entry;
    const rows = namedRows(feed.view);
    for (const rule of rules) {
      if (rule.coin && !feed.view.rows.has(rule.coin.id)) continue; // the answer to another question, or not there yet
      const before = this.states.get(rule.id)?.state ?? START;
      const { state, firings } = step(conditionOf(rule), before, answerOf(rule, feed, this.now()));
      this.states.set(rule.id, { signed: signature(rule), state });
      for (const firing of firings) this.fired(rule, firing, rows.get(firing.key) ?? entry.rows.get(firing.key) ?? { name: firing.key }, feed.head.simulated);
      if (firings.length) this.save();
    }
    for (const rule of rules) if (isMembership(rule)) entry.rows = new Map([...entry.rows, ...rows].slice(-1000));
    if (!(this.now() - this.savedAt < SAVE_MS)) this.save();
  }
}

/** Name and price of each row, by id. */
function namedRows({ keys, rows, headers }) {
  if (!headers) return rows;
  const [name, price] = [headers.indexOf("Name"), headers.indexOf("Price")];
  return new Map(keys.map((key) => [key, { name: rows.get(key)[name], price: rows.get(key)[price] }]));
}

/** Calls `lead()` in one tab of the browser at a time; what it returns is called when the tab no longer leads. Returns the end of it. */
export function inOneTab(lead) {
  const { locks } = globalThis.navigator ?? {};
  if (!locks) return lead(); // a page without TLS: every tab watches, and the log tells repetitions
  const abort = new AbortController();
  let end = () => abort.abort();
  const turn = () => new Promise((resolve) => {
    const stop = lead();
    end = () => {
      stop();
      resolve();
    };
  });
  locks.request(LOCK, { signal: abort.signal }, turn).catch(() => {}); // aborted while it waited
  return () => end();
}
