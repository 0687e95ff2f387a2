// An announcement in words. Pure.

const RISES = /(^|_)(listing|airdrop|remove|released)$/;
const FALLS = /(^|_)(delisting|extend)$/;

/** "spot_delisting" as "Spot delisting", unknown types as well. */
export function typeWords(type) {
  const words = type.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whether it is good news for its coins ("up"), bad ("down") or neither ("flat"). */
export function direction(type) {
  if (type === "not_listing") return "flat";
  if (FALLS.test(type)) return "down";
  return RISES.test(type) ? "up" : "flat";
}

/** The time of an announcement: published, else noticed, else received. */
export function moment({ published_at, detected_at, received_at }) {
  return published_at ?? detected_at ?? received_at;
}

/** The text for a missing title: some keys do not receive titles. */
export function titleText({ title }) {
  return title || "(without a title)";
}
