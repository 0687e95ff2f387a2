// Many feeds over one WebSocket, the server's stream. Each feed gets what looks like a socket of its own (`Line`); the
// server has equal views of a connection once, so several lines may share one of its subscriptions.

import { delay } from "./reconnect.js";
import { Feed, serverNow, SOCKETS } from "./socket.js";
import { pageTicket } from "./ticket.js";

const ANSWER_MS = 10_000; // for the handshake and a pong
const COST = 4096; // characters of a message that count as one more
const FRAMES = new Set(["snapshot", "delta", "events", "status", "heartbeat", "notice"]);

/** The end of a feed in a stream: the members of a WebSocket that Feed uses. */
class Line {
  readyState = 0;

  constructor(stream, path, params, resume) {
    Object.assign(this, { stream, path, params, resume });
    stream.enter(this);
  }

  send(text) {
    const { action, ...changes } = JSON.parse(text);
    if (action === "ping") this.hear({ type: "pong", ts: serverNow() });
    else if (action === "resync") this.stream.restart(this.subscription);
    else if (action === "export") this.stream.ask("export", { subscription: this.subscription.id, format: "csv" }, (frame) => this.hear(frame));
    else this.stream.change(this, changes);
  }

  close() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.stream.leave(this);
  }

  hear(frame) {
    queueMicrotask(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(frame) }));
  }

  /** The line has ended; `error` is the frame that says why. */
  end(code, error) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    if (error) this.onmessage?.({ data: JSON.stringify(error) });
    this.onclose?.({ code });
  }
}

/** The close code by which a feed's own socket would end after this error. */
function codeOf({ code, retry }) {
  if (retry) return code === "too_many_queries" || code === "too_many_datasets" ? 4413 : 1013;
  return code === "unknown_coin" || code === "unknown_currency" ? 4404 : code === "forbidden_channel" ? 4405 : 4400;
}

export class Stream {
  #lines = new Set();
  #subscriptions = new Map(); // id -> { id, path, params, lines, awaited, leaving }
  #answers = new Map(); // id of a message -> what takes its answer
  #queue = [];
  #messages = 0;
  #socket = null;
  #open = false;
  #attempt = 0;
  #againAt = 0;

  /** Options as of a Feed. */
  constructor({ server = globalThis.location?.href, key, ticket, WebSocket, random = Math.random } = {}) {
    if (!server) throw new TypeError("server is missing: the address of a Spot server, such as https://spot.example.org.");
    if (key && globalThis.document) throw new TypeError("key is for programs: a page gets a ticket from its own server.");
    Object.assign(this, { server, key, ticket: ticket ?? (key ? undefined : pageTicket(server)), WebSocket, random });
  }

  /** A feed over this stream. The connection opens with the first feed that is opened, and ends with the last. */
  feed(path, params = {}, options = {}) {
    return new Feed(path, params, { ...options, server: this.server, random: this.random, stream: this });
  }

  /** The part of the connection that is for one feed. */
  line(path, params, resume) {
    return new Line(this, path, params, resume);
  }

  /** Ends the connection. Feeds that are still open connect again: close them first. */
  close() {
    this.#lost(1000);
  }

  // --- what lines call ------------------------------------------------------------------------------------------------

  enter(line) {
    this.#lines.add(line);
    if (this.#open) queueMicrotask(() => this.#admit(line));
    else if (!this.#socket && !this.timer) this.timer = setTimeout(() => this.#dial(), Math.max(0, this.#againAt - Date.now()));
  }

  leave(line) {
    this.#lines.delete(line);
    if (line.subscription) this.#remove(line, line.subscription);
    if (!this.#lines.size) this.#hangUp();
  }

  restart(subscription) {
    if (!subscription || subscription.awaited || subscription.leaving) return;
    this.#unsubscribe(subscription, true);
    this.#subscribe(subscription);
  }

  /** Changes the parameters of a line's view: of its subscription if no other line has it, else of one of its own. */
  change(line, changes) {
    const { subscription } = line;
    const params = Object.fromEntries(Object.entries({ ...subscription.params, ...changes }).filter(([, value]) => value !== null));
    const move = () => this.#subscribe(this.#make(line, line.path, params, subscription));
    if (subscription.lines.size > 1) return move();
    this.ask("update", { subscription: subscription.id, params: changes }, (frame) => {
      if (frame.type === "ack") subscription.params = params;
      else if (!frame.field && !frame.retry && line.readyState === 1) move(); // another line has a view like this one
      else line.hear(frame);
    });
  }

  /** Sends a message; `take` gets its answer. */
  ask(method, fields, take) {
    this.#messages += 1;
    const id = `m${this.#messages}`;
    this.#answers.set(id, take);
    this.#say({ id, method, ...fields });
  }

  // --- subscriptions --------------------------------------------------------------------------------------------------

  #admit(line) {
    if (line.readyState !== 0 || !this.#open) return;
    line.readyState = 1;
    const made = this.#make(line, line.path, line.params, null);
    line.subscription = made;
    this.#subscribe(made, line.resume ?? {});
    line.onopen?.();
  }

  /** A subscription with the lowest id that is free: the server makes frames with equal ids once for all clients. */
  #make(line, path, params, replaces) {
    let id = 1;
    while (this.#subscriptions.has(id)) id += 1;
    const made = { id, path, params, lines: new Set([line]), awaited: false, leaving: 0, replaces };
    this.#subscriptions.set(id, made);
    return made;
  }

  #subscribe(subscription, resume = {}) {
    subscription.awaited = true;
    this.#say({ id: subscription.id, method: "subscribe", channel: subscription.path, params: subscription.params, delta: true, ...resume });
  }

  #unsubscribe(subscription, again = false) {
    subscription.leaving += 1;
    this.ask("unsubscribe", { subscription: subscription.id }, () => {
      subscription.leaving -= 1;
      if (!again) this.#subscriptions.delete(subscription.id);
    });
  }

  #remove(line, subscription) {
    for (const one of this.#subscriptions.values()) {
      if ((one === subscription || one.replaces === subscription) && one.lines.delete(line) && !one.lines.size) this.#unsubscribe(one);
    }
  }

