// The movers as three lists where there is room, else as tabs.

import { settings } from "../page/settings.js";
import { el, setAttribute } from "../widgets/dom.js";

const NAME = "movers-tab";
const FEW = 5; // rows up to which three lists may stand one below the other
const LEAST = 3 * (18 + FEW * 24) + 4; // pixels that three lists of a few rows need beside the map
const ROW = 32; // pixels of a row in a list that is scrolled

export class MoversTabs {
  /** `body` is what the panel has room in, `box` holds the `lists`, `guard` stands below them; `count()` is how many rows
   * each list has. */
  constructor(body, box, lists, guard, count) {
    Object.assign(this, { body, box, lists, guard, count });
    this.columns = matchMedia("(min-width: 701px) and (max-width: 1100px), (min-width: 1800px)");
    this.beside = matchMedia("(min-width: 1101px) and (max-width: 1799px)");
    this.tabs = lists.map(({ title }, index) => this.#tab(title, index));
    this.element = el("div", { class: "movers-tabs", role: "tablist", "aria-label": "Movers", hidden: true }, ...this.tabs);
    this.element.addEventListener("keydown", (event) => this.#walk(event));
    this.chosen = Math.max(0, Math.min(lists.length - 1, Number(settings.get(NAME, 0)) || 0));
    new ResizeObserver(() => this.arrange()).observe(body);
  }

  /** Shows tabs or all lists, whichever suits the room and the number of rows. */
  arrange() {
    const room = this.body.clientHeight - this.guard.offsetHeight;
    const tabbed = !this.columns.matches && (this.count() > FEW || (this.beside.matches && room < LEAST));
    this.element.hidden = !tabbed;
    this.box.toggleAttribute("data-tabbed", tabbed);
    this.box.toggleAttribute("data-few", !tabbed && this.beside.matches);
    const rows = Math.max(1, Math.floor((room - this.element.offsetHeight - 32) / ROW));
    for (const [index, { box, items }] of this.lists.entries()) {
      const on = index === this.chosen;
      box.hidden = tabbed && !on;
      setAttribute(box, "role", tabbed ? "tabpanel" : null);
      setAttribute(box, "aria-labelledby", tabbed ? this.tabs[index].id : null);
      items.style.maxHeight = tabbed && this.beside.matches ? `${rows * ROW}px` : "";
      setAttribute(items, "aria-label", tabbed ? this.lists[index].title : null);
      setAttribute(this.tabs[index], "aria-selected", String(on));
      setAttribute(this.tabs[index], "tabindex", on ? "0" : "-1");
    }
  }

  #tab(title, index) {
    return el("button", { type: "button", role: "tab", id: `movers-tab-${index}`, onclick: () => this.#choose(index) }, title);
  }

  #choose(index) {
    this.chosen = index;
    settings.set(NAME, index || null);
    this.arrange();
  }

  #walk({ key }) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    this.#choose((this.chosen + step + this.tabs.length) % this.tabs.length);
    this.tabs[this.chosen].focus();
  }
}
