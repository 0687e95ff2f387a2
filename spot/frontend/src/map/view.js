// The interactive map: the canvas, real links for the tiles under the pointer and with the focus, the headings of groups,
// the card, and zooming.

import { at, neighbour } from "../tiles/treemap.js";
import { link, retarget } from "../widgets/coin_name.js";
import { el, setAttribute } from "../widgets/dom.js";
import { Gestures } from "./gestures.js";
import { MapHeads } from "./heads.js";
import { Mosaic } from "./mosaic.js";
import * as tooltip from "./tooltip.js";
import { around, onScreen, onto, panned, revealing, WHOLE } from "./zoom.js";

const AROUND = 8; // pixels that the card stays away from the pointer
const NEARER = 1.6;
const TWICE_MS = 500; // within which two clicks are one double click
const DOUBLE_MS = 220; // a second click within this means zooming; until then the first opens nothing

export class MapView {
  places = new Map();
  groups = new Map();
  view = WHOLE;

  /** `name(id)` is the accessible name of a tile; `describe(id, box)` shows its card, `describeGroup(name, box)` that of
   * a group; `zoomed()` is called after zooming. */
  constructor({ name, describe, describeGroup, zoomed }) {
    Object.assign(this, { name, describe, describeGroup, zoomed });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.mosaic = new Mosaic(this.canvas);
    this.pointed = link("", { class: "tile tile-pointed", tabindex: "-1", "aria-hidden": "true", hidden: true });
    this.focused = link("", { class: "tile tile-focused", hidden: true });
    this.heads = new MapHeads({
      point: (group) => this.#pointAt(group),
      enlarge: (group) => this.#enlarge(group),
      reveal: (place) => this.#look(revealing(this.view, place, this.box)),
    });
    this.element = el("div", { class: "map", role: "group", "aria-label": "Market map" }, this.canvas, this.pointed, this.focused, this.heads.element);
    this.#listen();
  }

  get box() {
    return { width: this.element.clientWidth, height: this.element.clientHeight };
  }

  fit() {
    const { width, height } = this.box;
    this.mosaic.resize(width, height, Math.min(3, devicePixelRatio || 1));
    this.#look(panned(this.view, 0, 0, this.box));
  }

  /** Puts tiles and groups at their places; the first tile gets the focus when the one that had it is gone. */
  place(places, groups, gliding) {
    this.places = places;
    this.groups = groups;
    this.mosaic.place(places, gliding);
    this.heads.place(groups, this.box, gliding);
    setAttribute(this.element, "data-tiles", places.size);
    if (!places.has(this.current)) this.#focusOn(places.keys().next().value ?? null);
    if (!places.has(this.under)) this.#point(null);
    this.#follow();
    this.draw();
  }

  paint(id, symbol, text, step) {
    this.mosaic.set(id, symbol, text, step);
  }

  /** Draws what has changed, and goes on until nothing moves any more. */
  draw() {
    if (!this.mosaic.colours) return;
    cancelAnimationFrame(this.drawing);
    if (!this.mosaic.draw()) this.drawing = requestAnimationFrame(() => this.draw());
  }