  /** The server has accepted a subscription, or has one like it. */
  #accepted(subscription, { duplicate, subscription: id }) {
    let there = subscription;
    if (duplicate && id !== subscription.id) {
      there = this.#subscriptions.get(id);
      if (!there || there.leaving) return this.#subscribe(subscription);
      this.#subscriptions.delete(subscription.id);
    }
    const { replaces } = subscription;
    subscription.replaces = null;
    for (const line of subscription.lines) {
      if (replaces && replaces !== there && replaces.lines.delete(line) && !replaces.lines.size) this.#unsubscribe(replaces);
      line.subscription = there;
      there.lines.add(line);
    }
    if (there !== subscription) this.restart(there); // its whole page, for the line that has come
  }

  #refused(subscription, error) {
    this.#subscriptions.delete(subscription.id);
    for (const line of subscription.lines) {
      if (subscription.replaces) line.hear(error);
      else {
        this.#lines.delete(line);
        line.end(codeOf(error), error);
      }
    }
    if (!this.#lines.size) this.#hangUp();
  }

  // --- the socket -----------------------------------------------------------------------------------------------------

  async #dial() {
    this.timer = null;
    if (!this.#lines.size || this.#socket) return;
    const Socket = this.WebSocket ?? globalThis.WebSocket;
    const url = new URL(`${SOCKETS}stream`, this.server);
    url.protocol = url.protocol.replace("http", "ws");
    const turn = (this.#socket = {}); // another connection may have begun before the ticket is there
    try {
      if (this.ticket) url.searchParams.set("ticket", await this.ticket());
    } catch {
      if (this.#socket === turn) this.#lost(1006);
      return;
    }
    if (this.#socket !== turn) return;
    const socket = (this.#socket = this.key ? new Socket(url.href, { headers: { "X-API-Key": this.key } }) : new Socket(url.href));
    this.heardAt = Date.now();
    this.checks = setInterval(() => this.#check(), ANSWER_MS / 2);
    socket.onerror = () => {}; // a close follows; `ws` throws an error that nobody listens to
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#lost(code);
  }

  #hear({ id, ...frame }) {
    this.heardAt = Date.now();
    const { type } = frame;
    if (type === "welcome") return this.#welcome(frame);
    if (this.#answers.has(id)) {
      const take = this.#answers.get(id);
      this.#answers.delete(id);
      return take(frame);
    }
    if (type === "error" && id === undefined) {
      this.error = frame;
      return frame.code === "too_many_messages" && this.#lost(4429); // nobody knows which message was not heard
    }
    const subscription = this.#subscriptions.get(id);
    if (!subscription || subscription.leaving) return;
    this.#attempt = 0;
    if (subscription.awaited && (type === "ack" || type === "error")) {
      subscription.awaited = false;
      return type === "ack" ? this.#accepted(subscription, frame) : this.#refused(subscription, frame);
    }
    if (type === "error" && frame.ended) return this.#refused(subscription, frame);
    if (type === "events") return this.restart(subscription); // a page of events is sent anew
    if (type === "error" || FRAMES.has(type)) for (const line of subscription.lines) line.hear(frame);
  }

  #welcome({ messages_per_second: rate }) {
    this.#open = true;
    this.rate = 0.9 * rate; // 0: no limit
    this.tokens = 2 * this.rate;
    this.filledAt = Date.now();
    for (const line of [...this.#lines]) this.#admit(line);
  }

  #check() {
    const silent = Date.now() - this.heardAt;
    if (silent > 2 * ANSWER_MS || (!this.#open && silent > ANSWER_MS)) this.#lost(1006);
    else if (this.#open && silent > ANSWER_MS) this.ask("ping", {}, () => {});
  }

  #say(message) {
    this.#queue.push(JSON.stringify(message));
    this.#flush();
  }

  /** Sends what waits, no faster than the server allows. */
  #flush() {
    clearTimeout(this.sending);
    while (this.#open && this.#queue.length) {
      const now = Date.now();
      this.tokens = Math.min(2 * this.rate, this.tokens + ((now - this.filledAt) / 1000) * this.rate);
      this.filledAt = now;
      if (this.rate && this.tokens < 0) {
        this.sending = setTimeout(() => this.#flush(), Math.ceil((-1000 * this.tokens) / this.rate));
        return;
      }
      this.tokens -= 1 + Math.floor(this.#queue[0].length / COST);
      this.#socket.send(this.#queue.shift());
    }
  }

  #hangUp() {
    clearInterval(this.checks);
    clearTimeout(this.sending);
    clearTimeout(this.timer);
    const socket = this.#socket;
    this.timer = this.#socket = null;
    this.#open = false;
    this.#queue = [];
    this.#answers.clear();
    this.#subscriptions.clear();
    if (!socket?.close) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** The connection has ended: so have all lines. Their feeds come back together, after one random pause. */
  #lost(code) {
    this.#hangUp();
    const pause = delay(this.#attempt, this.random);
    this.#attempt += 1;
    this.#againAt = Date.now() + pause;
    const { error } = this;
    this.error = null;
    const lines = [...this.#lines];
    this.#lines.clear();
    for (const line of lines) line.end(code, error);
  }
}
