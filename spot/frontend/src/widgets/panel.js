// The base of every panel: its frame on the page, its feeds, its states, and the line with the age of its data.

import { Feed, serverNow } from "../client/socket.js";
import { merge } from "../client/view.js";
import { age, clock, numbers } from "../data/format.js";
import { paceOf, sentence } from "../data/state.js";
import * as address from "../page/address.js";
import { page } from "../page/page.js";
import { el, setAttribute, setText } from "./dom.js";
import { showSource, sourceLink } from "./source.js";

// From best to worst; the state of a panel is the worst of its feeds.
const CONDITIONS = ["live", "demo", "stale", "connecting", "waiting", "unavailable", "reconnecting", "offline", "refused"];
const FLASH_MS = 5_000; // a change that waited longer for its drawing does not flash

export function worst(conditions) {
  return conditions.reduce((a, b) => (CONDITIONS.indexOf(b.name) > CONDITIONS.indexOf(a.name) ? b : a));
}

/** The message of a panel without data, as [headline, explanation]. */
function explained(condition, nothing) {
  const retry = condition.seconds ? `Trying again in ${condition.seconds} s.` : "";
  switch (condition.name) {
    case "refused": return ["Not available", sentence(condition.reason).replace(/ Currencies: .*/, "")];
    case "offline": return ["You are offline", "This fills in when the network is back."];
    case "reconnecting": return ["No connection", `${sentence(condition.reason || "The server does not answer")} ${retry}`];
    case "unavailable": return [nothing, trouble(condition)];
    case "waiting": return ["Waiting for the first data", trouble(condition)];
    default: return ["Loading…", ""];
  }
}

/** Why data are missing or old, and when they are fetched next. */
function trouble({ reason, nextTry }) {
  const wait = nextTry ? nextTry - serverNow() : null;
  const next = wait === null ? "" : wait > 1000 ? ` Next try in ${age(wait)}.` : " Trying again now.";
  return (sentence(reason) + next).trim();
}

/** The streams that update prices between two polls. */
function showStreams(place, streams, now) {
  while (place.children.length > streams.length) place.lastChild.remove();
  while (place.children.length < streams.length) place.append(el("span", {}, el("span"), sourceLink(), el("span")));
  for (const [index, { coins, label, url, as_of }] of streams.entries()) {
    const [before, link, after] = place.children[index].children;
    setText(before, `${coins} ${coins === 1 ? "price" : "prices"} streamed by `);
    showSource(link, label, url);
    setText(after, `, ${age(now - as_of)} ago`);
  }
}

/** Subclasses give `heading`, `build(body, controls)`, `openFeeds()` and `draw(feed, changes)`. */
export class Panel extends HTMLElement {
  nothing = "No data";
  aside = false; // whether the page's state ignores this panel

  connectedCallback() {
    this.abort = new AbortController();
    if (!this.body) this.#assemble();
    this.pending = new Map();
    this.feeds = this.openFeeds();
    for (const feed of this.feeds) this.#follow(feed);
    const signal = this.abort.signal;
    page.addEventListener("second", () => this.#showState(), { signal });
    page.addEventListener("currency", () => this.onCurrency(), { signal });
    page.addEventListener("locale", () => this.onLocale(), { signal });
    page.addEventListener("pause", () => this.#showState(), { signal });
    address.onWalk(() => this.onWalk(), signal);
    this.#showState();
  }

  disconnectedCallback() {
    this.abort.abort();
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    for (const feed of this.feeds) feed.close();
  }

  /** The interval in which a feed's data are renewed, in milliseconds. */
  pace(feed) {
    return feed.head ? paceOf(feed.head) : 0;
  }

  /** A feed in the page's currency. */
  feed(path, params) {
    return new Feed(path, { vs_currency: page.currency, ...params });
  }

  onCurrency() {
    for (const feed of this.feeds) this.ask(feed, { vs_currency: page.currency });
  }

  /** The locale or the time zone has changed. */
  onLocale() {
    this.redraw();
    this.#showState();
  }

  /** The visitor has gone back or forward: the address may have other parameters. */
  onWalk() {}

  /** Changes a feed's parameters; the panel is marked busy until the answer comes. */
  ask(feed, changes) {
    if (feed.update(changes)) this.setAttribute("aria-busy", "true");
  }

  /** Draws again with the same data, after a choice that needs no others. */
  redraw() {
    for (const feed of this.feeds) if (feed.view && !this.pending.has(feed)) this.pending.set(feed, new Map());
    this.#schedule();
  }

  #assemble() {
    this.classList.add("panel");
    const controls = el("div", { class: "panel-controls" });
    this.body = el("div", { class: "panel-body" });
    this.message = el("div", { class: "panel-message", hidden: true });
    this.problem = el("p", { class: "panel-problem", role: "status", hidden: true });
    this.foot = this.#footer();
    this.replaceChildren(
      el("header", { class: "panel-head" }, el("h2", {}, this.heading), controls),
      this.problem,
      el("div", { class: "panel-stage" }, this.body, this.message),
      this.foot.line,
    );
    this.build(this.body, controls);
  }

  #footer() {
    const part = (name) => el("span", { class: `foot-${name}` });
    const parts = { tag: el("span", { class: "tag" }), source: sourceLink("foot-source"), time: el("time"), age: part("age"), streams: part("streams"), why: part("why") };
    parts.line = el("footer", { class: "panel-foot" }, ...Object.values(parts));
    return parts;
  }

