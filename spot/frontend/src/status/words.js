// The facts of the status page in words. Pure.

const DATA = {
  live: ["Fresh", "live"],
  stale: ["Stale", "stale"],
  waiting: ["Being fetched", "waiting"],
  unavailable: ["Not available", "offline"],
  idle: ["Not in use", "idle"],
  missing: ["No source", "idle"],
};
const STREAMS = {
  live: ["Connected", "live"],
  connecting: ["Connecting", "waiting"],
  idle: ["Not in use", "idle"],
  waiting: ["Cut off, trying again", "stale"],
  paused: ["Paused, to last the month", "stale"],
  refused: ["Refused by the source", "offline"],
};
const BRINGS = { ticks: "prices", listings: "announcements", onchain: "on-chain events" };
const BLOCK = 500; // coins in one part of the market
const SILENT_MS = 60_000; // a worker marks itself every second

function several(count, singular, plural) {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** The subject of a row of `data`. */
export function subject({ kind, currency, block, count }) {
  const money = currency?.toUpperCase();
  switch (kind) {
    case "markets": return block > 1 ? `Market in ${money}, coins ${(block - 1) * BLOCK + 1} to ${block * BLOCK}` : `Market in ${money}`;
    case "quotes": return `Smaller coins in ${money}`;
    case "candles": return `Candles in ${money}, ${several(count, "chart", "charts")}`;
    case "currencies": return "List of currencies";
    case "coins": return "List of coins";
    case "listings": return "Announcements of exchanges";
    case "onchain": return `On-chain events, ${several(count, "channel", "channels")}`;
    default: return kind;
  }
}

/** A state as [its words, the tone of its mark]. */
export function dataState(state) {
  return DATA[state] ?? [state, "idle"];
}

export function streamState(state) {
  return STREAMS[state] ?? [state, "idle"];
}

/** ["ticks", "listings"] as "prices, announcements". */
export function brings(what) {
  return what.map((kind) => BRINGS[kind] ?? kind).join(", ");
}

/** The state of the whole site, as [a sentence, the tone of its mark]. */
export function verdict({ data, simulated, worker_seen: seen, now }) {
  if (seen == null || now - seen > SILENT_MS) return ["Nothing is being renewed at the moment", "offline"];
  const looked = data.filter(({ state }) => state !== "idle" && state !== "missing");
  const bad = looked.filter(({ state }) => state === "stale" || state === "unavailable").length;
  if (bad) return [`${bad} of ${several(looked.length, "kind", "kinds")} of data ${bad === 1 ? "is" : "are"} not as fresh as usual`, "stale"];
  if (!looked.some(({ state }) => state === "live")) return ["Waiting for the first data", "waiting"];
  return simulated ? ["All is well, with simulated prices", "demo"] : ["All data are as fresh as they should be", "live"];
}
