// The state of a feed in words. Pure.

/** A condition of a feed (socket.js) in a word or two. */
export function stateText({ name, seconds }) {
  switch (name) {
    case "live": return "Live";
    case "demo": return "Demo";
    case "stale": return "Stale";
    case "offline": return "Offline";
    case "refused": return "Not connected";
    case "reconnecting": return seconds ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    case "waiting":
    case "unavailable": return "Waiting for data";
    default: return "Connecting…";
  }
}
