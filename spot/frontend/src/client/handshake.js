// Why a socket cannot be opened. Browsers do not say; the server answers a plain request of the same address with 426,
// and gets one instead of a handshake when a proxy before it drops the header Upgrade.

export const BLOCKED = "The proxy in front of this site does not pass WebSockets on. Its operator finds what to set in docs/operating.md, under “Behind a proxy, with TLS”.";

export const FORBIDDEN = "This page may not connect.";

const asked = new Map(); // address -> promise
const hinted = new Set(); // servers of which the console has been told

/** Whether the address is of another site than the page. */
export function isForeign(address) {
  return Boolean(globalThis.document) && new URL(address).origin !== location.origin;
}

/** The sentence for a socket at this address that did not open; "" when the reason is another one. Asks once. */
export function whyClosed(address) {
  if (!globalThis.document) return Promise.resolve("");
  if (!asked.has(address)) asked.set(address, isForeign(address) ? askForeign(address) : ask(address));
  return asked.get(address);
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
    return answer.status === 426 && (await answer.json()).code === "upgrade_required" ? BLOCKED : "";
  } catch {
    asked.delete(address); // no answer at all: the server is away, which the socket says too
    return "";
  }
}
