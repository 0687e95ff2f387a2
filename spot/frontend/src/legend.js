// The colours of the map in numbers. Pointing at a step or going to it with Tab lights up its tiles; a click keeps them lit.

import { el } from "./dom.js";
import { legend } from "./scale.js";

export class Legend {
  #kept = null;

  /** `light(step)` is called with a step, or with null when none is pointed at any more. */
  constructor(light) {
    this.light = light;
    this.element = el("ol", { class: "legend", "aria-label": "Colours" });
  }

  show(window) {
    const steps = [...legend(window), ["none", "No value"]].map(([step, text]) => [String(step), text]);
    if (this.element.children.length) steps.forEach(([, text], index) => (this.element.children[index].firstChild.textContent = text));
    else this.element.append(...steps.map(([step, text]) => this.#step(step, text)));
  }

  /** What each step looks like, as {back, ink, stripe}: the stylesheet says it, for the canvas too. */
  colours() {
    const looks = [...this.element.children].map((item) => {
      const { backgroundColor: back, color: ink, outlineColor: stripe } = getComputedStyle(item);
      return [item.dataset.step, { back, ink, stripe }];
    });
    return Object.fromEntries(looks);
  }

  #step(step, text) {
    const on = () => this.light(step);
    const off = () => this.light(this.#kept);
    const listeners = { onpointerenter: on, onpointerleave: off, onfocus: on, onblur: off, onclick: () => this.#keep(step) };
    return el("li", { "data-step": step }, el("button", { type: "button", "aria-pressed": "false", ...listeners }, text));
  }

  #keep(step) {
    this.#kept = this.#kept === step ? null : step;
    for (const { dataset, firstChild } of this.element.children) firstChild.setAttribute("aria-pressed", String(dataset.step === this.#kept));
    this.light(this.#kept);
  }
}
