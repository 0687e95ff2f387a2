// The colour scale of changes: the steps of each window. Pure.

// Upper bounds in percent of the first three of four steps to each side; the fourth is open.
const BOUNDS = {
  "1h": [0.25, 0.75, 1.5],
  "24h": [1, 3, 6],
  "7d": [3, 8, 15],
  "14d": [4, 12, 20],
  "30d": [5, 15, 30],
  "200d": [10, 30, 75],
  "1y": [15, 50, 100],
};

export const WINDOWS = Object.keys(BOUNDS);

/** -4 ... 4 for a percentage, 0 when it is shown as 0.00 %, "none" without a value. */
export function step(percent, window) {
  if (typeof percent !== "number" || !Number.isFinite(percent)) return "none";
  const size = Math.abs(percent);
  if (Math.round(size * 100) === 0) return 0;
  const bounds = BOUNDS[window];
  const level = 1 + bounds.filter((bound) => size >= bound).length;
  return percent > 0 ? level : -level;
}

/** The legend, from worst to best, as [step, text]. */
export function legend(window) {
  const [a, b, c] = BOUNDS[window];
  return [
    [-4, `≤ −${c}%`], [-3, `−${c} to −${b}%`], [-2, `−${b} to −${a}%`], [-1, `−${a} to 0%`], [0, "0%"],
    [1, `0 to ${a}%`], [2, `${a} to ${b}%`], [3, `${b} to ${c}%`], [4, `≥ ${c}%`],
  ];
}
