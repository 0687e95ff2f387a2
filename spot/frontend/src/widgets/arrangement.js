// The order of rows while a table is under the pointer or has the focus. Pure.

/**
 * The keys to show, in order. While held, those that are shown keep their places, and `waiting` counts the places that
 * would look different; `gone` are those among them that the newest answer has not.
 */
export function arrangement(shown, newest, held) {
  if (!held || !shown.length) return { keys: newest, waiting: 0, gone: new Set() };
  const present = new Set(newest);
  const longest = Math.max(shown.length, newest.length);
  const waiting = Array.from({ length: longest }).filter((_, place) => shown[place] !== newest[place]).length;
  return { keys: shown, waiting, gone: new Set(shown.filter((key) => !present.has(key))) };
}

/** The keys of the rows whose symbol another row has too, from [key, symbol] pairs. */
export function namesakes(pairs) {
  const keys = new Map();
  for (const [key, symbol] of pairs) keys.set(symbol, [...(keys.get(symbol) ?? []), key]);
  return new Set([...keys.values()].filter((group) => group.length > 1).flat());
}
