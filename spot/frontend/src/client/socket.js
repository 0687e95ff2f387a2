// The client of a feed: one WebSocket that receives the envelope with deltas and reconnects by itself.
//
//   const feed = new Feed("market", { vs_currency: "usd", page_size: 25 });
//   feed.addEventListener("frame", ({ detail }) => draw(feed.view, detail.changes));
//   feed.addEventListener("state", () => show(feed.condition()));
//   feed.open();
//   feed.update({ search: "eth", page: null });     // null clears
//   feed.pause();                                   // the view stands still, and `feed.waiting` counts
//
// Events: "frame" (the view changed), "state" (the condition may have changed), "waiting" (one more update waits),
// "notice", "refusal", "export".

import { isForeign, whyClosed, whyRefused } from "./handshake.js";
import { attend, leave, recovered } from "./presence.js";
import { closing, delay } from "./reconnect.js";
import { pageTicket } from "./ticket.js";
import { applyDelta, copied, fromSnapshot, Gap, merge, records } from "./view.js";

export const SOCKETS = "/tzone_apis/services/spot/ws/";

const SILENCE_MS = 40_000; // the server sends a heartbeat every 30 s
const ANSWER_MS = 10_000; // for the handshake, a pong, or the snapshot after a resync
const CHECK_MS = 5_000;
const UNANSWERED = 2; // tries without an answer, after which another site is requested over HTTP
const FORBIDDEN_MS = 300_000; // between two tries of a page that may not connect
const SIGNED_OUT = 4401; // as if the server had closed the connection
const PROBE_MS = 1_500; // for a pong after the page has become visible again

let clockOffset = 0; // server time minus ours, learned from pongs

/** The time by the server's clock: ages do not depend on the clock of this machine. */
export function serverNow() {
  return Date.now() + clockOffset;
}

function socketUrl(server, path, params) {
  const url = new URL(SOCKETS + path, server);
  url.protocol = url.protocol.replace("http", "ws");
  const query = { ...params, envelope: 1, delta: 1 };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, typeof value === "object" ? JSON.stringify(value) : value);
  return url.href;
}

function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}

export class Feed extends EventTarget {
  /**
   * `server` is any address of the site that serves the feed; without it, that of the page. `WebSocket` takes the place of
   * the global one. `key` is for programs; a page, which cannot send headers, has `ticket`, an async function that gets one.
   * `always`: connected in a hidden tab, too.
   */
  constructor(path, params = {}, { server = globalThis.location?.href, random = Math.random, always = false, WebSocket, key, ticket, stream } = {}) {
    super();
    this.always = always;
    if (!server) throw new TypeError("server is missing: the address of a Spot server, such as https://spot.example.org.");
    if (key && globalThis.document) throw new TypeError("key is for programs: a page gets a ticket from its own server.");
    this.WebSocket = WebSocket;
    this.key = key;
    this.ticket = ticket ?? (key || stream ? undefined : pageTicket(server));
    this.stream = stream;
    this.path = path;
    this.server = server;
    this.params = { ...params }; // as requested
    this.accepted = { ...params }; // those of the server's latest snapshot
    this.view = null; // rows in order, see view.js
    this.head = null; // the frame of the view without its rows: as_of, source, total, page, ...
    this.newest = { view: null, head: null }; // the same as view and head, but while updates wait
    this.paused = false;
    this.waiting = 0; // updates that a pause withholds from the view
    this.status = null; // the newest status frame since the last data
    this.reason = ""; // why there is no connection
    this.link = "closed"; // closed, connecting, open, waiting (to reconnect), resting, refused
    this.retryAt = null;
    this.random = random;
    this.attempt = 0;
    this.crowded = false; // whether the server is at a limit, so that retries are rare
    this.question = false; // whether the parameters were refused, not the connection
    this.opened = false; // whether a connection has ever been opened
  }

  open() {
    if (this.link !== "closed") return;
    this.#watch();
    attend(this);
    this.#connect();
  }

  close() {
    leave(this);
    this.#hangUp();
    this.#become("closed");
  }

