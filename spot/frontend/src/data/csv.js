// Tables as comma-separated text (RFC 4180, for UTF-8), safe to open in a spreadsheet. Pure.

import { isoIn } from "./zone.js";

// The beginnings that a spreadsheet takes for a formula, after invisible characters; the last four are the wide forms.
const RUNS = /^[\p{Z}\p{C}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u;

/** All digits of a number and no exponent: 5.14e-6 is written 0.00000514, which is the same number. */
export function plain(number) {
  if (!Number.isFinite(number)) return "";
  const [digits, exponent] = String(Math.abs(number)).split("e");
  const sign = number < 0 ? "-" : "";
  if (exponent === undefined) return sign + digits;
  const [whole, fraction = ""] = digits.split(".");
  const point = whole.length + Number(exponent);
  const all = whole + fraction;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${all}`;
  return `${sign}${all.padEnd(point, "0")}`;
}

/** Numbers are never touched, so that negative ones stay numbers; a text that could run gets an apostrophe before it. */
function cell(value) {
  if (value == null) return "";
  if (typeof value === "number") return plain(value);
  const text = RUNS.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A table of rows of cells: numbers, texts, booleans or null. */
export function csv(headers, rows) {
  return [headers, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function iso(time) {
  return time == null ? null : new Date(time).toISOString().replace(".000Z", "Z");
}

/**
 * Candles with their times in UTC (and by the visitor's clocks, where those are others) and in epoch ms, and what each
 * number is: its currency, source and time. `isComplete(candle)`: whether the candle has closed.
 */
export function candlesCsv(candles, { currency, intervalMs, volumeBasis, source, asOf, timeZone, isComplete }) {
  const local = timeZone !== "UTC";
  const headers = [
    "time_utc", ...(local ? ["time_local"] : []), "timestamp_ms", "open", "high", "low", "close", "volume",
    "volume_basis", "complete", "interval_ms", "currency", "source", "as_of_utc",
  ];
  const rows = candles.map((candle) => [
    iso(candle.timestamp), ...(local ? [isoIn(candle.timestamp, timeZone)] : []), candle.timestamp,
    candle.open, candle.high, candle.low, candle.close, candle.volume,
    volumeBasis, String(isComplete(candle)), intervalMs, currency, source, iso(asOf),
  ]);
  return csv(headers, rows);
}

/** bitcoin-usd-4h-2026-10-21-2026-11-20.csv: whose candles, how long, of which days (UTC). */
export function candlesName(coin, currency, length, candles) {
  const day = ({ timestamp }) => new Date(timestamp).toISOString().slice(0, 10);
  const parts = [coin, currency, length.replace(" ", ""), day(candles[0]), day(candles.at(-1))];
  return `${parts.filter(Boolean).join("-")}.csv`;
}
