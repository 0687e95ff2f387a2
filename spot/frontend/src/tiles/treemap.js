// Where the tiles of the map lie. Pure but for its memory of the last layout, which keeps tiles in their places.

import { hierarchy, treemap, treemapResquarify } from "d3-hierarchy";

// By d3's golden ratio equal tiles would be wide on one side of the map and tall on the other, where no label fits them.
const SQUARE = treemapResquarify.ratio(1);

const MOST_OF_REST = 24; // times what all smaller coins weigh together, for those above them together
const LEAST_GROUP = 2000; // pixels of the smallest group: enough for a heading
const BETWEEN = 3; // pixels from one group to the next

export class Layout {
  #root = null;
  #shape = "";

  /** Where the groups lie, a Map from their names to {x, y, width, height, strip}: `strip` pixels of the height, at the
   * top, are their heading's. Empty without groups. */
  groups = new Map();

  /**
   * Places items `{id, size}` in a box of the given size; returns a Map from id to {x, y, width, height} in pixels.
   * While the items and the box are the same, tiles only grow and shrink: each keeps its neighbours. Items with a `group`
   * lie within the rectangle of that, the groups in the given order; `strip(name, box)` returns the height of a heading.
   */
  place(items, width, height, strip = () => 0) {
    const sizes = named(items, bounded(new Map(items.map(({ id, size }) => [id, size]))), width * height);
    const shape = `${width}x${height}:${items.map(({ id, group = "" }) => `${id} ${group}`).sort().join()}`;
    if (shape !== this.#shape) {
      this.#root = hierarchy({ children: parted(items) });
      this.#shape = shape;
      this.#sum(sizes).sort((a, b) => (a.children ? 0 : b.value - a.value));
    }
    const equal = new Set(sizes.values()).size === 1;
    const strips = new Map();
    const top = (node) => {
      if (node.depth !== 1) return 0;
      strips.set(node.data.name, strip(node.data.name, box(node)));
      return strips.get(node.data.name);
    };
    const tile = (node, ...edges) => (equal && node.height === 1 ? SQUARE : treemapResquarify)(node, ...edges);
    const inner = ({ height: levels }) => (levels > 1 ? BETWEEN : 0);
    treemap().tile(tile).paddingTop(top).paddingInner(inner).size([width, height]).round(false)(this.#sum(sizes));
    const parts = this.#root.children?.filter(({ children }) => children) ?? [];
    this.groups = new Map(parts.map((node) => [node.data.name, { ...box(node), strip: strips.get(node.data.name) }]));
    return new Map(this.#root.leaves().map((leaf) => [leaf.data.id, box(leaf)]));
  }

  #sum(sizes) {
    return this.#root.sum(({ id }) => sizes.get(id) ?? 0);
  }
}

/** Sizes of which none is out of all measure: the others together keep a part of the map that can be seen. */
export function bounded(sizes) {
  const ascending = [...sizes].sort((a, b) => a[1] - b[1]);
  let rest = 0;
  for (const [index, [, size]] of ascending.entries()) {
    if (rest > 0 && index >= ascending.length / 2 && size > MOST_OF_REST * rest) {
      const giants = ascending.slice(index).map(([id]) => id);
      return new Map([...sizes, ...giants.map((id) => [id, (MOST_OF_REST * rest) / giants.length])]);
    }
    rest += size;
  }
  return sizes;
}

/** Sizes with which each group has room for the beginning of its name. */
function named(items, sizes, area) {
  const sums = new Map();
  for (const { id, group } of items) if (group !== undefined) sums.set(group, (sums.get(group) ?? 0) + sizes.get(id));
  if (!sums.size || !area) return sizes;
  const least = (LEAST_GROUP / area) * [...sums.values()].reduce((a, b) => a + b, 0);
  const factor = (group) => (sums.get(group) > 0 ? Math.max(1, least / sums.get(group)) : 1);
  return new Map(items.map(({ id, group }) => [id, sizes.get(id) * (group === undefined ? 1 : factor(group))]));
}

/** Items with a group below it, the others by themselves. */
function parted(items) {
  const groups = new Map();
  for (const { id, group } of items) {
    if (group === undefined) continue;
    if (!groups.has(group)) groups.set(group, { name: group, children: [] });
    groups.get(group).children.push({ id });
  }
  return groups.size ? [...groups.values()] : items.map(({ id }) => ({ id }));
}

function box({ x0, y0, x1, y1 }) {
  return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
}

const TOWARDS = {
  ArrowLeft: (a, b) => [a.x - b.x, a.y - b.y],
  ArrowRight: (a, b) => [b.x - a.x, a.y - b.y],
  ArrowUp: (a, b) => [a.y - b.y, a.x - b.x],
  ArrowDown: (a, b) => [b.y - a.y, a.x - b.x],
};

/** The id of the nearest tile in the direction of an arrow key; straight ahead counts for more than beside. */
export function neighbour(places, from, key) {
  const centre = ({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 });
  const here = centre(places.get(from));
  let best = null;
  for (const [id, place] of places) {
    const [ahead, beside] = TOWARDS[key](here, centre(place));
    const distance = ahead + 2 * Math.abs(beside);
    if (ahead > 0 && (!best || distance < best.distance)) best = { id, distance };
  }
  return best?.id ?? null;
}

/** The id of the tile at a point, or null. */
export function at(places, x, y) {
  for (const [id, place] of places) {
    if (x >= place.x && x < place.x + place.width && y >= place.y && y < place.y + place.height) return id;
  }
  return null;
}

const SMALL = 9; // pixels: a smaller label is illegible, and left out

/**
 * The font sizes of a tile's two lines, 0 for what does not fit: the symbol, and below it the percentage.
 * `wide` and `below` are the widths of the two at a font size of 1.
 */
export function label({ width, height }, wide, below) {
  const both = Math.min((width - 8) / Math.max(wide, below * 0.8), (height - 6) / 2.3, 34);
  if (both >= SMALL / 0.8) return { symbol: half(both), change: half(both * 0.8) };
  const alone = Math.min((width - 4) / wide, (height - 2) / 1.15, 12);
  return { symbol: alone >= SMALL ? half(alone) : 0, change: 0 };
}

/** Down to half a pixel, so that few sizes are in use. */
function half(size) {
  return Math.floor(size * 2) / 2;
}
