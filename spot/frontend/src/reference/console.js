// <spot-console>: a feed and a query by a form, the door that it goes through, its address and code, and its frames live. The
// form follows the parameters of /docs/openapi.json, so that it has what the server has. A key stays in this element.

import { age } from "../data/format.js";
import * as address from "../page/address.js";
import { choice, el, select, setText } from "../widgets/dom.js";
import { copy } from "../widgets/copying.js";
import { formOf } from "./form.js";
import { factsOf, size } from "./frames.js";
import { feedsOf, formFor, FORMS, formsOf, problem, questionOf, TRANSPORTS } from "./question.js";
import { LANGUAGES } from "./snippets.js";
import { follow } from "./transports.js";

const DOCUMENT = "/docs/openapi.json";
const SHOWN = 30; // frames in the list
const SMALL = { page_size: "5" }; // what a visitor sees first is small
const TYPING_MS = 400; // of rest, after which a change is sent

class Console extends HTMLElement {
  async connectedCallback() {
    if (this.form) return;
    this.form = address.get("form", "plain");
    this.transport = address.get("transport", TRANSPORTS[0][0]);
    if (!TRANSPORTS.some(([key]) => key === this.transport)) this.transport = TRANSPORTS[0][0];
    this.key = "";
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
    this.transportPicker = choice("Transport", TRANSPORTS.map(([key, title]) => [key, title]), this.transport, (transport) => this.#go(transport));
    this.keyBox = el("input", { id: "console-key", class: "console-secret", type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false",
      "aria-describedby": "console-key-note", oninput: () => this.#unlock(this.keyBox.value.trim()) });
    this.purpose = el("p", { class: "console-purpose" });
    this.fields = el("div");
    this.problem = el("p", { class: "console-problem", role: "alert", hidden: true });
    this.code = el("code");
    this.copying = el("button", { type: "button", class: "button", onclick: () => this.#copy() }, "Copy");
    this.state = el("span", { class: "badge", role: "status", "data-state": "waiting" }, "Not connected");
    this.toggle = el("button", { type: "button", class: "button", onclick: () => (this.leave ? this.#pause(!this.paused) : this.#connect({ again: true })) }, "Pause");
    this.count = el("span", { class: "console-count" });
    this.list = el("ol", { class: "console-frames" });
    this.frame = el("code");
    this.replaceChildren(
      el("section", { class: "panel", "aria-label": "Query" },
        el("div", { class: "panel-head" }, el("h2", {}, "Query"), el("div", { class: "panel-controls" }, this.feedPicker, this.transportPicker, this.formPicker)),
        this.purpose, this.fields, this.#keyField(), this.problem),
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

  #keyField() {
    return el("div", { class: "console-key" }, el("div", { class: "console-field" },
      el("label", { for: "console-key" }, "Client key"), this.keyBox,
      el("small", { id: "console-key-note" }, "For sites and plans with keys. It stays in the memory of this page, and is gone when you leave it.")));
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

  #go(transport) {
    this.transport = transport;
    this.#ask();
  }

  #unlock(key) {
    this.key = key;
    this.#typed();
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
    this.question = questionOf(this.feed, this.values, this.transport, this.form, location.origin);
    this.formPicker.choose(formFor(this.transport, this.form));
    for (const button of this.formPicker.children) button.hidden = !(button.value in formsOf(this.transport));
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
    const transport = this.transport === TRANSPORTS[0][0] ? null : this.transport;
    address.set({ ...cleared, ...values, feed: this.feed.name, form, transport }, { step: false });
  }

  #showCode() {
    const [, , write] = LANGUAGES.find(([key]) => key === this.language);
    setText(this.code, write(this.question, this.key !== ""));
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

  /** Begins anew; `again`: with the frames so far, for another answer to the same question. */
  #connect({ again = false } = {}) {
    this.#close();
    if (again) this.#tell("");
    else {
      this.list.replaceChildren();
      setText(this.frame, "");
      Object.assign(this, { received: 0, bytes: 0, chosen: null });
    }
    this.#become("waiting", this.transport === "http" ? "Asking…" : "Connecting…");
    this.leave = follow(this.question, this.key, {
      live: (words) => this.#become("live", words),
      message: (text, told) => this.#take(text, told),
      ended: (words, problem) => this.#ended(words, problem),
    });
    this.#pause(false);
    this.ages = setInterval(() => this.#showAges(), 1000);
  }

  #close() {
    clearInterval(this.ages);
    this.leave?.();
    this.leave = null;
    this.#become("offline", "Not connected");
  }

  #ended(words, problem) {
    this.leave = null;
    this.#become(problem ? "offline" : "live", words);
    this.#pause(false);
    setText(this.toggle, this.transport === "http" ? "Ask again" : "Connect again");
    if (problem && this.problem.hidden) this.#tell(problem);
  }

  #become(state, words) {
    this.state.dataset.state = state;
    setText(this.state, words);
  }

  #take(message, told = null) {
    const facts = { ...factsOf(message, Date.now(), told), at: Date.now() };
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
