// Times by the clocks of a time zone, daylight saving included. Pure.

const formats = new Map();

function parts(timeZone) {
  const fields = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
  if (!formats.has(timeZone)) {
    formats.set(timeZone, new Intl.DateTimeFormat("en-US", { ...fields, era: "short", hourCycle: "h23", calendar: "iso8601", timeZone }));
  }
  return formats.get(timeZone);
}

/** The local time of a zone at an epoch ms, as the epoch ms at which it is the same time in UTC. */
export function wallClock(time, timeZone) {
  if (timeZone === "UTC") return time;
  const read = Object.fromEntries(parts(timeZone).formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const whole = Date.UTC(read.year, read.month - 1, read.day, read.hour, read.minute, read.second);
  return whole + (((time % 1000) + 1000) % 1000);
}

/** ISO 8601 by the zone's clocks, with how far they are from UTC: 2026-10-25T02:30:00+01:00. */
export function isoIn(time, timeZone) {
  const local = wallClock(time, timeZone);
  const minutes = Math.round((local - time) / 60_000);
  const text = (number) => String(Math.floor(number)).padStart(2, "0");
  const offset = `${minutes < 0 ? "-" : "+"}${text(Math.abs(minutes) / 60)}:${text(Math.abs(minutes) % 60)}`;
  return new Date(local).toISOString().replace(/(\.000)?Z$/, offset);
}

const MINUTE = 60_000;
// The chart library's weights of the labels on its axis, the heaviest first, and how often their kind comes.
const WITHIN_A_DAY = [[33, 720], [32, 360], [31, 180], [30, 60], [22, 30], [21, 5], [20, 1]];

/** How heavy the label of a time is that follows another, both by the same clocks: a new year most, a new minute least. */
export function tickWeight(time, before) {
  const [now, then] = [new Date(time), new Date(before)];
  if (now.getUTCFullYear() !== then.getUTCFullYear()) return 70;
  if (now.getUTCMonth() !== then.getUTCMonth()) return 60;
  if (now.getUTCDate() !== then.getUTCDate()) return 50;
  const crossed = ([, minutes]) => Math.floor(time / (minutes * MINUTE)) !== Math.floor(before / (minutes * MINUTE));
  return WITHIN_A_DAY.find(crossed)?.[0] ?? 10;
}
