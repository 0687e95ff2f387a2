// <spot-console>: a feed and a query by a form, its address and code, and its frames live. The form follows the parameters
// of /docs/openapi.json, so that it has what the server has.

import { CLOSES } from "../client/reconnect.js";
import { withTicket } from "../client/ticket.js";
import { age } from "../data/format.js";
import * as address from "../page/address.js";
import { choice, el, select, setText } from "../widgets/dom.js";
import { copy } from "../widgets/copying.js";
import { formOf } from "./form.js";
import { factsOf, size } from "./frames.js";
import { addresses, feedsOf, FORMS, pairs, problem } from "./question.js";
import { LANGUAGES } from "./snippets.js";

const DOCUMENT = "/docs/openapi.json";
const SHOWN = 30; // frames in the list
const SMALL = { page_size: "5" }; // what a visitor sees first is small
const TYPING_MS = 400; // of rest, after which a change is sent

class Console extends HTMLElement {
  async connectedCallback() {
    if (this.form) return;
    this.form = address.get("form", "plain");
    this.language = "url";
    try {
      const answer = await fetch(DOCUMENT);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.feeds = feedsOf(await answer.json());
    } catch {
      this.replaceChildren(el("p", { class: "notice" }, "The description of the feeds could not be loaded. Reload the page to try again."));
      return;
    }
    this.#build();
    this.#choose(address.get("feed", this.feeds[0].name), new URLSearchParams(location.search));
  }

  disconnectedCallback() {
    this.#close();
  }

  #build() {
    const feeds = this.feeds.map(({ name }) => [name, name]);
    this.feedPicker = select("Feed", feeds, "", (name) => this.#choose(name));
    this.formPicker = choice("Form of the frames", FORMS.map(([key, title]) => [key, title]), this.form, (form) => this.#write(form));
    this.purpose = el("p", { class: "console-purpose" });
    this.fields = el("div");
    this.problem = el("p", { class: "console-problem", role: "alert", hidden: true });
    this.code = el("code");
    this.copying = el("button", { type: "button", class: "button", onclick: () => this.#copy() }, "Copy");
    this.state = el("span", { class: "badge", role: "status", "data-state": "waiting" }, "Not connected");
    this.toggle = el("button", { type: "button", class: "button", onclick: () => this.#pause(!this.paused) }, "Pause");
    this.count = el("span", { class: "console-count" });
    this.list = el("ol", { class: "console-frames" });
    this.frame = el("code");
    this.replaceChildren(
      el("section", { class: "panel", "aria-label": "Query" },
        el("div", { class: "panel-head" }, el("h2", {}, "Query"), el("div", { class: "panel-controls" }, this.feedPicker, this.formPicker)),
        this.purpose, this.fields, this.problem),
      el("section", { class: "panel", "aria-label": "Code" },
        el("div", { class: "panel-head" }, el("h2", {}, "Code"),
          el("div", { class: "panel-controls" }, choice("Language", LANGUAGES.map(([key, title]) => [key, title]), this.language, (key) => this.#speak(key)), this.copying)),
        el("pre", { class: "console-code", tabindex: "0", "aria-label": "Code" }, this.code)),
      el("section", { class: "panel", "aria-label": "Frames" },
        el("div", { class: "panel-head" }, el("h2", {}, "Frames"), this.state, el("div", { class: "panel-controls" }, this.count, this.toggle)),
        this.list,
        el("pre", { class: "console-frame", tabindex: "0", "aria-label": "The frame" }, this.frame)),
    );
  }

  #choose(name, given = null) {
    this.feed = this.feeds.find((feed) => feed.name === name) ?? this.feeds[0];
    this.feedPicker.querySelector("select").value = this.feed.name;
    setText(this.purpose, this.feed.purpose);
    this.values = {};
    for (const { name: field, example } of this.feed.fields) this.values[field] = given?.get(field) ?? SMALL[field] ?? example;
    this.fields.replaceChildren(formOf(this.feed, this.values, () => this.#typed()));
    this.#ask();
  }

  #write(form) {
    this.form = form;
    this.#ask();
  }

  #speak(language) {
    this.language = language;
    this.#showCode();
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.#ask(), TYPING_MS);
  }

  /** Shows the question's address and code, and connects anew. */
  #ask() {
    clearTimeout(this.typing);
    const query = pairs(this.feed, this.values, this.form);
    this.addresses = addresses(this.feed, query, location.origin);
    this.#remember();
    this.#showCode();
    const problems = this.feed.fields.map((field) => problem(field, this.values[field.name] ?? "")).filter(Boolean);
    this.#tell(problems[0] ?? "");
    if (problems.length) this.#close();
    else this.#connect();
  }

  /** The question is in the page's address, so that a link shows it. */
  #remember() {
    const names = this.feeds.flatMap((feed) => feed.fields.map(({ name }) => name));
    const cleared = Object.fromEntries(names.map((name) => [name, null]));
    const form = this.form === FORMS[0][0] ? null : this.form;
    const values = Object.fromEntries(this.feed.fields.map(({ name, default: usual }) => [name, this.values[name] === usual ? null : this.values[name] ?? null]));
    address.set({ ...cleared, ...values, feed: this.feed.name, form }, { step: false });
  }

  #showCode() {
    const [, , write] = LANGUAGES.find(([key]) => key === this.language);
    setText(this.code, write(this.addresses));
  }

  async #copy() {
    setText(this.copying, (await copy(this.code.textContent)) ? "Copied" : "Not allowed");
    setTimeout(() => setText(this.copying, "Copy"), 2000);
  }

  #tell(words) {
    setText(this.problem, words);
    this.problem.hidden = !words;
  }

  // --- frames ---------------------------------------------------------------------------------------------------------

  #connect() {
    this.#close();
    this.list.replaceChildren();
    setText(this.frame, "");
    Object.assign(this, { received: 0, bytes: 0, waiting: 0, chosen: null });
    this.#pause(false);
    this.#become("waiting", "Connecting…");
    const turn = (this.turn = {}); // another question may have been asked before the ticket is there
    withTicket(this.addresses.ws).then((url) => this.turn === turn && this.#dial(url), () => this.turn === turn && this.#ended(4401));
  }

  #dial(url) {
    const socket = (this.socket = new WebSocket(url));
    socket.onopen = () => this.#become("live", "Connected");
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code }) => this.#ended(code);
    this.ages = setInterval(() => this.#showAges(), 1000);
  }

