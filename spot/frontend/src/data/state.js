// The state of a feed in words. Pure.

import { span } from "./format.js";

const LIVE_MS = 120_000; // data with longer intervals are not called live

/** A condition of a feed (client/socket.js) in a word or two. `pace`: how often live data are renewed, in milliseconds. */
export function stateText({ name, seconds, question, pace }) {
  switch (name) {
    case "live": return pace > LIVE_MS ? `Every ${span(pace)}` : "Live";
    case "demo": return "Demo";
    case "stale": return "Stale";
    case "offline": return "Offline";
    case "refused": return question ? "Not available" : "Not connected";
    case "reconnecting": return seconds ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    case "answered": return "Connected";
    case "waiting": return "Waiting for data";
    case "unavailable": return "No data yet";
    default: return "Connecting…";
  }
}

/** How often the data of a frame's head are renewed: they are stale when the second renewal is due. */
export function paceOf({ max_age_ms: limit }) {
  return limit / 2;
}

/** A sentence of the server for visitors: without the parameter's name before it, and with its full stop. */
export function sentence(text) {
  const bare = (text ?? "").trim().replace(/^[a-z]+(_[a-z]+)+: /, "");
  if (!bare) return "";
  return bare.charAt(0).toUpperCase() + bare.slice(1) + (/[.!?…]$/.test(bare) ? "" : ".");
}
