// Notices of the server, such as a change of provider: each is shown once, though every feed receives it.

import { serverNow } from "../client/socket.js";
import { clock } from "../data/format.js";
import { page } from "../page/page.js";
import { say } from "../page/voice.js";
import { el } from "../widgets/dom.js";

const SAME_MS = 120_000; // feeds change over one by one, each when it is next fetched
const SHOWN_MS = 30_000;
const MOST = 3;
const KEPT = 50; // in the list of this tab

/** Recognises notices that another feed has just received. Pure but for its memory. */
export class Repetitions {
  #recent = new Map();

  isNews({ code, message }, now) {
    for (const [text, at] of this.#recent) if (now - at > SAME_MS) this.#recent.delete(text);
    const text = `${code} ${message}`;
    const news = !this.#recent.has(text);
    this.#recent.set(text, now);
    return news;
  }
}

const repetitions = new Repetitions();
const waiting = [];
const past = []; // [message, at], newest first
let place = null;

function shelf() {
  place ??= el("section", { class: "notices", "aria-label": "Notices" });
  if (!place.isConnected) document.body.append(place);
  return place;
}

function show(message, at) {
  const close = el("button", { type: "button", class: "button", "aria-label": "Dismiss this notice", onclick: () => dismiss() }, "×");
  const notice = el("div", { class: "notice-card" }, el("p", {}, message, el("time", { datetime: new Date(at).toISOString() }, clock(at, at, page.locale, page.timeZone))), close);
  const dismiss = () => notice.remove();
  // It stays while somebody reads it.
  const later = () => {
    if (notice.matches(":hover, :focus-within")) setTimeout(later, SHOWN_MS / 6);
    else dismiss();
  };
  setTimeout(later, SHOWN_MS);
  past.unshift([message, at]);
  past.splice(KEPT);
  for (const button of document.querySelectorAll("spot-notices")) button.show();
  shelf().append(notice);
  while (shelf().children.length > MOST) shelf().firstChild.remove();
  say(message, message, { repeat: true });
}

/** Shows a notice `{code, message}` unless it has just been shown; while paused it waits like everything else, unless it is `urgent`. */
export function notify(notice, { urgent = false } = {}) {
  const at = serverNow();
  if (!repetitions.isNews(notice, at)) return;
  if (page.paused && !urgent) waiting.push([notice.message, at]);
  else show(notice.message, at);
}

page.addEventListener("notice", ({ detail }) => notify(detail));
page.addEventListener("pause", () => {
  if (!page.paused) for (const notice of waiting.splice(0)) show(...notice);
});

/** All notices since the page was opened, newest first. */
function list() {
  const close = el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close");
  const lines = past.map(([message, at]) => el("li", {}, el("time", { datetime: new Date(at).toISOString() }, clock(at, serverNow(), page.locale, page.timeZone)), el("span", {}, message)));
  const dialog = el("dialog", { class: "shortcuts", "aria-labelledby": "notices-title", onclose: () => dialog.remove() },
    el("header", {}, el("h2", { id: "notices-title" }, "Notices"), close),
    el("ol", { class: "notice-list" }, ...lines));
  document.body.append(dialog);
  dialog.showModal();
}

/** <spot-notices>: the button that lists past notices, once there are any. */
class Notices extends HTMLElement {
  connectedCallback() {
    this.show();
  }

  show() {
    this.hidden = !past.length;
    this.replaceChildren(el("button", { type: "button", class: "link-button", onclick: list }, `Notices (${past.length})`), " · ");
  }
}

customElements.define("spot-notices", Notices);