  /** Closes the connection until `wake`, as in a tab that has been hidden for a while. The view stays. */
  rest() {
    if (this.link === "closed" || this.link === "resting") return;
    this.#hangUp();
    this.#become("resting");
  }

  /** Reconnects at once after a rest, during a delay or at a full server; checks a connection that is open. */
  wake() {
    if (this.link === "open") return this.#probe();
    if (this.link === "resting") {
      this.attempt = 0;
      this.#watch();
      this.#connect();
    } else this.retry({ refused: false });
  }

  /** Reconnects now instead of at the end of the delay. */
  retry({ refused = true } = {}) {
    if (this.link !== "waiting" && !(refused && this.link === "refused")) return;
    clearTimeout(this.retryTimer);
    this.#connect();
  }

  /** Freezes the view. The connection stays open, so that `resume` shows the newest data at once. */
  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
    if (this.waiting) this.#show();
  }

  /** Changes the named parameters; null clears one. Applies at once, or with the next connection. */
  update(changes) {
    const news = Object.entries(changes).filter(([name, value]) => (this.params[name] ?? null) !== value);
    if (!news.length) return false;
    for (const [name, value] of news) {
      if (value === null) delete this.params[name];
      else this.params[name] = value;
    }
    this.asked = true; // the answer is shown even while paused
    this.another = true;
    if (this.link === "refused" || this.crowded) this.retry();
    else if (this.link === "connecting") Object.assign(this.late, Object.fromEntries(news));
    else this.#send(Object.fromEntries(news));
    return true;
  }

  /** Requests the whole range as CSV, which arrives as an "export" event; false without a connection. */
  export() {
    return this.#send({ action: "export", format: "csv" });
  }

  /** The rows of the view in order, each an object; those of the market table by the names of its columns, with `id`. */
  rows() {
    return this.view ? records(this.view) : [];
  }

  /** Whether the newest data are stale, as the server states or by the clock. */
  isStale(now = serverNow()) {
    const { head } = this.newest;
    if (!head) return false;
    const { stale, as_of, fetched_at, max_age_ms } = head;
    return Boolean(stale) || (max_age_ms > 0 && now - (as_of ?? fetched_at) > max_age_ms);
  }

  /** The state in one word for badges and panels, with the seconds to the next try and a reason, if there are. */
  condition(now = Date.now()) {
    if (this.link === "refused") return { name: "refused", reason: this.reason, code: this.code, question: this.question };
    if (this.link === "waiting") {
      const name = globalThis.navigator?.onLine === false ? "offline" : "reconnecting";
      return { name, reason: this.reason, seconds: Math.max(0, Math.ceil((this.retryAt - now) / 1000)) };
    }
    const { view, head } = this.newest;
    if (this.link !== "open") return { name: this.attempt || view ? "reconnecting" : "connecting", reason: this.reason, seconds: 0 };
    if (!view) return this.#conditionWithoutData();
    if (this.isStale(now + clockOffset)) return { name: "stale", reason: this.status?.reason ?? "", nextTry: this.status?.next_try_ms ?? null };
    return { name: head.simulated ? "demo" : "live", reason: "" };
  }

  #conditionWithoutData() {
    const { state, reason, next_try_ms } = this.status ?? { state: "connecting" };
    if (state !== "unavailable") return { name: state === "connecting" ? state : "waiting", reason: reason ?? "" };
    return { name: "unavailable", reason: reason ?? "", nextTry: next_try_ms ?? null };
  }

  // --- the connection -------------------------------------------------------------------------------------------------

  #connect() {
    this.#abandon();
    this.#become("connecting");
    this.dialledAt = Date.now();
    this.seq = null; // no delta applies before the first snapshot
    this.another = false; // whether the parameters differ from those in the socket's address
    this.late = {}; // changes made while it connects, which its address does not have
    this.crowded = false;
    this.unfit = Boolean(this.resyncAt); // whether the page lacks a change, so that nothing continues from it
    this.resyncAt = null;
    if (!this.ticket) return this.#dial({});
    const turn = (this.turn = {}); // another connection may have begun before the ticket is there
    this.ticket().then((ticket) => this.turn === turn && this.#dial({ ticket }), (error) => this.turn === turn && this.#unserved(error));
  }

  /** There is no ticket: for now, or because nobody is signed in any more. */
  #unserved({ refusal } = {}) {
    if (!refusal) return this.#lost(1006);
    this.refusal = refusal;
    emit(this, "refusal", refusal);
    this.#lost(SIGNED_OUT);
  }

  #dial(more) {
    const socket = (this.socket = this.stream ? this.#lineOf(this.stream) : this.#socketTo(socketUrl(this.server, this.path, { ...this.params, ...more })));
    socket.onerror = () => {}; // a close follows; `ws` throws an error that nobody listens to
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#dispatch(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
  }

  #socketTo(url) {
    const Socket = this.WebSocket ?? WebSocket;
    return this.key ? new Socket(url, { headers: { "X-API-Key": this.key } }) : new Socket(url);
  }

  /** The feed's part of a stream, which goes on after the page that is there if it is the one that is wanted. */
  #lineOf(stream) {
    const { view, head } = this.newest;
    const wanted = JSON.stringify(Object.entries(this.params).sort()) === JSON.stringify(Object.entries(this.accepted).sort());
    if (!view || !wanted || this.unfit) return stream.line(this.path, { ...this.params }, {});
    this.seq = head.seq;
    return stream.line(this.path, { ...this.params }, { since: head.seq, epoch: head.epoch });
  }

  /**
   * Closes the socket without waiting for its closing handshake, which a dead peer never answers. Browsers report a
   * socket that is closed before it opens as an error on the console, so one that still connects is closed once it is open.
   */
  #abandon() {
    clearTimeout(this.probing);
    this.turn = null;
    const { socket } = this;
    if (!socket) return;
    this.socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    const patience = socket.readyState === 0 ? this.dialledAt + ANSWER_MS - Date.now() : 0;
    if (patience <= 0) return socket.close();
    socket.onopen = () => socket.close();
    setTimeout(() => socket.close(), patience);
  }

  #hangUp() {
    clearInterval(this.checks);
    clearTimeout(this.retryTimer);
    this.#abandon();
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
    this.opened = true;
    this.receivedAt = Date.now();
    this.#become("open");
    if (Object.keys(this.late).length) this.#send(this.late);
    this.#ping();
  }

  #ping() {
    this.pingedAt = Date.now();
    this.#send({ action: "ping" });
  }

  #lost(code) {
    this.#abandon();
    const { final, reason, crowded, question } = closing(code);
    Object.assign(this, { crowded, question });
    this.reason = this.refusal && (final || crowded) ? this.refusal.message : reason;
    this.code = this.refusal?.code ?? code;
    this.refusal = null;
    if (final && this.another) return this.#connect();
    if (final) return this.#become("refused");
    const pause = delay(this.attempt, this.random, crowded);
    this.attempt += 1;
    this.retryAt = Date.now() + pause;
    this.retryTimer = setTimeout(() => this.#connect(), pause);
    this.#become("waiting");
    if (!this.opened) this.#explain();
  }

  async #explain() {
    const address = new URL(SOCKETS + this.path, this.server).href;
    if (this.key) return this.#explainKey(await whyRefused(address, this.key));
    const foreign = isForeign(address);
    if (foreign && this.attempt < UNANSWERED) return;
    const reason = await whyClosed(address);
    if (!reason || this.opened || this.link !== "waiting") return;
    this.reason = reason;
    if (foreign) this.#giveUp();
    else emit(this, "state");
  }

  #explainKey(error) {
    if (!error || this.opened || this.link !== "waiting") return;
    clearTimeout(this.retryTimer);
    Object.assign(this, { reason: error.message, code: error.code });
    emit(this, "refusal", error);
    this.#become("refused");
  }

  /** A page of another site that may not connect retries rarely: only the server's operator can change that. */
  #giveUp() {
    clearTimeout(this.retryTimer);
    this.code = "origin";
    this.retryTimer = setTimeout(() => this.retry(), FORBIDDEN_MS);
    this.#become("refused");
  }

  #watch() {
    this.checks = setInterval(() => this.#check(), CHECK_MS);
  }

  /** Replaces a socket that does not open, one that is dead without being closed, and one that ignored a resync. */
  #check() {
    if (this.link === "connecting" && Date.now() - this.dialledAt > ANSWER_MS) return this.#lost(1006);
    if (this.link !== "open") return;
    const silent = Date.now() - this.receivedAt;
    const unanswered = this.pingedAt > this.receivedAt && Date.now() - this.pingedAt > ANSWER_MS;
    const unsynced = this.resyncAt && Date.now() - this.resyncAt > ANSWER_MS;
    if (unanswered || unsynced) this.#lost(1006);
    else if (silent > SILENCE_MS && !(this.pingedAt > this.receivedAt)) this.#ping();
  }

  /** Pings a connection that may be dead, for example after sleep, and replaces it unless the pong comes soon. */
  #probe() {
    const asked = Date.now();
    this.#ping();
    clearTimeout(this.probing);
    this.probing = setTimeout(() => {
      if (this.link !== "open" || this.receivedAt > asked) return;
      this.#lost(1006);
      this.retry();
    }, PROBE_MS);
  }

  // --- frames ---------------------------------------------------------------------------------------------------------

  #dispatch(frame) {
    this.receivedAt = Date.now();
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
    this.newest = { view: fromSnapshot(data), head: this.newest.head };
    this.resyncAt = null;
    this.accepted = { ...this.params };
    this.#accept(head, null);
  }

  #delta({ changed, entered, left, order, base, ...head }) {
    if (this.resyncAt) return;
    try {
      if (base !== this.seq || !this.newest.view) throw new Gap(`delta on ${base}, we have ${this.seq}`);
      if (this.paused && this.newest.view === this.view) this.newest = { ...this.newest, view: copied(this.view) };
      const changes = applyDelta(this.newest.view, { changed, entered, left, order });
      this.#accept({ ...head, params: this.newest.head.params }, changes);
    } catch (error) {
      if (!(error instanceof Gap)) throw error;
      this.resyncAt = Date.now();
      this.#send({ action: "resync" });
    }
  }

  /** Shows an update, or counts it while paused. `changes` is null for a whole view. */
  #accept(head, changes) {
    const cut = this.attempt > 0;
    this.newest.head = head;
    this.seq = head.seq;
    this.status = null;
    this.refusal = null;
    this.attempt = 0;
    this.unshown = changes ? merge(this.unshown, changes) : null;
    const isAnswer = this.asked && !changes;
    if (isAnswer) this.asked = false;
    if (this.paused && this.view && !isAnswer) this.#wait();
    else this.#show();
    emit(this, "state");
    if (cut) recovered(this);
  }

  #wait() {
    this.waiting += 1;
    emit(this, "waiting");
  }

  #show() {
    const detail = { changes: this.unshown ?? new Map(), whole: !this.unshown };
    this.view = this.newest.view;
    this.head = this.newest.head;
    this.unshown = new Map();
    const waited = this.waiting;
    this.waiting = 0;
    emit(this, "frame", detail);
    if (waited) emit(this, "waiting");
  }

  #statusFrame(frame) {
    this.status = frame;
    this.#age(frame, frame.state === "stale" || frame.state === "unavailable");
    emit(this, "state");
  }

  #heartbeat(frame) {
    this.#age(frame, frame.stale);
    emit(this, "state");
  }

  #age({ as_of, fetched_at }, stale) {
    const { view, head } = this.newest;
    if (!head) return;
    this.newest = { view, head: { ...head, stale, as_of: as_of ?? head.as_of, fetched_at: fetched_at ?? head.fetched_at } };
    if (view === this.view) this.head = this.newest.head;
  }

  #pong({ ts }) {
    const now = Date.now();
    if (now - this.pingedAt < 2_000) clockOffset = ts - (this.pingedAt + now) / 2;
  }

  /** After a refusal the server goes on with the parameters that it accepted before, and so does the feed. */
  #error(frame) {
    const { field } = frame;
    if (this.newest.view && (field in this.params || field in this.accepted)) {
      if (field in this.accepted) this.params[field] = this.accepted[field];
      else delete this.params[field];
    }
    this.refusal = frame;
    emit(this, "refusal", frame);
  }
}
