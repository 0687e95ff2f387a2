// Candles as the chart library takes them. Pure.

const MOST_GAPS = 1_000;

/** Bars with `time` in seconds; where candles are missing, bare times, so that a gap stays a gap. */
export function bars(candles, intervalMs) {
  const out = [];
  let gaps = 0;
  for (const { timestamp, open, high, low, close } of candles) {
    let next = out.length ? out.at(-1).time * 1000 + intervalMs : timestamp;
    for (; intervalMs > 0 && next < timestamp && gaps < MOST_GAPS; next += intervalMs, gaps += 1) out.push({ time: next / 1000 });
    out.push({ time: timestamp / 1000, open, high, low, close });
  }
  return out;
}

/** The volume under each bar, coloured by the candle's direction; bare times where there is none. */
export function volumes(candles, { up, down }) {
  return candles.map(({ timestamp, open, close, volume }) => {
    const time = timestamp / 1000;
    return volume == null ? { time } : { time, value: volume, color: close >= open ? up : down };
  });
}
