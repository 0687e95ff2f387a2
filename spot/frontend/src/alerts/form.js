// The form of a new alert: for one of some coins, or for the filter in force.

import { numbers } from "../data/format.js";
import { readNumber } from "../data/read_number.js";
import { page } from "../page/page.js";
import { el, setAttribute, setText } from "../widgets/dom.js";
import { isMembership } from "./rules.js";

const CHOICES = [["above", "rises to"], ["below", "falls to"], ["change", "moves by more than (%)"]];
const OF_FILTER = [["enters", "A coin enters the filter"], ["leaves", "A coin leaves the filter"]];
const WINDOWS = [[5, "5 min"], [15, "15 min"], [60, "1 h"], [240, "4 h"], [1440, "24 h"]];

/** A labelled control. */
function field(label, control, ...more) {
  return el("label", { class: "alert-field" }, el("span", { class: "field-label" }, label), control, ...more);
}

function options(list, chosen) {
  return list.map(([value, text]) => el("option", { value, selected: value === chosen }, text));
}

export class AlertForm {
  /** `offer` is {coins: [{id, symbol, name, price}], filter: {filters, search, words} or null, currency, simulated}. */
  constructor(offer, made) {
    this.offer = offer;
    this.made = made;
    const { coins, filter, simulated } = offer;
    const subjects = [...(filter ? OF_FILTER.map(([kind, text]) => [kind, text]) : []), ...coins.map(({ id, name, symbol }) => [`coin:${id}`, `${name} (${symbol})`])];
    this.subject = el("select", { "aria-label": "What to watch", onchange: () => this.#show() }, ...options(subjects, filter ? "enters" : subjects[0]?.[0]));
    this.kind = el("select", { "aria-label": "Condition", onchange: () => this.#show() }, ...options(CHOICES, "above"));
    this.value = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", maxlength: "40", "aria-label": "Value" });
    this.minutes = el("select", { "aria-label": "Within" }, ...options(WINDOWS, 15));
    this.hysteresis = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: "0.5", maxlength: "10" });
    this.cooldown = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: "15", maxlength: "10" });
    this.simulated = el("input", { type: "checkbox" });
    this.error = el("p", { class: "filter-error", id: "alert-error", role: "alert", hidden: true });
    this.now = el("p", { class: "alert-now" });
    this.rows = {
      kind: field("Tell me when it", this.kind),
      value: field("Value", this.value),
      minutes: field("Within", this.minutes),
      hysteresis: field("Again only after it went back by (%)", this.hysteresis),
    };
    const demo = el("label", { class: "alert-demo", hidden: !simulated }, this.simulated, "Fire on simulated prices, too. Without this the alert waits for real ones.");
    const more = el("details", { class: "alert-more" }, el("summary", {}, "How often"), this.rows.hysteresis, field("At most once in (minutes)", this.cooldown));
    this.element = el("form", { class: "alert-form", novalidate: true, "aria-label": "New alert" },
      field("Watch", this.subject), this.now, this.rows.kind, this.rows.value, this.rows.minutes, more, demo, this.error,
      el("button", { class: "button button-on" }, "Set the alert"));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    this.#show();
  }

  focus() {
    (this.#coin() ? this.value : this.subject).focus();
  }

  #coin() {
    const [type, id] = this.subject.value.split(/:(.*)/s);
    return type === "coin" ? this.offer.coins.find((coin) => coin.id === id) : null;
  }

  /** Shows the fields that the choices need. */
  #show() {
    const coin = this.#coin();
    const isChange = this.kind.value === "change";
    const { price } = numbers(page.locale, this.offer.currency);
    this.rows.kind.hidden = this.rows.value.hidden = this.rows.hysteresis.hidden = !coin;
    this.rows.minutes.hidden = !coin || !isChange;
    setText(this.now, coin ? `Now ${price(coin.price)}` : this.offer.filter?.words ?? "");
    setAttribute(this.value, "placeholder", isChange ? "such as 5" : "such as 70,000 or 1.5k");
    this.#refuse(null, "");
  }

  #refuse(input, message) {
    for (const one of [this.value, this.hysteresis, this.cooldown]) {
      setAttribute(one, "aria-invalid", one === input ? "true" : null);
      setAttribute(one, "aria-describedby", one === input ? "alert-error" : null);
    }
    setText(this.error, message);
    this.error.hidden = !message;
    if (message) input.closest("details")?.setAttribute("open", "");
    input?.focus();
    return null;
  }

  #number(input, low, high, message) {
    const value = readNumber(input.value, page.locale);
    return value == null || value < low || value > high ? this.#refuse(input, message) : value;
  }

  #make() {
    const coin = this.#coin();
    const kind = coin ? this.kind.value : this.subject.value;
    const rule = { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), kind, currency: this.offer.currency, simulated: this.simulated.checked, hysteresis: 0 };
    rule.cooldown = this.#number(this.cooldown, 0, 10_080, "The minutes between two alerts are a number from 0 to 10,080.");
    if (rule.cooldown === null) return;
    if (isMembership(rule)) rule.filter = this.offer.filter;
    else if (!this.#price(rule, coin)) return;
    this.made(rule);
  }

  #price(rule, { id, symbol, name, price }) {
    rule.coin = { id, symbol, name };
    const isChange = rule.kind === "change";
    rule.value = this.#number(this.value, isChange ? 0.01 : Number.MIN_VALUE, isChange ? 1e6 : 1e15, isChange ? "Enter a percentage above 0, such as 5." : "Enter a price above 0, such as 70,000 or 1.5k.");
    if (rule.value === null) return false;
    rule.hysteresis = this.#number(this.hysteresis, 0, 100, "How far it must go back is a percentage from 0 to 100.");
    if (rule.hysteresis === null) return false;
    if (isChange) rule.minutes = Number(this.minutes.value);
    else if ((rule.kind === "above") === (price >= rule.value)) {
      const { price: write } = numbers(page.locale, this.offer.currency);
      this.#refuse(this.value, `${symbol} is at ${write(price)}, already ${rule.kind} ${write(rule.value)}. ${rule.kind === "above" ? "Choose a higher price." : "Choose a lower price."}`);
      return false;
    }
    return true;
  }
}
