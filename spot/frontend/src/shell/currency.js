// <spot-currency>: the currency that the whole page counts in, of those that the server quotes.

import { page } from "../page/page.js";
import { el, setText } from "../widgets/dom.js";

const LIST = "/currencies.json";
const COMMON = ["usd", "eur", "gbp", "jpy", "cny", "inr", "chf", "btc", "eth"];
const CODE = /^[a-z]{3}$/;

/** "EUR · Euro"; a code that no standard names stands alone. */
export function optionText(code, locale = "en") {
  const names = new Intl.DisplayNames([locale, "en"], { type: "currency", fallback: "none" });
  const name = CODE.test(code) ? names.of(code.toUpperCase()) : null;
  return [code.toUpperCase(), name].filter(Boolean).join(" · ");
}

class Currency extends HTMLElement {
  connectedCallback() {
    if (this.field) return;
    this.code = el("span", { "aria-hidden": "true" });
    this.field = el("select", { "aria-label": "Currency", onchange: () => page.setCurrency(this.field.value) });
    this.others = el("optgroup", { label: "All others", hidden: true });
    this.field.append(el("optgroup", { label: "Common" }, ...COMMON.map((code) => this.#option(code))), this.others);
    // The list is asked for by who is about to choose: everybody else can do without.
    for (const type of ["pointerenter", "focusin"]) this.addEventListener(type, () => this.#fetch());
    page.addEventListener("currency", () => this.#show());
    this.#show();
    // The select lies unseen over its code: names are for the open list, where there is room.
    this.replaceChildren(el("label", { class: "currency" }, this.code, this.field));
  }

  #option(code) {
    return el("option", { value: code }, optionText(code));
  }

  async #fetch() {
    if (this.asked) return;
    this.asked = true;
    try {
      const answer = await fetch(LIST);
      const { currencies } = answer.ok ? await answer.json() : { currencies: [] };
      this.asked = currencies.length > 0; // else there may be a list next time
      for (const code of currencies) this.#offer(code);
    } catch {
      this.asked = false; // no network: the common ones are there
    }
  }

  /** Options are only ever added: the list may be open. */
  #offer(code) {
    if ([...this.field.options].some(({ value }) => value === code)) return;
    const option = this.#option(code);
    const next = [...this.others.children].find(({ value }) => value > code) ?? null;
    this.others.insertBefore(option, next);
    this.others.hidden = false;
  }

  #show() {
    this.#offer(page.currency);
    this.field.value = page.currency;
    setText(this.code, page.currency.toUpperCase());
  }
}

customElements.define("spot-currency", Currency);
