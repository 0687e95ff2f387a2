"""Candles and chart points of one coin, with the grids and irregularities of the provider."""

from __future__ import annotations

import numpy as np

from providers.sandbox.coins import DAY_MS
from providers.sandbox.market import HOUR_MS, MARK_MS, Market
from providers.sandbox.noise import Floats, Ints, key, scatter

_MINUTE_MS = 60_000
#: The ranges of candles in days, and the length of their candles.
CANDLES = {
    1: 30 * _MINUTE_MS,
    **dict.fromkeys((7, 14, 30), 4 * HOUR_MS),
    **dict.fromkeys((90, 180, 365), 4 * DAY_MS),
}


def candles(market: Market, coin_id: str, currency: str, days: int, now: int) -> list[list[float]]:
    """Rows of [close time, open, high, low, close], oldest first; the last one is unfinished, its time in the future.

    Highs and lows are those of the marks in the candle, and for the present candle of the present price.
    """
    row, length = market.index[coin_id], CANDLES[days]
    last_close = -(-now // length) * length
    count = -(-days * DAY_MS // length)
    since = int(market.listed_since(now)[row])
    closes = [close for close in range(last_close - (count - 1) * length, last_close + 1, length) if close > since]
    if not closes:
        return []
    start = closes[0] - length
    marks = np.arange(start, now // MARK_MS * MARK_MS + 1, MARK_MS)
    times = np.append(marks, now) if marks[-1] < now else marks
    prices = market.prices(times, np.array([row]), currency)[0]
    return [_candle(times, prices, max(close - length, since), close) for close in closes]


def _candle(times: Ints, prices: Floats, opens: int, closes: int) -> list[float]:
    first, last = np.searchsorted(times, opens), np.searchsorted(times, closes, side="right")
    part = prices[min(first, len(prices) - 1) : last]
    return [closes, float(part[0]), float(part.max()), float(part.min()), float(part[-1])]


def points(market: Market, coin_id: str, days: int, now: int, daily: bool = False) -> Ints:
    """The stamps of a chart, oldest first except for the quirk below: about 5 minutes, an hour or exactly a day apart.

    As recorded from the provider: stamps are irregular, the last one is a full second, and for some coins it is 955 ms
    EARLIER than the one before it.
    """
    row = market.index[coin_id]
    step = DAY_MS if daily or days > 90 else HOUR_MS if days > 1 else MARK_MS
    grid = np.arange((now - days * DAY_MS) // step + 1, now // step + 1) * step
    if step != DAY_MS:  # up to 30 % of a step to either side
        grid = grid + ((scatter(grid // step, key(coin_id, "stamps")) - 0.5) * 0.6 * step).astype(np.int64)
    tail = [now - 45, now // 1000 * 1000 - 1000] if key(coin_id, "quirk") % 2 else [now // 1000 * 1000]
    stamps = np.append(grid[grid < now - 2000], tail)
    return stamps[stamps > market.listed_since(now)[row]]
