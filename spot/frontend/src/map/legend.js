// The colours of the map in numbers. Pointing at a step or going to it with Tab lights up its tiles; a click pins them.

import { legend } from "../tiles/scale.js";
import { el } from "../widgets/dom.js";

export class Legend {
  #pinned = null;

  /** `light(step)` is called with a step, or with null when none is pointed at any more; `pinned(text)` with the words
   * of a step that is kept lit, or with null. */
  constructor(light, pinned) {
    Object.assign(this, { light, pinned });
    this.element = el("ol", { class: "legend", "aria-label": "Colours" });
  }

  show(window) {
    const steps = [...legend(window), ["none", "No value"]].map(([step, text]) => [String(step), text]);
    if (this.element.children.length) steps.forEach(([, text], index) => (this.element.children[index].firstChild.textContent = text));
    else this.element.append(...steps.map(([step, text]) => this.#step(step, text)));
    if (this.#pinned !== null) this.#pin(this.#pinned); // its words are those of another window now
  }

  /** The colours of each step from the style sheet, as {back, ink, stripe}, for the canvas. */
  colours() {
    const looks = [...this.element.children].map((item) => {
      const { backgroundColor: back, color: ink, outlineColor: stripe } = getComputedStyle(item);
      return [item.dataset.step, { back, ink, stripe }];
    });
    return Object.fromEntries(looks);
  }

  unpin() {
    this.#pin(null);
  }

  /** A step that a change of layout moves under a resting pointer does not count as pointed at. */
  #step(step, text) {
    let entered = null;
    const on = () => this.light(step);
    const off = () => this.light(this.#pinned);
    const moved = ({ screenX, screenY }) => {
      if (entered && (screenX !== entered.screenX || screenY !== entered.screenY)) on();
    };
    const enter = ({ screenX, screenY }) => (entered = { screenX, screenY });
    const keep = () => this.#pin(this.#pinned === step ? null : step);
    const listeners = { onpointerenter: enter, onpointermove: moved, onpointerleave: off, onfocus: on, onblur: off, onclick: keep };
    return el("li", { "data-step": step }, el("button", { type: "button", "aria-pressed": "false", title: "Click to keep only these coins lit", ...listeners }, text));
  }

  #pin(step) {
    this.#pinned = step;
    let words = null;
    for (const { dataset, firstChild } of this.element.children) {
      const on = dataset.step === step;
      firstChild.setAttribute("aria-pressed", String(on));
      if (on) words = firstChild.textContent;
    }
    this.light(step);
    this.pinned(words);
  }
}
