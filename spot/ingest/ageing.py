"""The age of each coin's own price, beside the age of the market. Pure.

Providers keep serving a coin whose trading has stopped, with its last price and with the change "in 24 h" of the day it
stopped. So a stored row gets the column `stale`, and figures of a span that is over become None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from providers.datasets import Row

#: A price is stale after an hour at the earliest: small coins are priced every few minutes.
LEAST_MS = 3_600_000
_HOUR, _DAY = 3_600_000, 86_400_000
#: The span of each field in milliseconds. The price of a row must not be older, or the field is None.
SPANS = {
    "price_change_1h": _HOUR,
    "price_change_24h": _DAY,
    "price_difference_24h": _DAY,
    "market_cap_change_24h": _DAY,
    "market_cap_change_percentage_24h": _DAY,
    "volume_24h": _DAY,
    "high_24h": _DAY,
    "low_24h": _DAY,
    "price_change_7d": 7 * _DAY,
    "price_change_14d": 14 * _DAY,
    "price_change_30d": 30 * _DAY,
    "price_change_200d": 200 * _DAY,
    "price_change_1y": 365 * _DAY,
}


def aged(rows: Iterable[Row], at_ms: int, max_age_ms: int) -> Iterator[Row]:
    """The rows as of `at_ms` (epoch ms), each with `stale`: whether its `last_updated` is older than `max_age_ms`, the
    limit of its snapshot, and than an hour; None where the provider gives no time. Figures of a span that had ended
    before `at_ms` are None."""
    limit = max(max_age_ms, LEAST_MS)
    for row in rows:
        last = row["last_updated"]
        age = None if last is None else at_ms - last
        over = {} if age is None or age <= _HOUR else dict.fromkeys(name for name, span in SPANS.items() if age > span)
        yield {**row, **over, "stale": None if age is None else age > limit}
