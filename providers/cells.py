"""Cells of the right type whose values cannot be: each becomes None, the row stays. Pure.

One such value is enough to lead every list of movers or to fill the whole map. What is judged here is a row by itself;
prices against the ones before are `providers.plausible`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from providers.clean import moment
from providers.currencies import per_dollar
from providers.datasets import Row

#: No price falls by more than all of it.
_LOWEST_CHANGE = -100.0
#: The highest change in percent, by window. The steepest known rise within a year is Shiba Inu's in 2021, some 46
#: million percent; shorter windows allow a tenth each, and within an hour no price moves a thousandfold
#: (`plausible.FACTOR`).
_HIGHEST_CHANGE = {"1h": 1e5, "24h": 1e6, "7d": 1e7, "14d": 1e7, "30d": 1e7, "200d": 1e8, "1y": 1e8}
#: The highest amount of money, in dollars: all shares of the world together are worth about as much.
_MOST_DOLLARS = 1e14
_AMOUNTS = ("market_cap", "fully_diluted_valuation", "volume_24h")
#: Volume of a day as a multiple of the market cap. Wash trading reaches some hundred.
_MOST_TURNOVER = 1_000.0
#: Supplies are counted at different times, and some sources round.
_SUPPLY_ROUNDING = 1.1
#: The most that a price can move within a week, as a factor: the week's bound above.
_WEEK_FACTOR = 1e5
#: Within a candle and within a chart.
_CANDLE_FACTOR, _CHART_FACTOR = 1e7, 1e9
_LAST_RANK = 10_000_000


def blanked(rows: Sequence[Row], currency: str) -> tuple[list[Row], Counter[str]]:
    """The rows of coins with None for what cannot be, and how often, by field. Rows that are sound are the same."""
    counts: Counter[str] = Counter()
    kept = []
    for row in rows:
        repairs: Row = dict.fromkeys(impossible(row, currency))
        if (points := row.get("sparkline")) and (sound := _sparkline(points, row.get("price"))) != points:
            repairs["sparkline"] = sound or None
        counts.update(repairs.keys())
        kept.append({**row, **repairs} if repairs else row)
    return kept, counts


def impossible(row: Mapping[str, Any], currency: str) -> list[str]:
    """The fields of a coin's row whose values cannot be."""
    return list(dict.fromkeys([*_changes(row), *_money(row, currency), *_ranges(row), *_supplies(row), *_rank(row)]))


def _changes(row: Mapping[str, Any]) -> Iterator[str]:
    for window, highest in _HIGHEST_CHANGE.items():
        change = row.get(name := f"price_change_{window}")
        if change is not None and not _LOWEST_CHANGE <= change <= highest:
            yield name


def _money(row: Mapping[str, Any], currency: str) -> Iterator[str]:
    most = _MOST_DOLLARS * per_dollar(currency)
    above = [name for name in _AMOUNTS if (row.get(name) or 0) > most]
    yield from above
    if "market_cap" in above:
        yield "market_cap_rank"  # it is reckoned from the cap
    cap, volume = row.get("market_cap"), row.get("volume_24h")
    if cap and volume and "market_cap" not in above and volume >= _MOST_TURNOVER * cap:
        yield "volume_24h"


def _ranges(row: Mapping[str, Any]) -> Iterator[str]:
    """A high below its low: nobody knows which of the two is wrong. A high or low that the price is too far from."""
    for high, low in (("high_24h", "low_24h"), ("ath", "atl")):
        highest, lowest = row.get(high), row.get(low)
        if highest is not None and lowest is not None and highest < lowest:
            yield from (high, low)
    price, furthest = row.get("price"), 1 + _HIGHEST_CHANGE["24h"] / 100
    for name in ("high_24h", "low_24h"):
        if price and (value := row.get(name)) and _apart(value, price) > furthest:
            yield name


def _supplies(row: Mapping[str, Any]) -> Iterator[str]:
    circulating, total, most = (row.get(f"{which}_supply") for which in ("circulating", "total", "max"))
    if most and total and total > most * _SUPPLY_ROUNDING:
        yield "total_supply"
    if most and circulating and circulating > most * _SUPPLY_ROUNDING:
        yield "circulating_supply"


def _rank(row: Mapping[str, Any]) -> Iterator[str]:
    rank = row.get("market_cap_rank")
    if rank is not None and not (rank == int(rank) and 1 <= rank <= _LAST_RANK):
        yield "market_cap_rank"


def _sparkline(points: Iterable[float], price: float | None) -> list[float]:
    """The points that a price can have come from within the week; all of them where there is no price."""
    return [point for point in points if not price or not point or _apart(point, price) <= _WEEK_FACTOR]


def candles(rows: Sequence[Row], currency: str, now_ms: int) -> tuple[list[Row], Counter[str]]:
    """The candles that can be, and how often something cannot: a candle of a time before 2009 or later than now, or of
    prices out of all measure to each other or to the chart's; and a volume out of all measure, which becomes None."""
    middle = median([row["close"] for row in rows]) if rows else 0.0
    kept = [
        row
        for row in rows
        if moment(row["timestamp"], now_ms) is not None
        and _apart(row["high"], row["low"]) <= _CANDLE_FACTOR
        and _apart(row["close"], middle) <= _CHART_FACTOR
    ]
    most = _MOST_DOLLARS * per_dollar(currency)
    volumes = sum((row["volume"] or 0) > most for row in kept)
    made = [{**row, "volume": None} if (row["volume"] or 0) > most else row for row in kept]
    return made, +Counter({"candle": len(rows) - len(kept), "volume": volumes})


def _apart(a: float, b: float) -> float:
    """The factor between two prices; where one is 0 that is for others to judge."""
    return max(a / b, b / a) if a > 0 and b > 0 else 1.0
