// The part of the map that is looked at: a view {k, x, y}, in which the point p of the map is at p * k + x on the screen.
// Pure: a view is never changed, only replaced. The map always fills its box.

export const WHOLE = Object.freeze({ k: 1, x: 0, y: 0 });

const MOST = 16; // at which the smallest of 500 tiles has room for its label

function within(k, x, y, { width, height }) {
  return { k, x: Math.min(0, Math.max(width * (1 - k), x)), y: Math.min(0, Math.max(height * (1 - k), y)) };
}

/** Nearer by a factor (below 1: farther), with the point under (px, py) staying where it is. */
export function around(view, factor, px, py, box) {
  const k = Math.min(MOST, Math.max(1, view.k * factor));
  const by = k / view.k;
  return within(k, px - (px - view.x) * by, py - (py - view.y) * by, box);
}

export function panned({ k, x, y }, dx, dy, box) {
  return within(k, x + dx, y + dy, box);
}

/** The view that shows a place as large as it can be. */
export function onto(place, box) {
  const k = Math.min(MOST, box.width / place.width, box.height / place.height);
  const middle = (start, length, room) => room / 2 - (start + length / 2) * k;
  return within(k, middle(place.x, place.width, box.width), middle(place.y, place.height, box.height), box);
}

/** Where a place of the map is on the screen. */
export function onScreen({ k, x, y }, place) {
  return { x: place.x * k + x, y: place.y * k + y, width: place.width * k, height: place.height * k };
}

/** The view that shows a place whole, or its beginning if it has no room, and is else the same. */
export function revealing(view, place, box) {
  const at = onScreen(view, place);
  const push = (start, length, room) => {
    if (start < 0 || length > room) return -start;
    return Math.min(0, room - start - length);
  };
  const dx = push(at.x, at.width, box.width);
  const dy = push(at.y, at.height, box.height);
  return dx || dy ? panned(view, dx, dy, box) : view;
}
