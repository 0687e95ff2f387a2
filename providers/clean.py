"""Making upstream values believable: what is no finite number, no plain text and no possible time gets no further.
Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

#: Beyond this a float is exact no longer, and 64-bit JSON encoders refuse larger integers.
_EXACT = 2**53
#: The longest name or address that is passed on; the longest real coin name has 60 letters.
_TEXT = 300
#: Letters that are drawn as nothing though they count as printable.
_UNSEEN = dict.fromkeys(map(ord, "\u115f\u1160\u2800\u3164\uffa0"))
#: The first day of 2009, the year of the first bitcoin, in epoch ms: nothing had a price before. A time in seconds
#: reads as January 1970 and is excluded as well.
FIRST_MS = 1_230_768_000_000
#: How far a provider's clock may be ahead of ours.
SLACK_MS = 60_000


class Cleaner:
    """Cleans the values of one answer and counts, in `blanked`, those that were there and could not be believed.

    `now_ms` is when the answer came: no time in it can be later. None: times are not held against a clock.
    """

    def __init__(self, now_ms: int | None = None) -> None:
        self.blanked = 0
        self._now_ms = now_ms

    def number(self, value: Any, *, signed: bool = False) -> float | int | None:
        """The number, or None: for null, text, booleans, NaN, infinities, and below zero unless `signed`."""
        made = _finite(value)
        if made is not None and made < 0 and not signed:
            made = None
        if made is None and value is not None:
            self.blanked += 1
        return made

    def numbers(self, values: Any) -> list[float | int]:
        """Those of the values that are numbers, in order."""
        if not isinstance(values, list):
            return []
        return [made for made in map(self.number, values) if made is not None]

    def millis(self, value: Any) -> int | None:
        """Epoch milliseconds of an ISO 8601 time, or None: see `stamp`."""
        return self.stamp(None if value is None else _milliseconds(value))

    def stamp(self, value: Any, ahead_ms: int = 0) -> int | None:
        """The time in epoch milliseconds, or None: for what is no number, before 2009, and later than now by more than
        `ahead_ms` and what clocks differ by. Within that it is no later than now and `ahead_ms`."""
        made = moment(value, None if self._now_ms is None else self._now_ms + ahead_ms)
        if made is None and value is not None:
            self.blanked += 1
        return made


def moment(value: Any, latest_ms: int | None) -> int | None:
    """A number as a time in epoch milliseconds that is possible, not later than `latest_ms`; None if it is not."""
    number = _finite(value)
    if number is None or number < FIRST_MS or (latest_ms is not None and number > latest_ms + SLACK_MS):
        return None
    return int(number) if latest_ms is None else min(int(number), latest_ms)


def ahead(noted_ms: int, now_ms: int) -> bool:
    """Whether a time that was noted here is later than now by more than clocks differ: since then the clock has been
    set back, and how long ago it was nobody knows."""
    return noted_ms > now_ms + SLACK_MS


def _milliseconds(value: Any) -> float:
    """Epoch milliseconds of an ISO 8601 time; NaN when it is none."""
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp() * 1000
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _finite(value: Any) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        made = value if isinstance(value, int) and abs(value) <= _EXACT else float(value)
    except OverflowError:
        return None
    return made if math.isfinite(made) else None


def impossible(price: Any) -> bool:
    """Whether a number stands where a price should, and no price can be that: it is below zero, or not finite."""
    if isinstance(price, bool) or not isinstance(price, int | float):
        return False
    made = _finite(price)
    return made is None or made < 0


def text(value: Any) -> str:
    """The text without invisible ends, cut to a sane length, encodable; "" when it is none."""
    if not isinstance(value, str):
        return ""
    plain = value[:_TEXT].encode("utf-8", "replace").decode().translate(_UNSEEN)
    return "".join(letter for letter in plain if letter.isprintable()).strip()


def titles(coin: str, symbol: Any, name: Any) -> tuple[str, str]:
    """A coin's symbol, upper case, and its name, as they are shown. In the place of a blank name stands the id, in that
    of a blank symbol the name: what is only for show never makes a coin unknown."""
    called = text(name) or coin
    return text(symbol).upper() or called, called


def link(value: Any) -> str:
    """The address when it is one that a page may load, else ""."""
    made = text(value)
    return made if made.startswith("https://") else ""
