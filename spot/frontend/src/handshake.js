// Why a socket cannot be opened. Browsers do not say; the server answers a plain request of the same address with 426,
// and gets one instead of a handshake when a proxy before it drops the header Upgrade.

export const BLOCKED = "The proxy in front of this site does not pass WebSockets on. Its operator finds what to set in docs/operating.md, under “Behind a proxy”.";

const asked = new Map(); // address -> promise

/** The sentence for a socket at this address that did not open; "" when the reason is another one. Asks once. */
export function whyClosed(address) {
  if (!globalThis.document || new URL(address).origin !== location.origin) return Promise.resolve("");
  if (!asked.has(address)) asked.set(address, ask(address));
  return asked.get(address);
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
