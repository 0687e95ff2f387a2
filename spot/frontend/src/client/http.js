// Pages over HTTP: one, several at once, CSV. Unchanged answers are not sent again (ETag), and requests are repeated while
// the server asks for that or cannot be reached.
//
//   const client = new Client({ server: "https://spot.example.org" });
//   const page = await client.get("market", { search: "eth", page_size: 3 });
//   console.log(page.rows, page.age, page.stale);

import { delay } from "./reconnect.js";
import { Feed, serverNow } from "./socket.js";
import { Stream } from "./stream.js";
import { pageTicket } from "./ticket.js";
import { fromSnapshot, records } from "./view.js";

const FEEDS = "/tzone_apis/services/spot/";
const ANSWER_MS = 15_000;
const KEPT = 64; // answers that are kept for their ETag

/** What the client throws. `retry`: whether the same request may succeed later. */
export class SpotError extends Error {
  constructor(message, retry) {
    super(message);
    this.name = this.constructor.name;
    this.retry = retry;
  }
}

/** The server does not answer, or what answers is no Spot server. */
export class Unreachable extends SpotError {
  constructor(message, retry = true) {
    super(message, retry);
  }
}

/** The server refuses a request: `code`, `field`, `allowed`, `status` (of HTTP), `retryAfter` (seconds, or null). */
export class Refused extends SpotError {
  constructor({ code, message, field = null, allowed = null, retry = false }, status, retryAfter = null) {
    super(message, retry);
    Object.assign(this, { code, field, allowed, status, retryAfter });
  }
}

/** A page of a feed. It never changes; `age` and `stale` go on with the clock. */
export class Page {
  constructor(head, rows) {
    this.head = head;
    this.rows = rows;
  }

  /** Seconds since `as_of`, or since `fetched_at`, by the server's clock as far as it is known. */
  get age() {
    return Math.max(0, serverNow() - (this.head.as_of ?? this.head.fetched_at)) / 1000;
  }

  /** Whether the data are too old, as the server says or by the clock since. */
  get stale() {
    return this.head.stale || (this.head.max_age_ms > 0 && this.age * 1000 > this.head.max_age_ms);
  }
}

const seconds = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);
const sleep = (ms) => new Promise((over) => setTimeout(over, ms));

export class Client {
  #kept = new Map(); // address -> { etag, page }

  /**
   * `server`, `key`, `ticket` and `WebSocket` are those of a Feed. `patience`: seconds for which a request is repeated while
   * the server cannot be reached or asks to come back. `fetch` takes the place of the global one.
   */
  constructor({ server = globalThis.location?.href, key, ticket, WebSocket, patience = 30, fetch, random = Math.random } = {}) {
    if (!server) throw new TypeError("server is missing: the address of a Spot server, such as https://spot.example.org.");
    if (key && globalThis.document) throw new TypeError("key is for programs: a page gets a ticket from its own server.");
    Object.assign(this, { server, key, ticket: ticket ?? (key ? undefined : pageTicket(server)), WebSocket, patience, fetch, random });
  }

  /** A feed with a socket of its own, at the same server and with the same key. */
  feed(path, params = {}, options = {}) {
    const { server, key, ticket, WebSocket } = this;
    return new Feed(path, params, { server, key, ticket, WebSocket, ...options });
  }

  /** One socket for many feeds. */
  stream() {
    return new Stream(this);
  }

  /** One page. Throws SpotError. */
  async get(path, params = {}) {
    const url = this.#address(path, { ...params, envelope: 1 });
    const kept = this.#kept.get(url);
    const answer = await this.#ask(url, { headers: kept ? { "If-None-Match": kept.etag } : {} });
    return this.#page(url, kept, answer.status === 304 ? null : await read(answer), answer.headers);
  }

