// Coins by name from the server's whole list, which is larger than the market that is shown.

const LIST = "/coins.json";
const KEEP = 50;
const cache = new Map(); // text -> a promise of the answer

async function asked(text) {
  const url = new URL(LIST, location.href);
  url.searchParams.set("q", text);
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${LIST}: ${answer.status}`);
  const { coins } = await answer.json();
  return coins.map(({ id, name, symbol }) => [id, { name, symbol }]);
}

/** The coins of which symbol, name or id has the text, a promise of [id, {name, symbol}]; null when it cannot be asked. */
export function searchCoins(text) {
  if (cache.has(text)) return cache.get(text);
  const answer = asked(text).catch(() => {
    cache.delete(text);
    return null;
  });
  cache.set(text, answer);
  if (cache.size > KEEP) cache.delete(cache.keys().next().value);
  return answer;
}
