// <spot-connection>: the connection in words, for the whole page, and the buttons that go with it.

import { count } from "../data/format.js";
import { stateText } from "../data/state.js";
import { page } from "../page/page.js";
import { say } from "../page/voice.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { worst } from "../widgets/panel.js";
import { showDemo } from "./demo.js";
import "./notices.js";
import { shortcut } from "./shortcuts.js";

const PACE_HINT = { Every: "Prices are renewed this often: the source allows no more. The line below each panel says how old they are." };
const MANY = 999; // more waiting updates than that are not counted out

/**
 * The state of the page: that of its worst feed, and of several that wait the soonest try. It judges the connection: a
 * feed whose question was refused, such as a coin that there is not, says nothing of it.
 */
function condition() {
  const feeds = [...page.feeds].filter((feed) => !page.asides.has(feed));
  const judged = feeds.map((feed) => [feed, feed.condition()]).filter(([, { question }]) => !question);
  if (!judged.length) return { name: feeds.length ? "answered" : "connecting" };
  const conditions = judged.map(([, condition]) => condition);
  const state = worst(conditions);
  const seconds = Math.min(...conditions.filter(({ name }) => name === state.name).map((state) => state.seconds ?? 0));
  return { ...state, seconds, pace: Math.max(...judged.map(([feed]) => page.paces.get(feed)())) };
}

class Connection extends HTMLElement {
  connectedCallback() {
    this.badge = el("span", { class: "badge" });
    this.now = el("button", { type: "button", class: "button", hidden: true, onclick: () => this.#retry() }, "Retry now");
    this.word = el("span", {});
    this.number = el("span", {});
    this.count = el("span", { class: "pause-count", hidden: true }, this.number, el("span", { class: "wide" }, " waiting"));
    this.pause = el("button", { type: "button", class: "button pause", title: "Key: p", onclick: () => page.setPaused(!page.paused) }, this.word, el("span", { class: "wide" }, " updates"), this.count);
    this.replaceChildren(this.now, this.badge, this.pause);
    for (const type of ["second", "state", "pause"]) page.addEventListener(type, () => this.#show());
    for (const type of ["waiting", "pause"]) page.addEventListener(type, () => this.#showWaiting());
    page.addEventListener("pause", () => say(page.paused ? "Updates are paused." : "Updates go on.", "pause", { repeat: true }));
    this.#show();
  }

  #retry() {
    for (const feed of page.feeds) feed.retry();
    this.#show();
  }

  #show() {
    const now = condition();
    setText(this.badge, stateText(now));
    setAttribute(this.badge, "data-state", now.name);
    setAttribute(this.badge, "title", now.reason || PACE_HINT[stateText(now).split(" ")[0]] || null);
    // Screen readers hear a new state once, not every second of the countdown, and nothing of the usual beginning.
    if (this.spoken || !["connecting", "live", "demo"].includes(now.name)) say(`Connection: ${stateText({ name: now.name, pace: now.pace })}`, "connection");
    this.spoken ||= now.name !== "connecting";
    this.now.hidden = !["reconnecting", "offline", "refused"].includes(now.name);
    setText(this.word, page.paused ? "Resume" : "Pause");
    this.pause.classList.toggle("button-on", page.paused);
    showDemo([...page.feeds].some((feed) => feed.head?.simulated));
  }

  #showWaiting() {
    const { paused, waiting } = page;
    this.count.hidden = !paused;
    const text = waiting > MANY ? `${count(MANY, page.locale)}+` : count(waiting, page.locale);
    setText(this.number, text);
    setAttribute(this.pause, "title", paused ? `${text} updates wait. Key: p` : "Key: p");
  }
}

shortcut("p", "Pause or resume updates", () => page.setPaused(!page.paused));
customElements.define("spot-connection", Connection);