  /** Draws in the next frame, once for any number of calls. */
  #soon() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => this.draw());
  }

  dress(colours) {
    const { fontFamily } = getComputedStyle(this.element);
    this.mosaic.dress(colours, fontFamily);
    this.heads.dress(fontFamily);
    this.#soon();
  }

  highlight(step) {
    this.mosaic.highlight(step);
    this.#soon();
  }

  /** Shows the card of what is described again, with its newest numbers. */
  refresh() {
    if (this.current) setAttribute(this.focused, "aria-label", this.name(this.current));
    const heading = this.group && this.heads.window(this.group);
    if (heading) return this.describeGroup(this.group, heading);
    if (this.group) return this.leave();
    if (!this.described) return;
    if (this.places.has(this.described)) this.describe(this.described, this.pointer ?? this.#window(this.described));
    else this.leave();
  }

  leave() {
    this.described = this.group = null;
    tooltip.hide();
  }

  /** Zooms about a place; the buttons, about the place pointed at last or the middle of the view. */
  zoom(factor, x = this.last?.x ?? this.box.width / 2, y = this.last?.y ?? this.box.height / 2) {
    this.#look(around(this.view, factor, x, y, this.box));
  }

  reset() {
    this.last = null;
    this.#look(WHOLE);
  }

  /** The tile of a coin with its place on the screen, or null. */
  tile(id) {
    const drawn = this.mosaic.tiles.get(id);
    if (!drawn) return null;
    const { symbol, text, step } = drawn;
    const { x, y, width, height } = this.#window(id);
    return { symbol, text, step, x, y, width, height };
  }

  #look(view) {
    this.view = view;
    this.mosaic.look(view);
    this.heads.look(view);
    this.element.toggleAttribute("data-zoomed", view.k > 1);
    this.#follow();
    this.zoomed(view.k);
    this.#soon();
  }

  #window(id) {
    const { x, y, width, height } = onScreen(this.view, this.places.get(id));
    const { left, top } = this.element.getBoundingClientRect();
    return new DOMRect(left + x, top + y, width, height);
  }

  /** Keeps the two links on their tiles. */
  #follow() {
    for (const [anchor, id] of [[this.pointed, this.under], [this.focused, this.current]]) {
      const place = this.places.get(id);
      anchor.hidden = !place;
      if (!place) continue;
      const { x, y, width, height } = onScreen(this.view, place);
      anchor.style.transform = `translate(${x}px, ${y}px)`;
      anchor.style.width = `${width - 1}px`;
      anchor.style.height = `${height - 1}px`;
    }
  }

  #focusOn(id) {
    this.current = id;
    if (!id) return;
    retarget(this.focused, id);
    setAttribute(this.focused, "aria-label", this.name(id));
    this.#follow();
  }

  #point(id) {
    if (id === this.under) return;
    this.under = id;
    if (id) retarget(this.pointed, id);
    this.#follow();
  }

  #listen() {
    const { element } = this;
    element.addEventListener("pointermove", (event) => this.#hover(event));
    element.addEventListener("pointerdown", (event) => this.#pressed(event));
    element.addEventListener("pointerleave", (event) => this.#away(event));
    element.addEventListener("mousedown", (event) => event.preventDefault()); // the focus goes where #pressed puts it
    element.addEventListener("dblclick", (event) => this.#twice(event));
    element.addEventListener("click", (event) => this.#clicked(event));
    element.addEventListener("keydown", (event) => this.#key(event));
    this.focused.addEventListener("focus", () => this.#describe(this.current));
    this.focused.addEventListener("blur", () => this.leave());
    addEventListener("keydown", ({ key }) => key === "Escape" && this.leave());
    addEventListener("scroll", () => this.refresh(), { passive: true });
    this.gestures = new Gestures(element, {
      zoom: (factor, x, y) => {
        this.zoom(factor, x, y);
        this.refresh();
      },
      pan: (dx, dy) => {
        this.leave();
        this.#look(panned(this.view, dx, dy, this.box));
      },
      isZoomed: () => this.view.k > 1,
    });
  }

  /** The tile under the pointer. */
  #tileAt({ clientX, clientY }) {
    const { left, top } = this.element.getBoundingClientRect();
    const { k, x, y } = this.view;
    return at(this.places, (clientX - left - x) / k, (clientY - top - y) / k);
  }

  #hover(event) {
    if (event.pointerType === "touch") return;
    this.#pointerAt(event);
    const id = this.#tileAt(event);
    if (id === this.under) return this.described === id && this.refresh();
    this.#point(id);
    if (id) this.#describe(id);
  }

  /** Where the pointer is: beside it stands the card, a big tile's far edge would be out of sight. */
  #pointerAt({ clientX, clientY }) {
    const { left, top } = this.element.getBoundingClientRect();
    this.last = { x: clientX - left, y: clientY - top };
    this.pointer = new DOMRect(clientX - AROUND, clientY - AROUND, 2 * AROUND, 2 * AROUND);
  }

  /** A finger that is lifted leaves the card where it is: there is no other way to read it. */
  #away({ pointerType }) {
    if (pointerType === "touch") return;
    this.pointer = null;
    this.#point(null);
    if (this.focused === document.activeElement && this.focused.matches(":focus-visible")) this.#describe(this.current);
    else this.leave();
  }

  #pressed(event) {
    const id = this.#tileAt(event);
    if (!id || event.button !== 0) return;
    this.touched = event.pointerType === "touch" && this.described !== id;
    this.#point(id);
    this.#focusOn(id);
    this.focused.focus({ preventScroll: true });
    this.#describe(id);
  }

  /** Describes a group, or nothing for null. */
  #pointAt(group) {
    this.leave();
    if (!group) return;
    this.#point(null);
    this.group = group;
    this.refresh();
  }

  /** Shows a group as large as it can be. The second click of two finds something else under the pointer. */
  #enlarge(group) {
    this.leave();
    this.enlargedAt = performance.now();
    this.#look(onto(this.groups.get(group), this.box));
  }

  #describe(id) {
    if (!id || !this.places.has(id)) return;
    this.group = null;
    this.described = id;
    this.refresh();
    setAttribute(this.focused, "aria-describedby", tooltip.ID);
  }

  /** A click opens the coin, unless it is the first half of a double click, or a finger's first tap, which describes. */
  #clicked(event) {
    clearTimeout(this.opening);
    if (!event.detail || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (event.detail > 1 || this.touched || !this.under) return;
    const { href } = this.pointed;
    this.opening = setTimeout(() => location.assign(href), event.pointerType === "touch" ? 0 : DOUBLE_MS);
  }

  #twice(event) {
    clearTimeout(this.opening);
    if (performance.now() - this.enlargedAt < TWICE_MS) return;
    const { left, top } = this.element.getBoundingClientRect();
    this.zoom(event.shiftKey ? 1 / NEARER : NEARER, event.clientX - left, event.clientY - top);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const zooms = { "+": NEARER, "=": NEARER, "-": 1 / NEARER };
    if (event.key in zooms) this.#zoomOnFocus(zooms[event.key]);
    else if (event.key === "0") this.reset();
    else if (!this.#walk(event.key)) return;
    event.preventDefault();
  }

  #zoomOnFocus(factor) {
    const { x, y, width, height } = onScreen(this.view, this.places.get(this.current));
    this.zoom(factor, x + width / 2, y + height / 2);
    if (this.described) this.refresh();
  }

  /** Moves the focus to another tile; returns whether the key is one that does. */
  #walk(key) {
    this.pointer = null;
    const ids = [...this.places.keys()];
    const ends = { Home: ids[0], End: ids.at(-1) };
    if (!(key in ends) && !key.startsWith("Arrow")) return false;
    const next = ends[key] ?? neighbour(this.places, this.current, key);
    if (!next) return true;
    this.#focusOn(next);
    this.#look(revealing(this.view, this.places.get(next), this.box));
    this.focused.focus({ preventScroll: true });
    this.#describe(next);
    return true;
  }
}
