// The base of embedded elements: a shadow root with its own styles, a feed, and the line with source and age of the data.

import { Feed } from "../client.js";
import { serverNow } from "../client/socket.js";
import { age, clock, numbers } from "../data/format.js";
import { unlisted, unlistedText } from "../data/missing.js";
import { stateText } from "../data/state.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { showSource, sourceLink } from "../widgets/source.js";
import tokens from "../styles/tokens.css" with { type: "text" };
import look from "./embed.css" with { type: "text" };
import { complaints, link, serverOf } from "./options.js";

const ATTRIBUTES = ["coins", "limit", "currency", "window", "size", "server"];

let sheet = null;

/** The colours of the dashboard, moved from the page to the element. Style sheets that script makes are no inline styles. */
function styles() {
  if (sheet) return sheet;
  sheet = new CSSStyleSheet();
  const own = tokens.replaceAll(/:root(\[[^\]]+\])?/g, (_, attribute) => (attribute ? `:host(${attribute.replace("data-", "")})` : ":host"));
  sheet.replaceSync(own + look);
  return sheet;
}

/** Subclasses give `ask()` as [feed, parameters], `build(stage)` and `draw(rows, changes)`. */
export class Embed extends HTMLElement {
  static observedAttributes = ATTRIBUTES;

  connectedCallback() {
    this.locale = navigator.language || "en";
    this.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!this.shadowRoot) this.#assemble();
    this.#follow();
    this.beat = setInterval(() => this.#show(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this.beat);
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    this.feed.close();
  }

  /** Several attributes set in a row open one new feed. */
  attributeChangedCallback() {
    if (!this.isConnected || !this.feed || this.changing) return;
    this.changing = true;
    queueMicrotask(() => {
      this.changing = false;
      if (!this.isConnected) return;
      this.feed.close();
      this.#follow();
    });
  }

  get currency() {
    return (this.getAttribute("currency") || "usd").toLowerCase();
  }

  /** The address of a coin's page: of the embedding site if it names one. */
  address(id) {
    return link(this.getAttribute("link"), id, this.feed.server, document.baseURI);
  }

  #assemble() {
    this.stage = el("div", { class: "stage" });
    this.message = el("p", { class: "message" });
    this.line = { state: el("b", { class: "state" }), source: sourceLink(), time: el("time"), age: el("span"), gone: el("span") };
    const foot = el("footer", {}, ...Object.values(this.line));
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styles()];
    root.append(el("section", { "aria-label": this.label }, this.stage, this.message, foot));
    this.build(this.stage);
  }

  #follow() {
    this.#complain();
    const [path, params] = this.ask();
    const server = serverOf(this.getAttribute("server"));
    this.feed = new Feed(path, { vs_currency: this.currency, ...params }, server ? { server } : {});
    this.feed.addEventListener("frame", ({ detail }) => this.#schedule(detail.changes));
    this.feed.addEventListener("state", () => this.#show());
    this.feed.open();
    this.#show();
  }

  /** Logs a line for each invalid attribute; the element uses the default instead. */
  #complain() {
    this.complained ??= new Set();
    for (const text of complaints(this.localName, (name) => this.getAttribute(name))) {
      if (!this.complained.has(text)) console.warn(text);
      this.complained.add(text);
    }
  }

  #schedule(changes) {
    this.changes = new Map([...(this.changes ?? []), ...changes]);
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.numbers = numbers(this.locale, this.feed.head.params?.vs_currency ?? this.currency);
      const moved = this.changes;
      this.changes = null;
      this.draw(this.feed.rows(), moved);
    });
  }

  #show() {
    const { feed, line } = this;
    const condition = feed.condition();
    setAttribute(this.shadowRoot.lastChild, "data-state", condition.name);
    this.message.hidden = Boolean(feed.view);
    setText(this.message, condition.reason || stateText(condition));
    setText(line.state, stateText(condition));
    if (!feed.head) return;
    const { as_of, fetched_at, source_label, source } = feed.head;
    const taken = as_of ?? fetched_at;
    const now = serverNow();
    showSource(line.source, source_label ?? source, feed.head.source_url);
    setText(line.gone, unlistedText(unlisted(feed.head.missing)));
    setText(line.time, `as of ${clock(taken, now, this.locale, this.zone)}`);
    setAttribute(line.time, "datetime", new Date(taken).toISOString());
    setText(line.age, `${age(now - taken)} ago`);
  }
}
