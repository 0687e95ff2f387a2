// The question that the console's form builds: which fields a feed has, and the query string. Pure.

/** How frames are written, with the parameters that ask for it, as `FORMS` in spot/dialects/own_interface.py. */
export const FORMS = [
  ["plain", "Plain", {}],
  ["envelope", "Envelope", { envelope: "1" }],
  ["delta", "Delta", { envelope: "1", delta: "1" }],
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

/** The query string of the values of a feed's fields in a form; the defaults are left out. Not encoded: for reading. */
export function pairs({ fields }, values, form) {
  const own = fields.map(({ name, default: usual }) => [name, values[name] ?? "", usual]).filter(([, value, usual]) => value && value !== usual);
  const [, , query] = FORMS.find(([key]) => key === form) ?? FORMS[0];
  return [...own.map(([name, value]) => [name, value]), ...Object.entries(query)];
}

/** The addresses of a question, percent-encoded where that is needed: a socket's and that over HTTP. */
export function addresses({ path, name }, query, site) {
  const search = query.map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
  const tail = search ? `?${search}` : "";
  const http = new URL(path, site);
  const socket = new URL(http.href.slice(0, -name.length) + `ws/${name}`);
  socket.protocol = http.protocol.replace("http", "ws");
  return { http: http.href + tail, ws: socket.href + tail };
}
