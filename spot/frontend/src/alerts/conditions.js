// Conditions on successive answers of a view: a state machine for each row. Pure; the server has the same in Python
// (spot/alerts/conditions.py), held to this one by tests/spot/alerts/cases.json.
//
//   const { state, firings } = step(condition, stateBefore, { at, values, missing, source, simulated, stale });
//
// `values` maps rows to numbers (null: no value), `missing` lists rows whose absence says nothing. The first answer fires
// nothing, nor does the first one of another source or realm: it only sets where each row stands.

const PARTS = 30; // of a window, of each of which the lowest and the highest value are stored
const MOST_ROWS = 2000;
const VIEW = "";

const USUAL = { value: 0, window_ms: 0, direction: "either", hysteresis: 0, confirm: 1, cooldown_ms: 0, recovery: false, simulated: false };

export const START = { origin: "", sides: {}, fired: {}, counts: {}, samples: {} };

function originOf({ kind }, { simulated, source }) {
  const realm = simulated ? "simulated" : "live";
  return kind === "stale" ? realm : `${realm}:${source}`;
}

/** The state after an answer, and what fires: [{key, event, base, percent}]. */
export function step(given, before, answer) {
  const condition = { ...USUAL, ...given };
  const { at, values = {}, missing = [], source = "", simulated = false, stale = false } = answer;
  const facts = { at, values, missing: new Set(missing), source, simulated, stale };
  if (simulated && !condition.simulated) return { state: before, firings: [] };
  const origin = originOf(condition, facts);
  const known = before.origin === origin;
  const draft = new Draft(condition, known ? before : { ...before, counts: {}, samples: {} }, facts);
  const moved = MOVES[condition.kind](draft, known);
  const firings = known ? moved.filter((firing) => draft.fire(firing)) : [];
  return { state: draft.state(origin), firings };
}

/** A state that is being changed by one answer. */
class Draft {
  constructor(condition, state, answer) {
    Object.assign(this, { condition, answer });
    this.sides = new Map(Object.entries(state.sides));
    this.fired = new Map(Object.entries(state.fired));
    this.counts = new Map(Object.entries(state.counts));
    this.samples = new Map(Object.entries(state.samples));
    this.present = new Set(Object.keys(answer.values));
  }

  /** Notes that a row fires, unless it rests. */
  fire({ key, event }) {
    if (event === "recovered") return true;
    const since = this.answer.at - (this.fired.get(key) ?? -Infinity);
    if (since >= 0 && since < this.condition.cooldown_ms) {
      if (event === "stale") this.sides.set(VIEW, "stale in silence");
      return false;
    }
    this.fired.set(key, this.answer.at);
    return true;
  }

  /** Counts one more answer that contradicts a row's side; whether they are enough. */
  agreed(key) {
    const count = (this.counts.get(key) ?? 0) + 1;
    if (count < this.condition.confirm) this.counts.set(key, count);
    else this.counts.delete(key);
    return count >= this.condition.confirm;
  }

  numbers() {
    return Object.entries(this.answer.values).filter(([, value]) => Number.isFinite(value));
  }

  state(origin) {
    const { at } = this.answer;
    const rests = ([, then]) => at - then >= 0 && at - then < this.condition.cooldown_ms;
    const gone = [...this.sides.keys()].filter((key) => key !== VIEW && !this.present.has(key));
    for (const key of gone.slice(0, Math.max(0, this.sides.size - MOST_ROWS))) this.sides.delete(key);
    return {
      origin,
      sides: Object.fromEntries(this.sides),
      fired: Object.fromEntries([...this.fired].filter(rests)),
      counts: Object.fromEntries(this.counts),
      samples: Object.fromEntries([...this.samples].filter(([key]) => this.sides.has(key))),
    };
  }
}

