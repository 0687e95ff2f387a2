"""Impossible values of the right type: each becomes None, the row stays. Pure.

One such value would lead every list of movers or fill the whole map. This module checks a row by itself;
`providers.plausible` checks prices against the former ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from providers.clean import moment
from providers.currencies import per_dollar
from providers.datasets import Row

#: A price cannot fall by more than 100 %.
_LOWEST_CHANGE = -100.0
#: The highest change in percent, by window. The steepest known rise within a year is Shiba Inu's in 2021, some 46
#: million percent; shorter windows allow a tenth each, and within an hour no price moves a thousandfold
#: (`plausible.FACTOR`).
_HIGHEST_CHANGE = {"1h": 1e5, "24h": 1e6, "7d": 1e7, "14d": 1e7, "30d": 1e7, "200d": 1e8, "1y": 1e8}
#: The highest amount of money, in dollars: all shares of the world together are worth about as much.
_MOST_DOLLARS = 1e14
_AMOUNTS = ("market_cap", "fully_diluted_valuation", "volume_24h")
_DIFFERENCES = ("price_difference_24h", "market_cap_change_24h")
#: Changes that are not of a window of prices, and how far each may rise.
_OTHER_CHANGES = {
    "market_cap_change_percentage_24h": _HIGHEST_CHANGE["24h"],
    "ath_change_percentage": 100.0,
    "atl_change_percentage": 1e15,
}
#: The highest daily volume as a multiple of the market cap. Wash trading reaches some hundred.
_MOST_TURNOVER = 1_000.0
#: Tolerance between supplies, which are counted at different times and rounded.
_SUPPLY_ROUNDING = 1.1
#: The highest factor of a price within a week: the bound of `7d` above.
_WEEK_FACTOR = 1e5
#: Within a candle and within a chart.
_CANDLE_FACTOR, _CHART_FACTOR = 1e7, 1e9
_LAST_RANK = 10_000_000
#: How far each change may rise.
_CHANGES = {f"price_change_{window}": highest for window, highest in _HIGHEST_CHANGE.items()} | _OTHER_CHANGES


def blanked(rows: Sequence[Row], currency: str) -> tuple[list[Row], Counter[str]]:
    """The rows of coins with None for impossible values, and the number of these by field. Valid rows are unchanged."""
    counts: Counter[str] = Counter()
    repaired = []
    for row in rows:
        repairs: Row = dict.fromkeys(impossible(row, currency))
        if (points := row.get("sparkline")) and (valid := _sparkline(points, row.get("price"))) != points:
            repairs["sparkline"] = valid or None
        counts.update(repairs.keys())
        repaired.append({**row, **repairs} if repairs else row)
    return repaired, counts


def impossible(row: Mapping[str, Any], currency: str) -> list[str]:
    """The fields of a coin's row with impossible values."""
    return list(dict.fromkeys([*_changes(row), *_money(row, currency), *_ranges(row), *_supplies(row), *_rank(row)]))


def _changes(row: Mapping[str, Any]) -> Iterator[str]:
    for name, highest in _CHANGES.items():
        change = row.get(name)
        if change is not None and not _LOWEST_CHANGE <= change <= highest:
            yield name


def _money(row: Mapping[str, Any], currency: str) -> Iterator[str]:
    most = _MOST_DOLLARS * per_dollar(currency)
    above = [name for name in _AMOUNTS if (row.get(name) or 0) > most]
    yield from above
    yield from (name for name in _DIFFERENCES if abs(row.get(name) or 0) > most)
    if "market_cap" in above:
        yield "market_cap_rank"  # it is derived from the market cap
    cap, volume = row.get("market_cap"), row.get("volume_24h")
    if cap and volume and "market_cap" not in above and volume >= _MOST_TURNOVER * cap:
        yield "volume_24h"


def _ranges(row: Mapping[str, Any]) -> Iterator[str]:
    """A high below its low (both, since either may be wrong); and a high or low too far from the price."""
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
    for name in ("market_cap_rank", "market_cap_rank_with_rehypothecated"):
        rank = row.get(name)
        if rank is not None and not (rank == int(rank) and 1 <= rank <= _LAST_RANK):
            yield name


def _sparkline(points: list[float], price: float | None) -> list[float]:
    """The points from which the price can have come within a week; all points without a price."""
    if not price:
        return points
    # Of nearly every chart the extremes tell all.
    if None not in points:
        least, most = min(points), max(points)
        if least > 0 and max(_apart(least, price), _apart(most, price)) <= _WEEK_FACTOR:
            return points
    return [point for point in points if not point or _apart(point, price) <= _WEEK_FACTOR]


def candles(rows: Sequence[Row], currency: str, now_ms: int) -> tuple[list[Row], Counter[str]]:
    """The possible candles, and the number of impossible values. A candle is dropped when its time is before 2009 or in
    the future, or its prices differ too much from each other or from the chart's; an impossible volume becomes None."""
    middle = median([row["close"] for row in rows]) if rows else 0.0
    possible = [
        row
        for row in rows
        if moment(row["timestamp"], now_ms) is not None
        and _apart(row["high"], row["low"]) <= _CANDLE_FACTOR
        and _apart(row["close"], middle) <= _CHART_FACTOR
    ]
    most = _MOST_DOLLARS * per_dollar(currency)
    volumes = sum((row["volume"] or 0) > most for row in possible)
    repaired = [{**row, "volume": None} if (row["volume"] or 0) > most else row for row in possible]
    return repaired, +Counter({"candle": len(rows) - len(possible), "volume": volumes})


def _apart(a: float, b: float) -> float:
    """The factor between two prices; 1 if either is 0, which this module does not check."""
    return max(a / b, b / a) if a > 0 and b > 0 else 1.0
