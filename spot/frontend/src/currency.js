// <spot-currency>: the currency that the whole page counts in.

import { select } from "./dom.js";
import { CURRENCIES, page } from "./page.js";

class Currency extends HTMLElement {
  connectedCallback() {
    const known = CURRENCIES.includes(page.currency) ? CURRENCIES : [...CURRENCIES, page.currency];
    const options = known.map((code) => [code, code.toUpperCase()]);
    const field = select("Currency", options, page.currency, (code) => page.setCurrency(code));
    page.addEventListener("currency", () => {
      field.querySelector("select").value = page.currency;
    });
    this.replaceChildren(field);
  }
}

customElements.define("spot-currency", Currency);
