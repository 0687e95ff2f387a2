// Finds out why a socket does not open, which browsers do not tell. The server answers a plain request of the same address
// with 426; a proxy that drops the header Upgrade turns the handshake into such a request.

export const BLOCKED = "The proxy in front of this site does not pass WebSockets on. Its operator finds what to set in docs/operating.md, under “Behind a proxy, with TLS”.";

export const CLOSED = "This site is closed to visitors. Reload the page to sign in.";

export const FORBIDDEN = "This page may not connect.";

const asked = new Map(); // address -> promise
const hinted = new Set(); // servers for which the console has the hint

/** Whether the address belongs to another site than the page. */
export function isForeign(address) {
  return Boolean(globalThis.document) && new URL(address).origin !== location.origin;
}

/** The reason why a socket at this address did not open, as a sentence; "" if it is unknown. Sends one request. */
export function whyClosed(address) {
  if (!globalThis.document) return Promise.resolve("");
  if (!asked.has(address)) asked.set(address, isForeign(address) ? askForeign(address) : ask(address));
  return asked.get(address);
}

/** The error by which the server refuses a program's key, if that is why its socket did not open; null if it is not. */
export async function whyRefused(address, key) {
  try {
    const answer = await fetch(address, { headers: { "X-API-Key": key } });
    const error = await answer.json();
    return [401, 403].includes(answer.status) && error.retry === false ? error : null;
  } catch {
    return null; // no answer at all, or none of a Spot server
  }
}

/** Another site that answers, but opens no socket, does not accept the origin of this page. */
async function askForeign(address) {
  const { origin } = new URL(address);
  if (!hinted.has(origin)) console.warn(`No WebSocket of ${origin} opens. Does its SPOT_ALLOWED_ORIGINS list ${location.origin}, and does this page's Content-Security-Policy allow the connection?`);
  hinted.add(origin);
  try {
    await fetch(address, { mode: "no-cors", cache: "no-store" });
    return FORBIDDEN;
  } catch {
    asked.delete(address);
    return "";
  }
}

async function ask(address) {
  try {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.status === 426) return (await answer.json()).code === "upgrade_required" ? BLOCKED : "";
    return answer.status === 401 ? CLOSED : "";
  } catch {
    asked.delete(address); // no answer at all: the server is down
    return "";
  }
}
