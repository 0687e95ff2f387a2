// <spot-connection>: the connection in words, for the whole page, and the buttons that go with it.

import { el, setAttribute, setText } from "./dom.js";
import { page } from "./page.js";
import { worst } from "./panel.js";

function words({ name, seconds }) {
  switch (name) {
    case "live": return "Live";
    case "demo": return "Demo";
    case "stale": return "Stale";
    case "offline": return "Offline";
    case "refused": return "Not connected";
    case "reconnecting": return seconds ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    case "waiting":
    case "unavailable": return "Waiting for data";
    default: return "Connecting…";
  }
}

class Connection extends HTMLElement {
  connectedCallback() {
    this.badge = el("span", { class: "badge" });
    this.spoken = el("span", { class: "hidden", role: "status" });
    this.now = el("button", { type: "button", class: "button", hidden: true, onclick: () => this.#retry() }, "Retry now");
    this.pause = el("button", { type: "button", class: "button", onclick: () => page.setPaused(!page.paused) });
    this.word = el("span", {});
    this.pause.append(this.word, el("span", { class: "wide" }, " updates"));
    this.replaceChildren(this.spoken, this.now, this.badge, this.pause);
    for (const type of ["second", "state", "pause"]) page.addEventListener(type, () => this.#tell());
    this.#tell();
  }

  #retry() {
    for (const feed of page.feeds) feed.retry();
    this.#tell();
  }

  #tell() {
    const conditions = [...page.feeds].filter((feed) => !page.asides.has(feed)).map((feed) => feed.condition());
    const condition = conditions.length ? worst(conditions) : { name: "connecting" };
    const text = words(condition);
    setText(this.badge, text);
    setAttribute(this.badge, "data-state", condition.name);
    setAttribute(this.badge, "title", condition.reason || null);
    // Screen readers hear a new state once, not every second of the countdown.
    setText(this.spoken, `Connection: ${words({ name: condition.name })}`);
    this.now.hidden = !["reconnecting", "offline", "refused"].includes(condition.name);
    setText(this.word, page.paused ? "Resume" : "Pause");
    this.pause.classList.toggle("button-on", page.paused);
    const simulated = [...page.feeds].some((feed) => feed.head?.simulated);
    for (const notice of document.querySelectorAll("[data-demo]")) notice.hidden = !simulated;
  }
}

customElements.define("spot-connection", Connection);
