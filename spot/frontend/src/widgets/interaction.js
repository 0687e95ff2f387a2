// Whether a list is under the pointer or has the focus, so that its rows must not move.

export class Interaction {
  #pointed = false;
  #focused = false;

  /** `released` is called when neither is the case any more. */
  constructor(list, released) {
    this.released = released;
    list.addEventListener("pointerenter", ({ pointerType }) => this.#set({ pointed: pointerType !== "touch" }));
    list.addEventListener("pointerleave", () => this.#set({ pointed: false }));
    list.addEventListener("focusin", () => this.#set({ focused: true }));
    list.addEventListener("focusout", ({ relatedTarget }) => this.#set({ focused: list.contains(relatedTarget) }));
  }

  get active() {
    return this.#pointed || this.#focused;
  }

  #set({ pointed = this.#pointed, focused = this.#focused }) {
    const before = this.active;
    this.#pointed = pointed;
    this.#focused = focused;
    if (before && !this.active) this.released();
  }
}

/** Orders elements, moving only those out of place: an element that is moved loses the focus. */
export function place(list, elements) {
  let at = list.firstChild;
  for (const element of elements) {
    if (element === at) at = at.nextSibling;
    else list.insertBefore(element, at);
  }
}
