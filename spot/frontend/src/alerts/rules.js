// A visitor's rules: what each watches, its condition, and its words. Pure.
//
// {id, kind, coin: {id, symbol, name} or filter: {filters, search, words}, currency, value, minutes, hysteresis, cooldown,
// simulated, paused}. `value` is a price, or of a change percent within `minutes`; `cooldown` is in minutes.

export const MOST = 50;
export const KINDS = ["above", "below", "change", "enters", "leaves"];
const MINUTE = 60_000;

const isText = (value, most = 400) => typeof value === "string" && value.length > 0 && value.length <= most;
const isNumber = (value, low, high) => typeof value === "number" && value >= low && value <= high;

/** Whether a stored value is a rule that can be watched. */
export function isRule(rule) {
  if (!rule || typeof rule !== "object" || !isText(rule.id, 60) || !KINDS.includes(rule.kind)) return false;
  if (!/^[a-z0-9]{2,10}$/.test(rule.currency) || !isNumber(rule.hysteresis, 0, 100) || !isNumber(rule.cooldown, 0, 10_080)) return false;
  if (isMembership(rule)) return Boolean(rule.filter) && isText(rule.filter.words);
  const { coin } = rule;
  if (!coin || !/^[a-z0-9][a-z0-9._-]{0,99}$/i.test(coin.id) || !isText(coin.symbol, 60) || !isText(coin.name, 300)) return false;
  if (!isNumber(rule.value, Number.MIN_VALUE, Number.MAX_VALUE)) return false;
  return rule.kind !== "change" || isNumber(rule.minutes, 1, 1440);
}

export function isMembership({ kind }) {
  return kind === "enters" || kind === "leaves";
}

/** The condition, for `step`. A coin has entered or left a filter when two answers agree. */
export function conditionOf(rule) {
  const { kind, value = 0, minutes = 0, hysteresis, cooldown, simulated = false } = rule;
  return { kind, value, window_ms: minutes * MINUTE, hysteresis, confirm: isMembership(rule) ? 2 : 1, cooldown_ms: cooldown * MINUTE, simulated };
}

/** What makes a rule another one, which begins anew. */
export function signature({ kind, coin, filter, currency, value, minutes }) {
  return JSON.stringify([kind, coin?.id, filter?.filters, filter?.search, currency, value, minutes]);
}

/** The feeds to open for these rules: Map from a name to {path, params, rules}. All coins of a currency share one. */
export function questions(rules) {
  const asked = new Map();
  for (const rule of rules) {
    const { currency, coin, filter } = rule;
    const name = isMembership(rule) ? JSON.stringify([currency, filter.filters, filter.search]) : currency;
    const entry = asked.get(name) ?? { rules: [], coins: new Set(), path: coin ? "ticker-tape" : "market" };
    entry.rules.push(rule);
    if (coin) entry.coins.add(coin.id);
    else entry.params = filtered(rule);
    asked.set(name, entry);
  }
  for (const [currency, entry] of asked) {
    if (entry.path === "ticker-tape") entry.params = { vs_currency: currency, coin_ids: [...entry.coins].sort().join(",") };
  }
  return asked;
}

function filtered({ currency, filter: { filters, search } }) {
  const params = { vs_currency: currency, per_page: 500, page_size: 500, sparkline: false, price_change_percentage: "24h" };
  return { ...params, ...(filters && { filters }), ...(search && { search }) };
}

/** The answer of a feed for a rule. */
export function answerOf(rule, { view, head }, at) {
  const values = isMembership(rule) ? Object.fromEntries(view.keys.map((key) => [key, null])) : { [rule.coin.id]: view.rows.get(rule.coin.id)?.price ?? null };
  return { at, values, source: head.source, simulated: Boolean(head.simulated), stale: Boolean(head.stale) };
}

/** "BTC rises to $70,000". `write(number, currency)` writes a price. */
export function ruleText(rule, write) {
  const price = () => write(rule.value, rule.currency);
  switch (rule.kind) {
    case "above": return `${rule.coin.symbol} rises to ${price()}`;
    case "below": return `${rule.coin.symbol} falls to ${price()}`;
    case "change": return `${rule.coin.symbol} moves by more than ${rule.value} % within ${rule.minutes} min`;
    case "enters": return `A coin enters: ${rule.filter.words}`;
    default: return `A coin leaves: ${rule.filter.words}`;
  }
}

/** What happened, in a sentence: "BTC has risen to $70,012 (alert at $70,000)." `row` is {name, price} of the coin. */
export function firedText(rule, firing, row, write, simulated) {
  const price = write(row.price, rule.currency);
  const marked = simulated ? " Simulated prices." : "";
  switch (firing.event) {
    case "above": return `${rule.coin.symbol} has risen to ${price} (alert at ${write(rule.value, rule.currency)}).${marked}`;
    case "below": return `${rule.coin.symbol} has fallen to ${price} (alert at ${write(rule.value, rule.currency)}).${marked}`;
    case "up":
    case "down": return `${rule.coin.symbol} is ${firing.event} ${Math.abs(firing.percent).toFixed(2)} % within ${rule.minutes} min, at ${price}.${marked}`;
    case "entered": return `${row.name} now fits: ${rule.filter.words}.${marked}`;
    default: return `${row.name} no longer fits: ${rule.filter.words}.${marked}`;
  }
}