function crossed(draft, known) {
  const { kind, value: threshold, hysteresis } = draft.condition;
  const sign = kind === "above" ? 1 : -1;
  const margin = (Math.abs(threshold) * hysteresis) / 100;
  const numbers = draft.numbers();
  if (!known) {
    const valued = new Set(numbers.map(([key]) => key));
    for (const key of [...draft.sides.keys()]) if (!valued.has(key)) draft.sides.delete(key);
  }
  const firings = [];
  for (const [key, value] of numbers) {
    const beyond = sign * (value - threshold);
    const side = draft.sides.get(key);
    if (beyond >= 0) {
      draft.sides.set(key, "on");
      if (side === "off") firings.push({ key, event: kind });
    } else if (side === undefined || beyond <= -margin) draft.sides.set(key, "off");
  }
  return firings;
}

/** The value that a move that way is measured from, and its size in percent; 0 where there is none. */
function move(way, parts, value) {
  if (!parts.length) return [value, 0];
  const base = way === "up" ? Math.min(...parts.map(([, low]) => low)) : Math.max(...parts.map(([, , high]) => high));
  if (base <= 0) return [base, 0];
  return [base, Math.max(0, ((way === "up" ? value - base : base - value) / base) * 100)];
}

function sampled(parts, at, value, width) {
  const last = parts.at(-1);
  if (!last || at - last[0] >= width) return [...parts, [at, value, value]];
  return [...parts.slice(0, -1), [last[0], Math.min(last[1], value), Math.max(last[2], value)]];
}

function changed(draft, known) {
  if (!known) draft.sides.clear();
  const { condition, answer } = draft;
  const { at } = answer;
  const ways = condition.direction === "either" ? ["up", "down"] : [condition.direction];
  const firings = [];
  for (const [key, value] of draft.numbers()) {
    const parts = (draft.samples.get(key) ?? []).filter(([start]) => at - condition.window_ms <= start && start <= at);
    const moves = Object.fromEntries(ways.map((way) => [way, move(way, parts, value)]));
    let side = draft.sides.get(key) ?? "off";
    const reached = ways.reduce((best, way) => (moves[way][1] > moves[best][1] ? way : best));
    const [base, size] = moves[reached];
    if (size > condition.value && side !== reached) {
      side = reached;
      firings.push({ key, event: reached, base, percent: reached === "up" ? size : -size });
    } else if (side in moves && moves[side][1] <= condition.value * (1 - condition.hysteresis / 100)) side = "off";
    draft.sides.set(key, side);
    draft.samples.set(key, sampled(parts, at, value, Math.max(1, Math.floor(condition.window_ms / PARTS))));
  }
  return firings;
}

function membership(draft, known) {
  const { kind } = draft.condition;
  const firings = [];
  for (const key of draft.present) {
    if (draft.sides.has(key)) draft.counts.delete(key);
    else if (!known || draft.agreed(key)) {
      draft.sides.set(key, "in");
      if (kind === "enters") firings.push({ key, event: "entered" });
    }
  }
  for (const key of new Set([...draft.sides.keys(), ...draft.counts.keys()])) {
    if (draft.present.has(key) || draft.answer.missing.has(key)) continue;
    if (!draft.sides.has(key)) draft.counts.delete(key); // it was about to enter
    else if (!known || draft.agreed(key)) {
      draft.sides.delete(key);
      if (kind === "leaves") firings.push({ key, event: "left" });
    }
  }
  return firings;
}

function staleness(draft, known) {
  const side = draft.sides.get(VIEW);
  const { stale } = draft.answer;
  if (stale && (side === undefined || side === "fresh")) {
    draft.sides.set(VIEW, known ? "stale" : "stale in silence");
    return [{ key: VIEW, event: "stale" }];
  }
  if (stale) return [];
  draft.sides.set(VIEW, "fresh");
  return side === "stale" && draft.condition.recovery ? [{ key: VIEW, event: "recovered" }] : [];
}

const MOVES = { above: crossed, below: crossed, change: changed, enters: membership, leaves: membership, stale: staleness };
