// The visitor's choices about the map, as parameters of the address.

import { WINDOWS } from "../data/windows.js";
import * as address from "../page/address.js";
import { stablecoins } from "./stablecoins.js";

export const COUNTS = ["50", "100", "250", "500"];

const MOST = 500; // coins of one request
const BITCOIN = "bitcoin";
const PEGGED = 80; // about how many stablecoins there are among 500

// Each with its name, its words for the summary, and the weight of a row.
export const SIZES = {
  market_cap: ["Market cap", "market cap", (row) => row.market_cap],
  root: ["√ Market cap", "the square root of market cap", (row) => Math.sqrt(row.market_cap)],
  volume: ["24 h volume", "24 h volume", (row) => row.volume_24h],
  root_volume: ["√ 24 h volume", "the square root of 24 h volume", (row) => Math.sqrt(row.volume_24h)],
  equal: ["Equal", "nothing: all tiles are equal", () => 1],
};

// Each with its name, and how many coins it leaves out.
export const SETS = {
  all: ["All coins", 0],
  no_btc: ["Without Bitcoin", 1],
  no_stable: ["Without stablecoins", PEGGED],
  neither: ["Without Bitcoin and stablecoins", PEGGED + 1],
};

/** The parameters of the address that make up the choice. */
export const PARAMETERS = ["coins", "set", "size", "colour", "group", "map"];

export const GROUPS = { none: ["No groups"], category: ["By category"] };

function oneOf(allowed, value, otherwise) {
  return allowed.includes(value) ? value : otherwise;
}

/** The choices in the address, with defaults for the width of the window. */
export function read() {
  const small = innerWidth < 700; // where the largest coin would leave no room for the others
  return {
    count: oneOf(COUNTS, address.get("coins"), small ? "50" : "100"),
    set: oneOf(Object.keys(SETS), address.get("set"), "all"),
    size: oneOf(Object.keys(SIZES), address.get("size"), small ? "root" : "market_cap"),
    window: oneOf(WINDOWS, address.get("colour"), "24h"),
    group: oneOf(Object.keys(GROUPS), address.get("group"), "none"),
    as: oneOf(["map", "table"], address.get("map"), "map"),
  };
}

/** The number of coins to request, so that enough remain. */
export function needed({ count, set }) {
  return Math.min(MOST, Number(count) + SETS[set][1]);
}

/** The ids of a set, in order. */
export function members({ count, set }, { keys, rows }) {
  const pegged = set === "no_stable" || set === "neither" ? stablecoins(rows) : new Set();
  const bitcoin = set === "all" || set === "no_stable";
  return keys.filter((id) => (bitcoin || id !== BITCOIN) && !pegged.has(id)).slice(0, Number(count));
}

/** The number of coins that have a category. */
export function categorised({ keys, rows }) {
  return keys.reduce((count, id) => count + (rows.get(id).category ? 1 : 0), 0);
}
