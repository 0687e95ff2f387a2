// Where the tiles of the map lie. Pure but for its memory of the last layout, which keeps tiles in their places.

import { hierarchy, treemap, treemapResquarify } from "d3-hierarchy";

export class Layout {
  #root = null;
  #shape = "";

  /**
   * Places items `{id, size}` in a box of the given size; returns a Map from id to {x, y, width, height} in pixels.
   * While the items and the box are the same, tiles only grow and shrink: each keeps its neighbours.
   */
  place(items, width, height) {
    const sizes = new Map(items.map(({ id, size }) => [id, size]));
    const shape = `${width}x${height}:${[...sizes.keys()].sort().join()}`;
    if (shape !== this.#shape) {
      this.#root = hierarchy({ children: items.map(({ id }) => ({ id })) });
      this.#shape = shape;
      this.#sum(sizes).sort((a, b) => b.value - a.value);
    }
    treemap().tile(treemapResquarify).size([width, height]).round(true).paddingInner(1)(this.#sum(sizes));
    return new Map(this.#root.leaves().map((leaf) => [leaf.data.id, box(leaf)]));
  }

  #sum(sizes) {
    return this.#root.sum(({ id }) => sizes.get(id) ?? 0);
  }
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

/** What of a tile's label fits: a font size in pixels and whether the percentage goes below the symbol. */
export function label({ width, height }, symbol) {
  const widest = Math.max(symbol.length, 5);
  const full = Math.min((width - 8) / (widest * 0.64), (height - 6) / 2.5, 34);
  if (full >= 10) return { size: Math.floor(full), lines: 2 };
  const alone = Math.min((width - 4) / (symbol.length * 0.68), (height - 2) / 1.2, 12);
  return alone >= 8.5 ? { size: Math.floor(alone * 2) / 2, lines: 1 } : { size: 0, lines: 0 };
}
