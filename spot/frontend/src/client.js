// The JavaScript client of Spot, as a module of its own: `<script type="module">` or `import` takes it from any Spot
// server. docs/javascript.md describes it.

import { Client as AnyClient } from "./client/http.js";
import { Feed as AnyFeed } from "./client/socket.js";

export { Page, Refused, SpotError, Unreachable } from "./client/http.js";
export { Stream } from "./client/stream.js";
export { serverNow } from "./client/socket.js";
export { applyDelta, fromSnapshot, Gap, records } from "./client/view.js";
export { closing, delay } from "./client/reconnect.js";

/** A feed of the server that this module came from, unless `server` names another one. */
export class Feed extends AnyFeed {
  constructor(path, params = {}, options = {}) {
    super(path, params, { server: home(), ...options });
  }
}

/** Pages over HTTP, of the server that this module came from, unless `server` names another one. */
export class Client extends AnyClient {
  constructor(options = {}) {
    super({ server: home(), ...options });
  }
}

function home() {
  const { protocol, origin } = new URL(import.meta.url);
  return protocol.startsWith("http") ? origin : globalThis.location?.href;
}
