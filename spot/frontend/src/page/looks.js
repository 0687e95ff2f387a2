// Theme, palette, locale and time zone, as the visitor chose them or as the system has them. Pure but for `wear`.

export const THEMES = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]];

// As in Europe and America, as in East Asia, and told apart by every kind of eye.
export const PALETTES = [["green-red", "Green up"], ["red-green", "Red up"], ["blue-orange", "Blue up"]];

// Locales whose writing of numbers and dates differs; the texts of the page are English in all of them.
export const LOCALES = ["en-US", "en-GB", "en-IN", "de-DE", "de-CH", "fr-FR", "es-ES", "pt-BR", "it-IT", "nl-NL", "sv-SE", "pl-PL", "tr-TR", "ru-RU", "uk-UA", "ar-EG", "hi-IN", "ja-JP", "ko-KR", "zh-CN"];

function valid(options, value) {
  return options.some(([key]) => key === value) ? value : options[0][0];
}

export function theme(settings) {
  return valid(THEMES, settings.get("theme"));
}

export function palette(settings) {
  return valid(PALETTES, settings.get("palette"));
}

/** A locale that Intl takes: the chosen one, the browser's, or English. */
export function locale(settings, browser = globalThis.navigator?.language) {
  return inLatinDigits([settings.get("locale"), browser].find(isLocale) ?? "en-US");
}

/** The subscript that counts a tiny price's zeros exists for these digits only, and one number is written in one kind. */
function inLatinDigits(tag) {
  const { numberingSystem } = new Intl.NumberFormat(tag).resolvedOptions();
  return numberingSystem === "latn" ? tag : new Intl.Locale(tag, { numberingSystem: "latn" }).toString();
}

function isLocale(tag) {
  try {
    return typeof tag === "string" && Intl.NumberFormat.supportedLocalesOf(tag).length > 0;
  } catch {
    return false;
  }
}

/** An IANA name: the chosen zone, or the system's. */
export function timeZone(settings) {
  const chosen = settings.get("timeZone");
  return isTimeZone(chosen) ? chosen : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

// Browsers list some zones by names that their cities have put away; they know the new ones all the same.
const RENAMED = {
  "Africa/Asmera": "Africa/Asmara", "America/Buenos_Aires": "America/Argentina/Buenos_Aires", "America/Godthab": "America/Nuuk",
  "Asia/Calcutta": "Asia/Kolkata", "Asia/Katmandu": "Asia/Kathmandu", "Asia/Rangoon": "Asia/Yangon", "Asia/Saigon": "Asia/Ho_Chi_Minh",
  "Atlantic/Faeroe": "Atlantic/Faroe", "Europe/Kiev": "Europe/Kyiv", "Pacific/Ponape": "Pacific/Pohnpei", "Pacific/Truk": "Pacific/Chuuk",
};

/** Every zone's IANA name, in order, UTC apart. */
export function timeZones(listed = Intl.supportedValuesOf("timeZone")) {
  const current = listed.map((name) => (isTimeZone(RENAMED[name]) ? RENAMED[name] : name));
  return [...new Set(current)].filter((name) => name !== "UTC").sort();
}

export function isTimeZone(name) {
  if (typeof name !== "string" || !name) return false;
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

/** Puts theme and palette on <html>, where tokens.css looks for them. */
export function wear(settings, root = document.documentElement) {
  const chosen = { theme: theme(settings), palette: palette(settings) };
  if (chosen.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = chosen.theme;
  root.dataset.palette = chosen.palette;
}
