// The headings of the groups on the map: a button for each over its strip, which enlarges the group. One of them is in
// the order of the tabulator, and arrow keys lead to the others.

import { el, setAttribute, setText } from "../widgets/dom.js";
import { room } from "./groups.js";
import { GLIDE_MS } from "./mosaic.js";
import { onScreen, WHOLE } from "./zoom.js";

const STRIP = 24; // pixels that a heading takes from its group: as high as a finger's target has to be
const LINE = 12; // pixels that its text needs
const SHARE = 2; // a heading takes at most one part of so many of the height of a low group
const SIZE = 12; // pixels of its letters
const LARGEST = 2; // times that, when the map is enlarged
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** The text whose width is measured: all digits count as zeros, so that headings do not appear and vanish with them. */
function shape(text) {
  return text.replace(/\d/g, "0");
}

function at({ x, y, width }) {
  return { transform: `translate(${x}px, ${y}px)`, width: `${width}px` };
}

export class MapHeads {
  #heads = new Map(); // name -> {button, name, change, box}
  #widths = new Map();
  #view = WHOLE;

  /** `point(name)` is called with a heading that is pointed at or has the focus, and with null when it no longer is;
   * `enlarge(name)` when one is chosen; `reveal(name)` when one gets the focus by a key. */
  constructor({ point, enlarge, reveal }) {
    Object.assign(this, { point, enlarge, reveal });
    this.pen = new OffscreenCanvas(1, 1).getContext("2d");
    this.element = el("div", { class: "map-heads", role: "group", "aria-label": "Groups", hidden: true });
    this.element.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Takes the map's font. */
  dress(family) {
    this.pen.font = `600 ${SIZE}px ${family}`;
    this.#widths.clear();
    this.#fit();
  }

  /** How high the strip of a group is: 0 when not even the beginning of its name has room. */
  strip(name, { width, height }) {
    const strip = Math.min(STRIP, Math.floor(height / SHARE));
    return room({ width, height: strip }, LINE, this.#wide(name), 0) ? strip : 0;
  }

  /** Puts the headings of groups, a Map from name to {x, y, width, height, strip}, where these are. */
  place(groups, size, gliding) {
    this.size = size;
    this.element.hidden = !groups.size;
    for (const [name, { button }] of this.#heads) {
      if (groups.has(name)) continue;
      button.remove();
      this.#heads.delete(name);
    }
    for (const [name, box] of groups) {
      const head = this.#heads.get(name) ?? this.#create(name);
      const from = head.box;
      head.box = { ...box, height: box.strip };
      if (gliding && from?.height && box.strip) this.#glide(head, from);
    }
    if (!this.#heads.has(this.current)) this.#tabbable(groups.keys().next().value);
    this.#fit();
  }

  /** Sets the texts of headings, a Map from name to [change as text, its direction, the name for screen readers]. */
  show(changes) {
    for (const [name, head] of this.#heads) {
      const [text, way, spoken] = changes.get(name) ?? ["", "none", name];
      const before = shape(head.change.textContent);
      setText(head.change, text);
      setAttribute(head.change, "data-way", way);
      setAttribute(head.button, "aria-label", spoken);
      if (before !== shape(text)) this.#fit([head]);
    }
  }

  look(view) {
    this.#view = view;
    this.#fit();
  }

  /** Where a heading is in the window; null when it is not to be seen. */
  window(name) {
    const button = this.#heads.get(name)?.button;
    return button && !button.hidden ? button.getBoundingClientRect() : null;
  }

  #create(name) {
    const head = { name: el("span", { class: "map-head-name" }, name), change: el("span", { class: "change" }) };
    head.button = el("button", { type: "button", class: "map-head", tabindex: "-1", "data-group": name, onclick: () => this.enlarge(name) }, head.name, " ", head.change); // or 0.00% would be part of its last word
    head.button.addEventListener("pointerenter", ({ pointerType }) => pointerType === "touch" || this.point(name));
    head.button.addEventListener("pointerleave", ({ pointerType }) => pointerType === "touch" || this.point(null));
    head.button.addEventListener("focus", () => this.#focused(name));
    head.button.addEventListener("blur", () => this.point(null));
    this.#heads.set(name, head);
    this.element.append(head.button);
    return head;
  }

  /** Puts headings over what one sees of their strips, with as much of their text as has room; what is out of sight
   * cannot be tabbed to. Enlarged strips have larger letters. */
  #fit(heads = this.#heads.values()) {
    const larger = Math.min(LARGEST, Math.sqrt(this.#view.k));
    for (const { button, name, change, box } of heads) {
      const { x, y, width, height } = this.#seen(box);
      const widths = [name, change].map(({ textContent }) => this.#wide(textContent) * larger);
      const shows = room({ width, height }, LINE, ...widths);
      button.hidden = !shows;
      change.hidden = shows !== "both";
      Object.assign(button.style, { ...at({ x, y, width }), height: `${height}px`, fontSize: `${Math.min(SIZE * larger, height - 1)}px` });
    }
  }

  /** The part of a strip that is on the map. */
  #seen(box) {
    const { x, y, width, height } = onScreen(this.#view, box);
    const [left, top] = [Math.max(0, x), Math.max(0, y)];
    return { x: left, y: top, width: Math.min(this.size.width, x + width) - left, height: Math.min(this.size.height, y + height) - top };
  }

  #glide({ button, box }, from) {
    button.animate([from, box].map((place) => at(this.#seen(place))), { duration: GLIDE_MS, easing: "cubic-bezier(0.33, 1, 0.68, 1)" });
  }

  #wide(text) {
    const key = shape(text);
    if (!this.#widths.has(key)) this.#widths.set(key, this.pen.measureText(key).width);
    return this.#widths.get(key);
  }

  #tabbable(name) {
    this.#heads.get(this.current)?.button.setAttribute("tabindex", "-1");
    this.#heads.get(name)?.button.setAttribute("tabindex", "0");
    this.current = name;
  }

  #focused(name) {
    this.#tabbable(name);
    this.point(name);
  }

  #walk(event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !(key in STEPS || key === "Home" || key === "End")) return;
    event.preventDefault();
    event.stopPropagation(); // else the map would walk from coin to coin
    const names = [...this.#heads].filter(([, { box }]) => box.height).map(([name]) => name);
    const ends = { Home: 0, End: names.length - 1 };
    const name = names[ends[key] ?? names.indexOf(this.current) + STEPS[key]];
    if (!name) return;
    this.reveal(this.#heads.get(name).box);
    this.#heads.get(name).button.focus({ preventScroll: true });
  }
}