  #follow(feed) {
    const signal = this.abort.signal;
    page.follow(feed, signal, { aside: this.aside, pace: () => this.pace(feed) });
    feed.addEventListener("frame", ({ detail }) => this.#collect(feed, detail), { signal });
    feed.addEventListener("state", () => this.#showState(), { signal });
    feed.addEventListener("refusal", ({ detail }) => this.onRefusal(feed, detail), { signal });
    feed.open();
  }

  onRefusal(feed, { message, code }) {
    this.removeAttribute("aria-busy");
    if (!feed.view) return; // the panel's message shows it
    this.problem.replaceChildren(message, el("small", {}, `Code: ${code}`));
    this.problem.hidden = false;
  }

  /** The pending changes of a feed are null for a whole view: none of its rows flashes. */
  #collect(feed, { changes, whole }) {
    this.removeAttribute("aria-busy");
    this.problem.hidden = true;
    const waiting = this.pending.has(feed) ? this.pending.get(feed) : new Map();
    this.pending.set(feed, whole ? null : merge(waiting, changes));
    this.pendingSince ??= Date.now();
    this.#schedule();
  }

  /** Draws at most once per frame of the screen, not while hidden, and only the newest state. */
  #schedule() {
    if (this.drawing || !this.pending.size) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      const fresh = Date.now() - (this.pendingSince ?? 0) < FLASH_MS;
      const work = this.pending;
      this.pending = new Map();
      this.pendingSince = null;
      for (const [feed, changes] of work) {
        // The currency that the rows are in, which for a moment after a switch is not yet the page's.
        this.numbers = numbers(page.locale, feed.head.params?.vs_currency ?? page.currency);
        this.draw(feed, changes && fresh && !feed.isStale() ? changes : new Map());
      }
    });
  }

  #showState() {
    const conditions = this.feeds.map((feed) => feed.condition());
    const condition = worst(conditions);
    const hasData = this.feeds.some((feed) => feed.view);
    setAttribute(this, "data-state", condition.name);
    setAttribute(this, "data-empty", hasData ? null : "");
    this.message.hidden = hasData;
    if (!hasData) this.#showReason(condition);
    this.#showAge(condition);
  }

  #showReason(condition) {
    const [headline, explanation] = explained(condition, this.nothing);
    if (this.message.dataset.text === headline + explanation) return;
    this.message.dataset.text = headline + explanation;
    const more = ["waiting", "unavailable"].includes(condition.name) ? [el("a", { href: "/status/" }, "Status of the data")] : [];
    this.message.replaceChildren(el("strong", {}, headline), el("span", {}, explanation), ...more);
  }

  /** The line below every panel: time, source and age of its oldest feed. */
  #showAge(condition) {
    const heads = this.feeds.map((feed) => feed.head).filter(Boolean);
    if (!heads.length) return;
    const taken = (head) => head.as_of ?? head.fetched_at;
    const head = heads.reduce((a, b) => (taken(b) < taken(a) ? b : a));
    const now = serverNow();
    showSource(this.foot.source, head.source_label ?? head.source, head.source_url);
    setText(this.foot.time, `as of ${clock(taken(head), now, page.locale, page.timeZone)}`);
    setAttribute(this.foot.time, "datetime", new Date(taken(head)).toISOString());
    setText(this.foot.age, `${age(now - taken(head))} ago`);
    showStreams(this.foot.streams, head.streams ?? [], now);
    setText(this.foot.why, condition.name === "stale" ? trouble(condition) : "");
    const tag = { stale: "Stale", reconnecting: "Not connected", offline: "Not connected", refused: condition.question ? "Not available" : "Not connected" };
    setText(this.foot.tag, page.paused ? "Paused" : (tag[condition.name] ?? (head.simulated ? "Demo" : "")));
  }
}
