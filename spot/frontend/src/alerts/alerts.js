// <spot-alerts>: the button and the window of the visitor's own alerts. They live in this browser and are evaluated while a
// page of the site is open; nothing of them is sent to the server but the questions that any visitor's page asks.

import { serverNow } from "../client/socket.js";
import { clock, count, numbers } from "../data/format.js";
import { page } from "../page/page.js";
import { settings } from "../page/settings.js";
import { say } from "../page/voice.js";
import { notify } from "../shell/notices.js";
import { el, setText } from "../widgets/dom.js";
import { AlertForm } from "./form.js";
import { firedText, MOST, ruleText } from "./rules.js";
import { Alerts, inOneTab, Watcher } from "./watcher.js";

const NOTIFY = "alerts.notify";
const REPEATED_MS = 10_000; // two tabs without locks fire together

const alerts = new Alerts();
const write = (value, currency) => numbers(page.locale, currency).price(value);

// --- what fires -----------------------------------------------------------------------------------------------------

function fired(rule, firing, row, simulated) {
  const at = serverNow();
  const { log } = alerts;
  if (log.some((entry) => entry.rule === rule.id && entry.key === firing.key && entry.event === firing.event && at - entry.at < REPEATED_MS)) return;
  const text = firedText(rule, firing, row, write, simulated);
  alerts.record({ rule: rule.id, key: firing.key, event: firing.event, text, at });
  outside(text, rule.coin?.id ?? firing.key, `${rule.id} ${firing.key}`);
}

/** The browser's own notification, where the visitor has asked for it. Silent. */
function outside(body, coin, tag) {
  if (!settings.get(NOTIFY, false) || globalThis.Notification?.permission !== "granted") return;
  try {
    const notification = new Notification("Spot alert", { body, tag, silent: true, icon: "/static/spot/touch-icon.png" });
    notification.onclick = () => {
      window.focus();
      if (coin) location.assign(`/coin/${encodeURIComponent(coin)}/`);
    };
  } catch {
    settings.set(NOTIFY, null); // phones have none without a service worker
  }
}

let newest = alerts.log[0]?.at ?? 0;

/** Shows what has fired since, in this tab or another one. */
function showNews() {
  const news = alerts.log.filter(({ at }) => at > newest).reverse();
  for (const { text, at } of news) {
    newest = Math.max(newest, at);
    notify({ code: "alert", message: text }, { urgent: true });
  }
}

// --- who watches ----------------------------------------------------------------------------------------------------

let end = null;

function lead() {
  const watcher = new Watcher(alerts, fired);
  const follow = () => watcher.follow();
  const save = () => watcher.save();
  alerts.addEventListener("change", follow);
  addEventListener("visibilitychange", save);
  watcher.follow();
  return () => {
    alerts.removeEventListener("change", follow);
    removeEventListener("visibilitychange", save);
    watcher.close();
  };
}

/** Watches while there is something to watch: a lock keeps a page from being kept for the Back button. */
function watch() {
  const wanted = alerts.rules.some(({ paused }) => !paused);
  if (wanted && !end) end = inOneTab(lead);
  else if (!wanted) stop();
}

function stop() {
  end?.();
  end = null;
}

// --- the window -----------------------------------------------------------------------------------------------------

let dialog = null;
let offered = null;

function button(text, action, attributes = {}) {
  return el("button", { type: "button", class: "button", onclick: action, ...attributes }, text);
}

function line(rule, log) {
  const text = ruleText(rule, write);
  const last = log.find((entry) => entry.rule === rule.id);
  const state = rule.paused ? "Paused" : "Watching";
  const when = last ? `last fired ${clock(last.at, serverNow(), page.locale, page.timeZone)}` : "not fired yet";
  return el("li", { "data-paused": rule.paused ? "" : null },
    el("div", {}, el("strong", {}, text), el("span", { class: "alert-state" }, `${state} · ${when}`)),
    button(rule.paused ? "Resume" : "Pause", () => alerts.pause(rule.id, !rule.paused), { "aria-label": `${rule.paused ? "Resume" : "Pause"}: ${text}`, "data-of": `pause ${rule.id}` }),
    button("Delete", () => alerts.remove(rule.id), { "aria-label": `Delete: ${text}`, "data-of": `delete ${rule.id}` }));
}