  /** The whole filtered and sorted range as CSV. Throws SpotError. */
  async csv(path, params = {}) {
    return (await this.#ask(this.#address(path, { ...params, format: "csv" }))).text();
  }

  /**
   * Up to 20 views, each `{feed, params}`, in one request: a Page or a Refused for each, in their order. Views of one dataset
   * show the same version of it. Throws SpotError where the request as a whole fails.
   */
  async batch(views) {
    const deadline = Date.now() + this.patience * 1000;
    const answers = [];
    let places = views.map((_, place) => place);
    for (let attempt = 0; ; attempt += 1) {
      const parts = await this.#batch(places.map((place) => views[place]), deadline);
      parts.forEach((part, index) => { answers[places[index]] = part; });
      places = places.filter((place) => answers[place] instanceof Refused && answers[place].retry);
      const pause = delay(attempt, this.random) + 1000 * Math.max(0, ...places.map((place) => answers[place].retryAfter ?? 0));
      if (!places.length || Date.now() + pause > deadline) return answers;
      await sleep(pause);
    }
  }

  // --- requests -------------------------------------------------------------------------------------------------------

  async #batch(views, deadline) {
    const urls = views.map(({ feed, params }) => this.#address(feed, { ...params, envelope: 1 }));
    const kept = urls.map((url) => this.#kept.get(url));
    const asked = views.map(({ feed, params = {} }, index) => ({ feed, params: { ...params, envelope: true }, if_none_match: kept[index]?.etag }));
    const body = JSON.stringify({ views: asked });
    const answer = await this.#ask(this.#address("batch"), { method: "POST", headers: { "Content-Type": "application/json" }, body }, deadline);
    const { views: parts } = await read(answer);
    if (parts?.length !== views.length) throw new Unreachable("The answer is not one of a Spot server.");
    return parts.map((part, index) => {
      const headers = new Headers(part.headers);
      if (part.status !== 200 && part.status !== 304) return new Refused(part.body, part.status, seconds(headers.get("Retry-After")));
      return this.#page(urls[index], kept[index], part.body ?? null, headers);
    });
  }

  #address(path, params = {}) {
    const url = new URL(FEEDS + path, this.server);
    for (const [name, value] of Object.entries(params)) {
      if (value === null || value === undefined) continue;
      url.searchParams.set(name, typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : value);
    }
    return url.href;
  }

  /** The answer, 200 or 304; asks again while that may help, until the deadline. */
  async #ask(url, { headers = {}, ...request } = {}, deadline = Date.now() + this.patience * 1000) {
    const send = this.fetch ?? globalThis.fetch;
    for (let attempt = 0; ; attempt += 1) {
      const error = await this.#once(send, url, { ...request, headers: this.key ? { ...headers, "X-API-Key": this.key } : headers });
      if (!(error instanceof SpotError)) return error;
      const pause = delay(attempt, this.random) + 1000 * (error.retryAfter ?? 0);
      if (!error.retry || Date.now() + pause > deadline) throw error;
      await sleep(pause);
    }
  }

  /** The answer, or what is wrong with it. The key is for the server that was named: redirects are not followed. */
  async #once(send, url, request) {
    const address = new URL(url);
    let answer;
    try {
      if (this.ticket) address.searchParams.set("ticket", await this.ticket());
      answer = await send(address.href, { ...request, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    } catch (failure) {
      return new Unreachable(`${address.origin} cannot be reached: ${failure.cause?.message || failure.message}.`);
    }
    if (answer.status === 200 || answer.status === 304) return answer;
    const error = await answer.json().catch(() => null);
    if (error?.code) return new Refused(error, answer.status, seconds(answer.headers.get("Retry-After")));
    const redirects = answer.type === "opaqueredirect" || (answer.status >= 300 && answer.status < 400);
    if (redirects) return new Unreachable("The server redirects. Use the address that it redirects to.", false);
    return new Unreachable(`The answer is HTTP ${answer.status}, without the reason that a Spot server gives.`, answer.status >= 500);
  }

  /** The page of an answer; without a body, the one that was kept. */
  #page(url, kept, body, headers) {
    const page = body === null && kept ? kept.page : pageOf(body);
    const etag = headers.get("ETag") ?? kept?.etag;
    this.#kept.delete(url);
    if (etag) this.#kept.set(url, { etag, page });
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return new Page({ ...page.head, stale: headers.get("X-Spot-Stale") === "true" }, page.rows);
  }
}

async function read(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Unreachable("The answer is not one of a Spot server.");
  }
}

function pageOf(body) {
  const { data, ...head } = body ?? {};
  if (!data) throw new Unreachable("The answer is not one of a Spot server.");
  return new Page(head, records(fromSnapshot(data)));
}
