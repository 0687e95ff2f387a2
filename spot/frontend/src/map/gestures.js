// Wheel, fingers and dragging over the map, as zooming and panning. One finger scrolls the page until the map is zoomed.

const SLACK = 4; // pixels that a pointer may stray in a click

function wheelFactor({ deltaY, deltaMode, ctrlKey }) {
  const pixels = deltaY * (deltaMode === 1 ? 16 : deltaMode === 2 ? 400 : 1);
  return Math.exp(-Math.max(-240, Math.min(240, pixels)) * (ctrlKey ? 0.01 : 0.003));
}

/**
 * Calls `zoom(factor, x, y)` and `pan(dx, dy)`, in pixels of the element. `isZoomed()`: whether there is anything to
 * pan; the wheel belongs to the page unless the map has the focus or Ctrl is held.
 */
export class Gestures {
  #pointers = new Map();
  #dragged = false;

  constructor(element, { zoom, pan, isZoomed }) {
    Object.assign(this, { element, zoom, pan, isZoomed });
    const listen = (type, listener, options) => element.addEventListener(type, listener, options);
    listen("wheel", (event) => this.#wheel(event), { passive: false });
    listen("pointerdown", (event) => this.#down(event));
    listen("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"]) listen(type, (event) => this.#up(event));
    listen("click", (event) => this.#click(event), true);
    listen("dragstart", (event) => event.preventDefault());
  }

  #at({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }

  #wheel(event) {
    const factor = wheelFactor(event);
    if (!event.ctrlKey && !this.element.matches(":focus-within")) return;
    if (factor < 1 && !this.isZoomed() && !event.ctrlKey) return; // nothing left to do here: the page scrolls
    event.preventDefault();
    const { x, y } = this.#at(event);
    this.zoom(factor, x, y);
  }

  #down(event) {
    if (event.button !== 0) return;
    if (!this.#pointers.size) this.#dragged = false;
    this.#pointers.set(event.pointerId, this.#at(event));
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) this.#pinch(before, now, other);
    else if (!this.#drag(event, before, now)) return; // not far enough yet: keep where it began
    this.#pointers.set(event.pointerId, now);
  }

  #pinch(before, now, other) {
    const apart = (a, b) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
    this.#dragged = true;
    this.zoom(apart(now, other) / apart(before, other), (now.x + other.x) / 2, (now.y + other.y) / 2);
    this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  #drag(event, before, now) {
    const far = Math.hypot(now.x - before.x, now.y - before.y) > SLACK;
    if (!this.isZoomed() || !(far || this.#dragged)) return false;
    this.#dragged = true;
    this.element.setPointerCapture(event.pointerId);
    this.pan(now.x - before.x, now.y - before.y);
    return true;
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
  }

  /** The click that ends a drag opens nothing. */
  #click(event) {
    if (!this.#dragged || !event.detail) return;
    this.#dragged = false;
    event.preventDefault();
    event.stopPropagation();
  }
}