  #close() {
    clearInterval(this.ages);
    this.turn = null;
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    if (socket.readyState === 0) socket.onopen = () => socket.close(); // closing one that connects is an error on the console
    else socket.close();
    this.#become("offline", "Not connected");
  }

  #ended(code) {
    this.socket = null;
    const reason = CLOSES.get(code)?.reason ?? "The connection was lost.";
    this.#become("offline", `Closed (${code})`);
    if (this.problem.hidden) this.#tell(`${reason} Change the query, or reload the page, to connect again.`);
  }

  #become(state, words) {
    this.state.dataset.state = state;
    setText(this.state, words);
  }

  #take(message) {
    const facts = { ...factsOf(message, Date.now()), at: Date.now() };
    this.received += 1;
    this.bytes += facts.bytes;
    if (facts.kind === "error") this.#tell(JSON.parse(message).message);
    if (this.paused) this.waiting += 1;
    else this.#show(facts);
    this.#tellCount();
  }

  /** A frame at the head of the list. The newest one is laid out below, until one is picked. */
  #show(facts) {
    const button = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.#pick(button, facts) },
      el("b", {}, facts.kind), el("span", {}, size(facts.bytes)),
      el("span", { "data-time": facts.at, "data-age": facts.age ?? "" }));
    this.list.prepend(el("li", {}, button));
    while (this.list.children.length > SHOWN) this.list.lastChild.remove();
    if (!this.chosen?.isConnected) this.#lay(button, facts);
    this.#showAges();
  }

  #pick(button, facts) {
    this.chosen = this.chosen === button ? null : button;
    this.#lay(button, facts);
  }

  #lay(button, { text }) {
    for (const other of this.list.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(this.chosen === button));
    setText(this.frame, text);
  }

  #pause(paused) {
    this.paused = paused;
    setText(this.toggle, paused ? "Resume" : "Pause");
    this.toggle.classList.toggle("button-on", paused);
    this.waiting = 0;
    this.#tellCount();
  }

  #tellCount() {
    const { received = 0, bytes = 0, waiting = 0 } = this;
    const held = waiting ? `, ${waiting} not shown` : "";
    setText(this.count, `${received} ${received === 1 ? "frame" : "frames"}, ${size(bytes)}${held}`);
  }

  /** When each frame came, and how old its data were then; while paused nothing changes. */
  #showAges() {
    if (this.paused) return;
    for (const cell of this.list.querySelectorAll("[data-time]")) {
      const { time, age: old } = cell.dataset;
      setText(cell, `${age(Date.now() - Number(time))} ago${old === "" ? "" : `, data ${age(Number(old))} old`}`);
    }
  }
}

customElements.define("spot-console", Console);
