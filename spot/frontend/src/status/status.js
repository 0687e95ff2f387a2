// <spot-status>: sources and ages of the data, and the last changes of source.

import { age, clock, span } from "../data/format.js";
import { sentence } from "../data/state.js";
import { page } from "../page/page.js";
import { explainDemo } from "../shell/demo.js";
import { shortcut } from "../shell/shortcuts.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { showSource, sourceLink } from "../widgets/source.js";
import { brings, dataState, streamState, subject, verdict } from "./words.js";

const FACTS = "/status.json";
const EVERY_MS = 5_000;
const PATIENCE_MS = 10_000;

function badge([words, tone]) {
  return el("span", { class: "badge", "data-state": tone }, words);
}

/** The name of a source, linked to its site. */
function named({ label, url }) {
  if (!label) return "–";
  const link = sourceLink();
  showSource(link, label, url);
  return link;
}

class Status extends HTMLElement {
  connectedCallback() {
    if (this.verdict) return;
    this.verdict = el("p", { class: "status-verdict", role: "status" });
    this.read = el("span", {});
    this.pause = el("button", { type: "button", class: "button", onclick: () => page.setPaused(!page.paused) });
    this.data = this.#section("Data", ["What", "State", "Source", "As of", "Renewed every", "Stale after"]);
    this.streams = this.#section("Streams", ["Source", "Brings", "State", "Since", "Last message"]);
    this.changes = this.#section("Changes of source", ["When", "What", "Before", "Now"]);
    const line = el("p", { class: "status-read" }, this.read, this.pause);
    this.replaceChildren(this.verdict, line, ...[this.data, this.streams, this.changes].map(({ section }) => section));
    this.#problem("Loading…", "waiting");
    shortcut("p", "Pause or resume updates", () => page.setPaused(!page.paused));
    page.addEventListener("pause", () => this.#showPause());
    this.#showPause();
    page.addEventListener("second", () => page.paused || this.#showAges());
    page.addEventListener("locale", () => this.#draw());
    document.addEventListener("visibilitychange", () => this.#ask());
  }

  #section(title, headers) {
    const rows = el("tbody");
    const nothing = el("p", { class: "status-nothing", hidden: true });
    const head = el("tr", {}, ...headers.map((text) => el("th", { scope: "col" }, text)));
    const table = el("table", { class: "status-table" }, el("thead", {}, head), rows);
    const section = el("section", { class: "panel" }, el("header", { class: "panel-head" }, el("h2", {}, title)), table, nothing);
    return { section, table, rows, nothing, headers };
  }

  /** Requests the facts, and again a while after each answer; not in a hidden tab. */
  async #ask() {
    clearTimeout(this.next);
    if (document.hidden || page.paused || this.asking) return;
    this.asking = true;
    try {
      const answer = await fetch(FACTS, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      const facts = await answer.json();
      if (answer.ok) this.#update(facts);
      else this.#problem(facts.message ?? "The server cannot report its status.", "offline");
    } catch {
      this.#problem("The server does not answer", "offline"); // no network, no answer, or not ours
    }
    this.asking = false;
    this.next = setTimeout(() => this.#ask(), EVERY_MS);
  }

  /** While paused nothing on the page changes, including ages. */
  #showPause() {
    setText(this.pause, page.paused ? "Resume updates" : "Pause updates");
    this.pause.classList.toggle("button-on", page.paused);
    this.#ask();
  }

  #update(facts) {
    if (page.paused) return;
    this.facts = facts;
    this.offset = facts.now - Date.now();
    this.#draw();
  }

  #problem(words, tone) {
    this.#judge([words, tone]);
    this.classList.toggle("status-old", tone === "offline");
  }

  #judge([words, tone]) {
    if (this.verdict.textContent !== words) this.verdict.replaceChildren(badge([words, tone]));
    setAttribute(this.verdict.firstChild, "data-state", tone);
  }

  #now() {
    return Date.now() + (this.offset ?? 0);
  }

  #clock(time) {
    return time == null ? "–" : clock(time, this.#now(), page.locale, page.timeZone);
  }

  #draw() {
    if (!this.facts) return;
    const { data, streams, changes, simulated, simulated_because: reason } = this.facts;
    this.classList.remove("status-old");
    this.#judge(verdict(this.facts));
    for (const notice of document.querySelectorAll("[data-demo]")) notice.hidden = !simulated;
    explainDemo(reason);
    this.#fill(this.data, data.map((row) => this.#dataRow(row)), "Nothing has been fetched yet.");
    this.#fill(this.streams, streams.map((row) => this.#streamRow(row)), "No source is streaming: prices come by asking for them at the pace above.");
    this.#fill(this.changes, changes.map((row) => this.#changeRow(row)), "No source has changed lately.");
    this.#showAges();
  }

  #fill({ table, rows, nothing, headers }, lines, otherwise) {
    table.hidden = !lines.length;
    nothing.hidden = Boolean(lines.length);
    setText(nothing, otherwise);
    const cells = (line) => line.map((cell, column) => el("td", { "data-label": headers[column] }, el("span", {}, ...[cell].flat())));
    rows.replaceChildren(...lines.map((line) => el("tr", {}, ...cells(line))));
  }

  /** A time, and how long ago that is, which counts on. */
  #moment(time) {
    if (time == null) return "–";
    const stamp = el("time", { datetime: new Date(time).toISOString() }, this.#clock(time));
    return [stamp, " ", el("span", { class: "status-age", "data-time": time })];
  }

  #dataRow(row) {
    const next = row.next_try > this.#now() ? ` Next try in ${age(row.next_try - this.#now())}.` : "";
    const why = row.reason && row.state !== "live" ? el("small", {}, sentence(row.reason) + next) : "";
    const { as_of: asOf, fetched_at: fetchedAt, interval_ms: pace, max_age_ms: limit } = row;
    return [subject(row), [badge(dataState(row.state)), why], named(row), this.#moment(asOf ?? fetchedAt), span(pace), span(limit)];
  }

  #streamRow({ brings: what, state, since, heard, ...source }) {
    return [named(source), brings(what), badge(streamState(state)), this.#moment(since), this.#moment(heard)];
  }

  #changeRow({ at, before, after, ...row }) {
    return [this.#moment(at), subject({ ...row, block: 1, count: 2 }).replace(/, 2 .*$/, ""), before, after];
  }

  #showAges() {
    const now = this.#now();
    for (const cell of this.querySelectorAll("[data-time]")) setText(cell, `${age(now - Number(cell.dataset.time))} ago`);
    if (this.facts) setText(this.read, `Read ${this.#clock(this.facts.now)}, ${age(now - this.facts.now)} ago`);
  }
}

customElements.define("spot-status", Status);
