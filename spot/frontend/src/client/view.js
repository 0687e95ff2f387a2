// The view of a feed, built from frames: rows by key, in order. Pure: no socket, no DOM.
//
// A view is {keys, rows, headers}: `keys` are coin ids (candles: their timestamps) in order, `rows` a Map from key to
// the row as it came (an object, or for the market table an array of cells), `headers` the market table's columns.

/** A delta does not apply to the view: a full snapshot is needed. */
export class Gap extends Error {}

/** Fields that the envelope adds to each row of the market table, as properties of the array of its cells. */
const BESIDE = ["as_of", "stale"];

function keyed(data) {
  if (!Array.isArray(data)) {
    return data.rows.map((row, index) => {
      for (const name of BESIDE) if (data[name]) row[name] = data[name][index];
      return [data.ids[index], row];
    });
  }
  return data.map((row) => [String(row.id ?? row.timestamp), row]);
}

/** The view of a snapshot frame's `data`. */
export function fromSnapshot(data) {
  const entries = keyed(data);
  return { keys: entries.map(([key]) => key), rows: new Map(entries), headers: data.headers ?? null };
}

function beside(row) {
  return Object.fromEntries(BESIDE.filter((name) => name in row).map((name) => [name, row[name]]));
}

function merged(row, fields) {
  if (!Array.isArray(row)) return { ...row, ...fields };
  return Object.assign(row.slice(), beside(row), fields);
}

/** The market table's cells come by column number. */
function entering(row, headers) {
  return headers ? Object.assign(new Array(headers.length).fill(null), row) : row;
}

function orderAfter(view, delta) {
  const keys = delta.order ?? [...view.keys.filter((key) => view.rows.has(key)), ...Object.keys(delta.entered ?? {})];
  if (keys.length !== view.rows.size || keys.some((key) => !view.rows.has(key))) {
    throw new Gap("the order does not match the rows");
  }
  return keys;
}

/**
 * Applies a delta frame to a view, in place. Returns which cells changed, as a Map from key to a list of
 * `[field, before, after]`. Throws Gap, leaving a view that must be replaced, when the delta does not fit.
 */
export function applyDelta(view, delta) {
  const changes = new Map();
  for (const key of delta.left ?? []) view.rows.delete(key);
  for (const [key, fields] of Object.entries(delta.changed ?? {})) {
    const row = view.rows.get(key);
    if (!row) throw new Gap(`no row ${key} to change`);
    changes.set(key, Object.entries(fields).map(([field, value]) => [field, row[field], value]));
    view.rows.set(key, merged(row, fields));
  }
  for (const [key, row] of Object.entries(delta.entered ?? {})) view.rows.set(key, entering(row, view.headers));
  view.keys = orderAfter(view, delta);
  return changes;
}

/** A copy of a view. Rows are shared: they are replaced, never written to. */
export function copied({ keys, rows, headers }) {
  return { keys, rows: new Map(rows), headers };
}

/** Merges the changes of consecutive deltas: the first "before" and the last "after" of each cell. */
export function merge(earlier, later) {
  if (!earlier?.size) return earlier === null ? null : later;
  for (const [key, cells] of later) {
    const merged = new Map((earlier.get(key) ?? []).map((cell) => [cell[0], cell]));
    for (const [field, before, after] of cells) merged.set(field, [field, merged.has(field) ? merged.get(field)[1] : before, after]);
    earlier.set(key, [...merged.values()]);
  }
  return earlier;
}

/** The rows in order as objects. Those of the market table are named by its columns, and get `id`, `as_of`, `stale`. */
export function records({ keys, rows, headers }) {
  if (!headers) return keys.map((key) => rows.get(key));
  return keys.map((key) => {
    const row = rows.get(key);
    return { id: key, ...beside(row), ...Object.fromEntries(headers.map((header, index) => [header, row[index]])) };
  });
}
