// What the console says of a frame: its kind, its size, the age of its data, and the frame laid out for reading. Pure.

const LONGEST = 20_000; // characters of a frame that are shown

/** The facts of a message of a socket. `now` is the server's time in epoch milliseconds. */
export function factsOf(message, now) {
  const bytes = new TextEncoder().encode(message).length;
  const frame = parsed(message);
  if (frame === undefined) return { kind: "csv", bytes, age: null, text: cut(message) };
  const time = frame?.as_of ?? frame?.fetched_at ?? null;
  const age = typeof time === "number" && typeof frame?.type === "string" ? Math.max(0, now - time) : null;
  return { kind: frame?.type ?? "rows", bytes, age, stale: frame?.stale ?? null, text: cut(laidOut(frame)) };
}

function parsed(message) {
  try {
    return JSON.parse(message);
  } catch {
    return undefined; // an export of the plain form
  }
}

/** JSON with a line for each field and each row: short enough to scan, long enough to read. */
export function laidOut(frame) {
  return lines(frame, "", 3);
}

function lines(value, indent, depth) {
  const flat = JSON.stringify(value);
  if (depth === 0 || value === null || typeof value !== "object" || flat.length <= 100 - indent.length) return flat;
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((one) => inner + lines(one, inner, depth - 1))
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${lines(one, inner, depth - 1)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
}

function cut(text) {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}\n… ${text.length - LONGEST} more characters`;
}

/** A number of bytes for people: 812 B, 34.1 kB. */
export function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}
