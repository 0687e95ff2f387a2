// Numbers and times as people read them. Pure: locale, currency, time zone and "now" are arguments.

export const NONE = "–";

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const LARGEST_PRICE = 1e12; // from here on prices are shortened as market caps are
const LARGEST_PERCENT = 1e5; // and percentages
const LARGEST_COMPACT = 1e15; // from here on numbers are written with a power of ten: Intl knows no word for them
const LARGEST_EXACT = 1e21;
const SMALLEST_EXACT = 1e-18;
const formats = new Map();

/** One Intl object per set of options: making them is what costs. */
function intl(Type, locale, options) {
  const key = Type.name + locale + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Type(locale, options));
  return formats.get(key);
}

/** A window of price changes in words: "24h" as "24 h". */
export function spaced(window) {
  return window.replace(/\D/, " $&");
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** The most fraction digits of a price: four significant ones below 1, from 1,000 on `usual` ones. */
export function priceDecimals(value, usual = 2) {
  const size = Math.abs(value);
  if (size >= 1000) return usual;
  if (size === 0 || size >= 10) return 2;
  if (size >= 1) return 4;
  return 3 - Math.floor(Math.log10(size));
}

/** How many fraction digits a number was given with, without the noise of binary fractions in its last place. */
export function givenDecimals(value) {
  const [, fraction = "", exponent = "0"] = String(Number(Math.abs(value).toPrecision(15))).match(/(?:\.(\d+))?(?:e([-+]\d+))?$/);
  return Math.max(0, fraction.length - Number(exponent));
}

/** 0.00000644 as "0₅644": the zeros after the point are counted in the subscript. Null when it is not that small. */
export function tinyFraction(value) {
  const size = Math.abs(value);
  if (size === 0 || size >= 1e-4) return null;
  const [digits, exponent] = size.toExponential(3).split("e-");
  const zeros = String(Number(exponent) - 1).replace(/\d/g, (digit) => SUBSCRIPTS[digit]);
  return `0${zeros}${digits.replace(".", "").replace(/0+$/, "")}`;
}

/** The direction of a percentage, rounded as shown: "up", "down", "flat", or "none" without a value. */
export function direction(percent) {
  if (!isNumber(percent)) return "none";
  const rounded = Math.round(Math.abs(percent) * 100);
  if (rounded === 0) return "flat";
  return percent > 0 ? "up" : "down";
}

/** Text of Intl's parts; a power of ten is written 1.00×10²⁴ instead of 1.00E24. */
function joined(parts) {
  return parts.map(({ type, value }) => {
    if (type === "exponentSeparator") return "×10";
    if (type === "exponentMinusSign") return "⁻";
    return type === "exponentInteger" ? value.replace(/\d/g, (digit) => SUPERSCRIPTS[digit]) : value;
  }).join("");
}

/** The notation that keeps a number of any size short. */
function shortest(value) {
  return Math.abs(value) < LARGEST_COMPACT ? "compact" : "scientific";
}

/** Functions for one locale and currency (an upstream code such as "usd", "btc" or "sats"). */
export function numbers(locale, currency) {
  const code = currency.toUpperCase();
  const isIso = /^[A-Z]{3}$/.test(code);
  // A yen has no hundredths; what no standard knows has two, as Intl gives it.
  const usual = isIso ? Math.min(2, intl(Intl.NumberFormat, "en", { style: "currency", currency: code }).resolvedOptions().maximumFractionDigits) : 2;

  function money(value, options) {
    const style = isIso ? { style: "currency", currency: code, currencyDisplay: "narrowSymbol" } : {};
    const parts = intl(Intl.NumberFormat, locale, { ...style, ...options }).formatToParts(value);
    return (fraction) => {
      const text = joined(fraction ? parts.map((part) => (part.type === "fraction" ? { value: fraction } : part)) : parts);
      return isIso ? text : `${text} ${code}`;
    };
  }

  return {
    /** A price with the significant digits that the source gave. */
    price(value) {
      if (!isNumber(value)) return NONE;
      const tiny = tinyFraction(value);
      if (tiny) return money(Math.sign(value) * 0, { minimumFractionDigits: 1, maximumFractionDigits: 1 })(tiny);
      if (Math.abs(value) >= LARGEST_PRICE) return this.compact(value);
      const digits = Math.min(priceDecimals(value, usual), givenDecimals(value));
      return money(value + 0, { minimumFractionDigits: digits, maximumFractionDigits: digits })(); // -0 + 0 is 0
    },

    /** Market caps and volumes: $1.23T, $45.60M. */
    compact(value) {
      if (!isNumber(value)) return NONE;
      if (Math.abs(value) < 1000) return this.price(value);
      return money(value, { notation: shortest(value), minimumFractionDigits: 2, maximumFractionDigits: 2 })();
    },

    /** A round sum, such as a floor that one chooses: $50K, 0.5 BTC. */
    round(value) {
      if (!isNumber(value)) return NONE;
      return money(value, { notation: shortest(value), maximumSignificantDigits: 2 })();
    },

    /** The value with all its digits, for tooltips. */
    exact(value) {
      if (!isNumber(value)) return NONE;
      const size = Math.abs(value);
      const notation = size < LARGEST_EXACT && !(size > 0 && size < SMALLEST_EXACT) ? "standard" : "scientific";
      return money(value, { notation, maximumFractionDigits: 20, minimumFractionDigits: 0 })();
    },
  };
}

/** +2.34% and −1.20%, with a minus as wide as the plus; what rounds to zero is 0.00% without a sign. */
export function percent(value, locale) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : 2;
  const options = { style: "unit", unit: "percent", signDisplay: "exceptZero", minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (size >= LARGEST_PERCENT) Object.assign(options, { notation: shortest(value), minimumFractionDigits: 0, maximumFractionDigits: 1 });
  return joined(intl(Intl.NumberFormat, locale, options).formatToParts(value)).replace("-", "−");
}

/** A number of coins: 19.90M. */
export function amount(value, locale) {
  if (!isNumber(value) || Math.abs(value) < 1000) return count(value, locale);
  return joined(intl(Intl.NumberFormat, locale, { notation: shortest(value), minimumFractionDigits: 2, maximumFractionDigits: 2 }).formatToParts(value));
}

export function count(value, locale) {
  return isNumber(value) ? intl(Intl.NumberFormat, locale, {}).format(value) : NONE;
}

/** How long ago: "12 s", "3 min", "2 h", "5 d". Ages below zero are clocks that differ, and read as 0 s. */
export function age(milliseconds) {
  if (!isNumber(milliseconds)) return NONE;
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** HH:MM:SS ZONE, with the date before it when that is not today's. */
export function clock(time, now, locale, timeZone) {
  if (!isNumber(time)) return NONE;
  const day = { year: "numeric", month: "short", day: "numeric", timeZone };
  const dated = (at) => (isNumber(at) ? intl(Intl.DateTimeFormat, locale, day).format(at) : "");
  const text = intl(Intl.DateTimeFormat, locale, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
    timeZone,
  }).format(time);
  return dated(time) === dated(now) ? text : `${dated(time)}, ${text}`;
}

/** 1 800 000 as "30-minute", 14 400 000 as "4-hour": the length of a candle. */
export function interval(milliseconds) {
  for (const [unit, size] of [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]]) {
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size}-${unit}`;
  }
  return NONE;
}

/** 1 000 as "1 s", 900 000 as "15 min": a pace or a limit. */
export function span(milliseconds) {
  if (!(milliseconds > 0)) return "–";
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
