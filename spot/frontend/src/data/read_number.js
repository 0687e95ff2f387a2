// Numbers as people type them. Pure.

const MULTIPLES = { "": 1, k: 1e3, m: 1e6, mn: 1e6, mio: 1e6, b: 1e9, bn: 1e9, mrd: 1e9, t: 1e12, tn: 1e12 };

/** "$1.5B", "2 500 000", "-3%", "1e9" as a number; null for nothing; undefined for what is no number. */
export function readNumber(text, locale = "en-US") {
  const bare = text.replace(/[\s'’_  %$€£¥₿]/g, "").replace("−", "-").toLowerCase();
  if (!bare) return null;
  const [, number, multiple] = bare.match(/^([-+]?[\d.,]*\d[.,]?(?:e[-+]?\d+)?)([a-z]*)$/) ?? [];
  if (number === undefined || !(multiple in MULTIPLES)) return undefined;
  const value = Number(plain(number, locale)) * MULTIPLES[multiple];
  return Number.isFinite(value) ? value : undefined;
}

/** Digits with a point. A separator groups where it stands as the locale groups, or twice; else it is the decimal one. */
function plain(number, locale) {
  const comma = number.includes(",");
  if (comma && number.includes(".")) {
    const [group, decimal] = number.lastIndexOf(",") > number.lastIndexOf(".") ? [".", ","] : [",", "."];
    return number.replaceAll(group, "").replace(decimal, ".");
  }
  const separator = comma ? "," : ".";
  const parts = number.split(separator);
  const grouped = parts.length > 1 && parts.slice(1).every((part) => /^\d{3}$/.test(part));
  if (grouped && (parts.length > 2 || separator === groupOf(locale))) return parts.join("");
  return number.replace(",", ".");
}

function groupOf(locale) {
  return new Intl.NumberFormat(locale).formatToParts(12_345_678).find(({ type }) => type === "group")?.value ?? ",";
}
