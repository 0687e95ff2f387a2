// What the console says of a frame: its kind, its size, the age of its data, and the frame laid out for reading. Pure.

const LONGEST = 20_000; // characters of a frame that are shown

/** The facts of a message. `now` is the server's time in epoch milliseconds; `told` the age of the data, if it came beside it. */
export function factsOf(message, now, told = null) {
  const bytes = new TextEncoder().encode(message).length;
  const frame = parsed(message);
  if (frame === undefined) return { kind: "csv", bytes, age: told, text: cut(message) };
  const time = frame?.as_of ?? frame?.fetched_at ?? null;
  const age = typeof time === "number" && typeof frame?.type === "string" ? Math.max(0, now - time) : told;
  return { kind: frame?.type ?? "rows", bytes, age, stale: frame?.stale ?? null, text: cut(laidOut(frame)) };
}

/** The messages in the text of an event stream, and the rest of it, in which the next one has begun. */
export function eventsOf(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  const messages = blocks.map((block) => block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n"));
  return { messages: messages.filter(Boolean), rest };
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
  const depth = Array.isArray(frame) ? 1 : frame?.type ? 3 : 2; // at which the rows are
  return lines(frame, "", depth);
}

function lines(value, indent, depth) {
  const flat = JSON.stringify(value);
  const isList = Array.isArray(value) && value.every((one) => one === null || typeof one !== "object");
  if (depth === 0 || isList || value === null || typeof value !== "object" || flat.length <= 100 - indent.length) return flat;
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
