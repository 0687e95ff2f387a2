// Coins that a feed was asked for and does not have, from the `missing` of its frames. Pure.

/** The ids that no coin has any more. */
export function unlisted(missing) {
  return Object.entries(missing ?? {}).filter(([, { code }]) => code === "unknown_coin").map(([id]) => id);
}

/** The ids that have no price yet. */
export function awaited(missing) {
  return Object.keys(missing ?? {}).filter((id) => missing[id].code !== "unknown_coin");
}

const NAMED = 3;

function named(ids) {
  const more = ids.length - NAMED;
  return more > 0 ? `${ids.slice(0, NAMED).join(", ")} and ${more} more` : ids.join(", ");
}

/** "1 coin is no longer listed: matic-network." */
export function unlistedText(ids) {
  return ids.length ? `${ids.length} ${ids.length === 1 ? "coin is" : "coins are"} no longer listed: ${named(ids)}.` : "";
}

export function awaitedText(ids) {
  return ids.length ? `No price yet of ${named(ids)}.` : "";
}
