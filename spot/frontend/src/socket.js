// The client of a feed: one socket that speaks the envelope with deltas, and comes back by itself.
//
//   const feed = new Feed("market", { vs_currency: "usd", page_size: 25 });
//   feed.addEventListener("frame", ({ detail }) => draw(feed.view, detail.changes));
//   feed.addEventListener("state", () => show(feed.condition()));
//   feed.open();
//   feed.update({ search: "eth", page: null });     // null clears
//
// Events: "frame" (the view changed), "state" (the condition may have changed), "notice", "refusal", "export".

import { applyDelta, fromSnapshot, Gap } from "./view.js";
import { closing, delay } from "./reconnect.js";

export const SOCKETS = "/tzone_apis/services/spot/ws/";

const SILENCE_MS = 40_000; // the server sends a heartbeat every 30 s
const ANSWER_MS = 10_000; // for the handshake, a pong, or the snapshot after a resync
const CHECK_MS = 5_000;

let clockOffset = 0; // server time minus ours, learned from pongs

/** Now by the server's clock, so that a wrong clock here does not age the data. */
export function serverNow() {
  return Date.now() + clockOffset;
}

function socketUrl(path, params) {
  const url = new URL(SOCKETS + path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const query = { ...params, envelope: 1, delta: 1 };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}

export class Feed extends EventTarget {
  constructor(path, params = {}, { random = Math.random } = {}) {
    super();
    this.path = path;
    this.params = { ...params }; // what we want
    this.accepted = { ...params }; // what the server last answered with data for
    this.view = null; // rows in order, see view.js
    this.head = null; // the newest frame without its rows: as_of, source, total, page, ...
    this.status = null; // the newest status frame since the last data
    this.reason = ""; // why there is no connection
    this.link = "closed"; // closed, connecting, open, waiting (to reconnect), refused
    this.retryAt = null;
    this.random = random;
    this.attempt = 0;
  }

  open() {
    if (this.link !== "closed") return;
    this.checks = setInterval(() => this.#check(), CHECK_MS);
    this.#connect();
  }

  close() {
    clearInterval(this.checks);
    clearTimeout(this.retryTimer);
    this.#abandon();
    this.#become("closed");
  }

  /** Try again now instead of when the delay is over. */
  retry() {
    if (this.link !== "waiting" && this.link !== "refused") return;
    clearTimeout(this.retryTimer);
    this.#connect();
  }

  /** Changes the parameters that are named; null clears one. Takes effect at once, or with the next connection. */
  update(changes) {
    const news = Object.entries(changes).filter(([name, value]) => (this.params[name] ?? null) !== value);
    if (!news.length) return false;
    for (const [name, value] of news) {
      if (value === null) delete this.params[name];
      else this.params[name] = value;
    }
    if (this.link === "refused") this.retry();
    else this.#send(Object.fromEntries(news));
    return true;
  }

  export() {
    return this.#send({ action: "export", format: "csv" });
  }

  /** Whether the newest data are older than they may be, by the server's word or by our own clock. */
  isStale(now = serverNow()) {
    if (!this.head) return false;
    const { stale, as_of, fetched_at, max_age_ms } = this.head;
    return Boolean(stale) || (max_age_ms > 0 && now - (as_of ?? fetched_at) > max_age_ms);
  }

  /** The state in one word, for badges and panels, with the seconds to the next try and a sentence where there is one. */
  condition(now = Date.now()) {
    if (this.link === "refused") return { name: "refused", reason: this.reason };
    if (this.link === "waiting") {
      const name = globalThis.navigator?.onLine === false ? "offline" : "reconnecting";
      return { name, reason: this.reason, seconds: Math.max(0, Math.ceil((this.retryAt - now) / 1000)) };
    }
    if (this.link !== "open") return { name: this.attempt ? "reconnecting" : "connecting", reason: this.reason, seconds: 0 };
    if (!this.view) return this.#conditionWithoutData();
    if (this.isStale(now + clockOffset)) return { name: "stale", reason: this.status?.reason ?? "" };
    return { name: this.head.simulated ? "demo" : "live", reason: "" };
  }

  #conditionWithoutData() {
    const { state, reason, next_try_ms } = this.status ?? { state: "connecting" };
    if (state !== "unavailable") return { name: state === "connecting" ? state : "waiting", reason: reason ?? "" };
    return { name: "unavailable", reason: reason ?? "", nextTry: next_try_ms ?? null };
  }

  #connect() {
    this.#abandon();
    this.#become("connecting");
    const socket = new WebSocket(socketUrl(this.path, this.params));
    this.socket = socket;
    this.dialledAt = Date.now();
    this.seq = null; // nothing may be applied before the first snapshot
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#heard(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
  }

  /** Forgets the socket without waiting for its closing handshake, which a dead peer never answers. */
  #abandon() {
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  #become(link) {
    this.link = link;
    emit(this, "state");
  }

  #send(message) {
    if (this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  #opened() {
    this.heardAt = Date.now();
    this.#become("open");
    this.#ping();
  }

  #ping() {
    this.pingedAt = Date.now();
    this.#send({ action: "ping" });
  }

  #lost(code) {
    this.#abandon();
    const { final, reason } = closing(code);
    this.reason = final && this.refusal ? this.refusal : reason;
    this.refusal = null;
    if (final) return this.#become("refused");
    const pause = delay(this.attempt, this.random);
    this.attempt += 1;
    this.retryAt = Date.now() + pause;
    this.retryTimer = setTimeout(() => this.#connect(), pause);
    this.#become("waiting");
  }

  /** Notices a connection that never opens, one that looks open and is not, and a resync that was never answered. */
  #check() {
    if (this.link === "connecting" && Date.now() - this.dialledAt > ANSWER_MS) return this.#lost(1006);
    if (this.link !== "open") return;
    const silent = Date.now() - this.heardAt;
    const unanswered = this.pingedAt > this.heardAt && Date.now() - this.pingedAt > ANSWER_MS;
    const unsynced = this.resyncAt && Date.now() - this.resyncAt > ANSWER_MS;
    if (unanswered || unsynced) this.#lost(1006);
    else if (silent > SILENCE_MS && !(this.pingedAt > this.heardAt)) this.#ping();
  }

  /** Asks a connection that may have died unseen, say while the machine slept, whether it lives. */
  probe() {
    if (this.link === "waiting") this.retry();
    else if (this.link === "open" && Date.now() - this.heardAt > CHECK_MS) this.#ping();
  }

  #heard(frame) {
    this.heardAt = Date.now();
    switch (frame.type) {
      case "snapshot": return this.#snapshot(frame);
      case "delta": return this.#delta(frame);
      case "status": return this.#statusFrame(frame);
      case "heartbeat": return this.#heartbeat(frame);
      case "pong": return this.#pong(frame);
      case "error": return this.#error(frame);
      case "notice":
      case "export": return emit(this, frame.type, frame);
    }
  }

  #snapshot({ data, ...head }) {
    this.view = fromSnapshot(data);
    this.resyncAt = null;
    this.#took(head, new Map(), true);
  }

  #delta({ changed, entered, left, order, base, ...head }) {
    if (this.resyncAt) return;
    try {
      if (base !== this.seq || !this.view) throw new Gap(`delta on ${base}, we have ${this.seq}`);
      const changes = applyDelta(this.view, { changed, entered, left, order });
      this.#took({ ...head, params: this.head.params }, changes, false);
    } catch (error) {
      if (!(error instanceof Gap)) throw error;
      this.resyncAt = Date.now();
      this.#send({ action: "resync" });
    }
  }

  #took(head, changes, whole) {
    this.head = head;
    this.seq = head.seq;
    this.status = null;
    this.attempt = 0;
    if (whole) this.accepted = { ...this.params };
    emit(this, "frame", { changes, whole });
    emit(this, "state");
  }

  #statusFrame(frame) {
    this.status = frame;
    if (this.head) this.#age(frame, frame.state === "stale" || frame.state === "unavailable");
    emit(this, "state");
  }

  #heartbeat(frame) {
    if (this.head) this.#age(frame, frame.stale);
    emit(this, "state");
  }

  #age({ as_of, fetched_at }, stale) {
    this.head = { ...this.head, stale, as_of: as_of ?? this.head.as_of, fetched_at: fetched_at ?? this.head.fetched_at };
  }

  #pong({ ts }) {
    const now = Date.now();
    if (now - this.pingedAt < 2_000) clockOffset = ts - (this.pingedAt + now) / 2;
  }

  /** The server keeps its previous state after a refusal, so we go back to it too. */
  #error(frame) {
    const { field } = frame;
    if (field in this.params || field in this.accepted) {
      if (field in this.accepted) this.params[field] = this.accepted[field];
      else delete this.params[field];
    }
    this.refusal = frame.message;
    emit(this, "refusal", frame);
  }
}
