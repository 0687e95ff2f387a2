// A search field that reports its text a moment after the last key.

import { el } from "./dom.js";

const TYPING_MS = 90;

export class SearchField {
  /** `asked(text)` is called with the trimmed text. */
  constructor(label, placeholder, asked) {
    this.asked = asked;
    this.element = el("input", { type: "search", placeholder, "aria-label": label, autocomplete: "off", spellcheck: "false", maxlength: "100" });
    for (const type of ["input", "compositionend"]) this.element.addEventListener(type, (event) => this.#typed(event));
  }

  /** Shows another text and discards pending input. */
  show(text) {
    clearTimeout(this.typing);
    this.element.value = text;
  }

  /** Reports the text at once. */
  ask() {
    clearTimeout(this.typing);
    this.asked(this.element.value.trim());
  }

  #typed({ isComposing }) {
    clearTimeout(this.typing);
    if (isComposing) return; // half a character of an input method
    this.typing = setTimeout(() => this.asked(this.element.value.trim()), TYPING_MS);
  }
}
