// Candles in the format of the chart library, and in words. Pure.

const MOST_GAPS = 1_000;
const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000]];

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

function isBar(bar) {
  return bar !== undefined && "close" in bar;
}

/** The closes as a line. The library would draw it straight across a gap: the point before one ends the line. */
export function line(bars, ends) {
  return bars.map((bar, index) => {
    if (!isBar(bar)) return bar;
    const last = index + 1 < bars.length && !isBar(bars[index + 1]);
    return { time: bar.time, value: bar.close, ...(last ? { color: ends } : {}) };
  });
}

/** The volume under each bar, coloured by the candle's direction; bare times where there is none. */
export function volumes(candles, { up, down }) {
  return candles.map(({ timestamp, open, close, volume }) => {
    const time = timestamp / 1000;
    return volume == null ? { time } : { time, value: volume, color: close >= open ? up : down };
  });
}

/** How many candles are missing between the first and the last. */
export function missing(candles, intervalMs) {
  if (!(intervalMs > 0) || candles.length < 2) return 0;
  const places = Math.round((candles.at(-1).timestamp - candles[0].timestamp) / intervalMs) + 1;
  return Math.max(0, places - candles.length);
}

/** Whether a candle was not over yet when its data were taken, so that all but its open may still change. */
export function isOpen(candle, intervalMs, asOf) {
  return intervalMs > 0 && asOf < candle.timestamp + intervalMs;
}

/**
 * The candles with the last one following a live price: the one that is open at `at`, or a new one when that is over.
 * The same candles when the price is older than they are, or a whole candle is missing in between.
 */
export function followed(candles, { price, at }, intervalMs, asOf) {
  const last = candles.at(-1);
  if (!last || !(intervalMs > 0) || !(price > 0) || !(at >= asOf) || at >= last.timestamp + 2 * intervalMs) return candles;
  if (at >= last.timestamp + intervalMs) {
    return [...candles, { timestamp: last.timestamp + intervalMs, open: price, high: price, low: price, close: price, volume: null }];
  }
  return [...candles.slice(0, -1), { ...last, close: price, high: Math.max(last.high, price), low: Math.min(last.low, price) }];
}

/** Of bars by their places, those from and to which the axis shows; `range` may end between two of them, or be null. */
export function within(bars, range) {
  const [from, to] = range ? [Math.ceil(range.from), Math.floor(range.to)] : [0, bars.length - 1];
  return bars.filter((bar, place) => place >= from && place <= to && isBar(bar));
}

/** 1 800 000 as "30 min", 14 400 000 as "4 h": the length of a candle where there is little room. */
export function shortInterval(milliseconds) {
  const unit = UNITS.find(([, size]) => milliseconds >= size && milliseconds % size === 0);
  return unit ? `${milliseconds / unit[1]} ${unit[0]}` : "";
}

/** The kind of volume as [its name, an explanation]; null without volume. */
export function volumeWords(basis) {
  switch (basis) {
    case "rolling_24h": return ["Vol 24 h", "Volume: rolling 24-hour total at each candle's close, not the volume traded within the candle"];
    case "interval": return ["Vol", "Volume: what was traded within each candle"];
    case "none": return null;
    default: return ["Vol", "Volume: the source does not say over which time it counts"];
  }
}