/** The rules, without moving the focus away from a button that is still there. */
function showRules() {
  if (!dialog?.isConnected) return;
  const { rules, log } = alerts;
  const focused = document.activeElement?.dataset?.of;
  dialog.list.replaceChildren(...rules.map((rule) => line(rule, log)));
  dialog.none.hidden = rules.length > 0;
  setText(dialog.count, rules.length ? `Your alerts (${count(rules.length, page.locale)})` : "Your alerts");
  if (focused) ([...dialog.list.querySelectorAll("[data-of]")].find(({ dataset }) => dataset.of === focused) ?? dialog.closing).focus();
}

function showOutside() {
  const { Notification } = globalThis;
  const place = dialog.outside;
  if (!Notification) return place.replaceChildren("This browser shows notices in the page only.");
  const on = settings.get(NOTIFY, false) && Notification.permission === "granted";
  if (Notification.permission === "denied") return place.replaceChildren("The browser blocks notifications of this site; its settings can allow them. Notices in the page are shown all the same.");
  place.replaceChildren(
    on ? "The browser notifies you, without a sound. " : "The browser can notify you outside this page, too. ",
    button(on ? "Stop notifications" : "Allow notifications", () => ask(!on)));
}

/** Asks for the permission: only ever after a click. */
async function ask(wanted) {
  const allowed = wanted && (await Notification.requestPermission()) === "granted";
  settings.set(NOTIFY, allowed || null);
  showOutside();
  dialog.outside.querySelector("button")?.focus();
}

function made(rule) {
  if (!alerts.add(rule)) return say(`There are ${MOST} alerts, which is the most. Delete one first.`, "alerts", { repeat: true });
  setText(dialog.done, `Set: ${ruleText(rule, write)}.`);
  showForm(offered);
  dialog.closing.focus();
}

function showForm(offer) {
  offered = offer;
  const hint = el("p", { class: "alert-hint" }, "Set one on a coin’s page or above the market table, with its button “Alert”.");
  dialog.form = offer && alerts.rules.length < MOST ? new AlertForm(offer, made) : null;
  dialog.making.replaceChildren(dialog.form?.element ?? hint);
}

function build() {
  dialog = el("dialog", { class: "alerts", "aria-labelledby": "alerts-title" });
  dialog.closing = button("Done", () => dialog.close());
  dialog.making = el("section", { class: "alerts-making" });
  dialog.done = el("p", { class: "alerts-done", role: "status" });
  dialog.count = el("h3", {}, "Your alerts");
  dialog.list = el("ul", { class: "alerts-list" });
  dialog.none = el("p", { class: "alert-hint" }, "None yet.");
  dialog.outside = el("p", { class: "alerts-outside" });
  dialog.append(
    el("header", {}, el("h2", { id: "alerts-title" }, "Alerts"), dialog.closing),
    dialog.making, dialog.done,
    el("section", {}, dialog.count, dialog.none, dialog.list),
    dialog.outside,
    el("p", { class: "alerts-note" }, "Kept in this browser only. They are watched while a page of this site is open, also in another tab; nothing is stored on the server."));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
  document.body.append(dialog);
}

/** Opens the window; with an `offer` (see `AlertForm`) also the form of a new alert. */
export function openAlerts(offer = null) {
  if (!dialog) build();
  setText(dialog.done, "");
  showForm(offer);
  showRules();
  showOutside();
  dialog.showModal();
  dialog.form?.focus();
}

class AlertsButton extends HTMLElement {
  connectedCallback() {
    if (this.button) return;
    this.number = el("span", { class: "alerts-count" });
    this.button = el("button", { type: "button", class: "button icon", "aria-haspopup": "dialog", onclick: () => openAlerts() }, "Alerts", this.number);
    this.replaceChildren(this.button);
    alerts.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    const watched = alerts.rules.filter(({ paused }) => !paused).length;
    setText(this.number, watched ? ` ${count(watched, page.locale)}` : "");
    showRules();
  }
}

alerts.addEventListener("change", () => {
  showNews();
  watch();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", watch);
watch();
customElements.define("spot-alerts", AlertsButton);
