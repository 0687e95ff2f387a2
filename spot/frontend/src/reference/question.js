// The question that the console's form builds: which fields a feed has, and the query string. Pure.

/** How frames are written. */
export const FORMS = [
  ["plain", "Plain"],
  ["envelope", "Envelope"],
  ["delta", "Delta"],
];

/** The doors to a feed: key, name, and the forms that each can write, with the parameters that ask for them. */
export const TRANSPORTS = [
  ["feed", "Feed socket", { plain: {}, envelope: { envelope: "1" }, delta: { envelope: "1", delta: "1" } }],
  ["stream", "Stream", { envelope: {}, delta: {} }],
  ["sse", "SSE", { envelope: {}, delta: { delta: "1" } }],
  ["http", "HTTP", { plain: {}, envelope: { envelope: "1" } }],
];

const OF_FORMS = ["envelope", "status", "delta", "format"];

/** The feeds of an OpenAPI document: name, path, purpose and fields of each. */
export function feedsOf(openapi) {
  return Object.entries(openapi.paths)
    .filter(([, { get }]) => get?.tags?.includes("feeds"))
    .map(([path, { get }]) => ({
      name: path.split("/").at(-1),
      path,
      purpose: get.summary,
      fields: get.parameters.filter((one) => one.in === "query" && !OF_FORMS.includes(one.name)).map(field),
    }));
}

/** A field of the form: how it is entered, with its bounds, words and default as texts. */
function field({ name, required, description, schema }) {
  const several = schema.type === "array";
  const words = (several ? schema.items.enum : schema.enum) ?? (schema.type === "boolean" ? ["true", "false"] : null);
  const single = [schema.type].flat();
  return {
    name,
    required,
    description,
    several,
    words,
    suggestions: name === "sort_by" || name === "time_field" ? schema.examples ?? [] : [],
    kind: words ? "words" : single.length === 1 && ["integer", "number"].includes(single[0]) ? "number" : schema.contentMediaType ? "json" : "text",
    least: schema.minimum ?? null,
    most: schema.maximum ?? null,
    default: text(schema.default),
    example: required ? text(schema.examples?.[0]) : "",
  };
}

function text(value) {
  return value == null ? "" : String(value); // lists become texts with commas
}

/** What is wrong with a field's text, as a sentence; "" when it may be sent. The server has the last word. */
export function problem({ name, kind, required, least, most }, value) {
  if (!value) return required ? `${name} is required.` : "";
  if (kind === "number" && !Number.isFinite(Number(value))) return `${name} must be a number.`;
  if (kind === "number" && least !== null && Number(value) < least) return `${name} must be at least ${least}.`;
  if (kind === "number" && most !== null && Number(value) > most) return `${name} must be at most ${most}.`;
  if (kind !== "json") return "";
  try {
    const parsed = JSON.parse(value);
    return parsed && typeof parsed === "object" && !Array.isArray(parsed) ? "" : `${name} must be a JSON object.`;
  } catch {
    return `${name} is not valid JSON.`;
  }
}

/** The forms that a transport can write. */
export function formsOf(transport) {
  return TRANSPORTS.find(([key]) => key === transport)[2];
}

/** The form in which a transport writes, if a form is wished for: that one, or the envelope, which all have. */
export function formFor(transport, form) {
  return form in formsOf(transport) ? form : "envelope";
}

/** What is asked of a feed, through a transport: the addresses of all doors, and the message that a stream is sent. */
export function questionOf(feed, values, transport, form, site) {
  const prefix = new URL(feed.path.slice(0, -feed.name.length), site).href;
  const chosen = given(feed, values);
  const address = (door) => `${prefix}${door === "http" ? "" : `${door === "feed" ? "ws" : "sse"}/`}${feed.name}${search([...chosen, ...Object.entries(formsOf(door)[formFor(door, form)])])}`;
  const socket = (url) => url.replace(/^http/, "ws");
  return {
    transport,
    feed: socket(address("feed")),
    stream: socket(`${prefix}ws/stream`),
    sse: address("sse"),
    http: address("http"),
    ticket: `${prefix}ticket`,
    message: {
      id: 1,
      method: "subscribe",
      channel: feed.name,
      params: Object.fromEntries(chosen.map(([name, value]) => [name, typed(feed.fields.find((one) => one.name === name), value)])),
      ...(formFor("stream", form) === "delta" ? { delta: true } : {}),
    },
  };
}

/** The values of a feed's fields, as [name, text] pairs, without those that are the default. */
function given({ fields }, values) {
  return fields.map(({ name, default: usual }) => [name, values[name] ?? "", usual]).filter(([, value, usual]) => value && value !== usual).map(([name, value]) => [name, value]);
}

/** The query string, percent-encoded where that is needed, so that it can be read. */
function search(pairs) {
  return pairs.length ? `?${pairs.map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&")}` : "";
}

/** A field's text as the JSON value that a message has; a text that is none stays one, for the server to refuse. */
function typed({ kind, several, words }, value) {
  if (several) return value.split(",");
  if (words?.includes("true")) return value === "true";
  if (kind !== "number" && kind !== "json") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
