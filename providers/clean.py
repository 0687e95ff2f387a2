"""Cleans upstream values: only finite numbers, printable texts and plausible times pass. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

#: The largest integer that a float represents exactly; 64-bit JSON encoders reject larger integers.
_EXACT = 2**53
_NUMBERS = frozenset({float, int})
#: The longest name or URL that passes; the longest real coin name has 60 letters.
_TEXT = 300
#: Letters that are invisible although Unicode calls them printable.
_UNSEEN = dict.fromkeys(map(ord, "\u115f\u1160\u2800\u3164\uffa0"))
#: The first day of 2009, the year of the first bitcoin, in epoch ms. A time in seconds would be in January 1970, and is
#: excluded as well.
FIRST_MS = 1_230_768_000_000
#: How far a provider's clock may be ahead of ours.
SLACK_MS = 60_000


class Cleaner:
    """Cleans the values of one answer and counts, in `blanked`, the invalid ones.

    `now_ms` is the time of the answer: later times are invalid. None: times are not compared with a clock.
    """

    def __init__(self, now_ms: int | None = None) -> None:
        self.blanked = 0
        self._now_ms = now_ms

    def number(self, value: Any, *, signed: bool = False) -> float | int | None:
        """The number, or None for null, text, booleans, NaN, infinities, and negative numbers unless `signed`."""
        number = _finite(value)
        if number is not None and number < 0 and not signed:
            number = None
        if number is None and value is not None:
            self.blanked += 1
        return number

    def figures(self, raw: Mapping[str, Any], names: Mapping[str, str], *, signed: bool = False) -> dict[str, Any]:
        """The numbers of an object, by our names for its own (`number`)."""
        least = -_EXACT if signed else 0
        found = {}
        for ours, theirs in names.items():
            value = raw.get(theirs)
            # A call for each would take half of the time: a market has 12,000 figures.
            if value is not None and not (type(value) in _NUMBERS and least <= value <= _EXACT):
                value = self.number(value, signed=signed)
            found[ours] = value
        return found

    def numbers(self, values: Any) -> list[float | int]:
        """The valid numbers of a list, in order."""
        if not isinstance(values, list):
            return []
        if _all_valid(values):
            return list(values)
        return [number for number in map(self.number, values) if number is not None]

    def millis(self, value: Any) -> int | None:
        """Epoch milliseconds of an ISO 8601 time, or None: see `stamp`."""
        return self.stamp(None if value is None else _milliseconds(value) if isinstance(value, str) else math.nan)

    def stamp(self, value: Any, ahead_ms: int = 0) -> int | None:
        """A time in epoch milliseconds, or None for anything but a number, before 2009, or later than now by more than
        `ahead_ms` and the tolerance between clocks. The result is at most now plus `ahead_ms`."""
        time_ms = moment(value, None if self._now_ms is None else self._now_ms + ahead_ms)
        if time_ms is None and value is not None:
            self.blanked += 1
        return time_ms


def _all_valid(values: list[Any]) -> bool:
    """Whether `Cleaner.number` would return each value as it is: nearly every chart, told by a few calls for all its
    points. A NaN makes the sum one, wherever it hides from the comparisons."""
    return (
        set(map(type, values)) <= _NUMBERS
        and bool(values)
        and min(values) >= 0
        and max(values) <= _EXACT
        and math.isfinite(sum(values))
    )


def moment(value: Any, latest_ms: int | None) -> int | None:
    """A plausible time in epoch milliseconds, at most `latest_ms`; else None."""
    number = _finite(value)
    if number is None or number < FIRST_MS or (latest_ms is not None and number > latest_ms + SLACK_MS):
        return None
    return int(number) if latest_ms is None else min(int(number), latest_ms)


def ahead(noted_ms: int, now_ms: int) -> bool:
    """Whether a time recorded by us is in the future by more than the tolerance: the clock has been set back since, and
    the age is unknown."""
    return noted_ms > now_ms + SLACK_MS


@lru_cache(maxsize=4096)  # most times of a market are those of the fetch before
def _milliseconds(value: str) -> float:
    """Epoch milliseconds of an ISO 8601 time; NaN for another text."""
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp() * 1000
    except (ValueError, OverflowError):
        return math.nan


def _finite(value: Any) -> float | int | None:
    if type(value) is float:  # most values are
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = value if isinstance(value, int) and abs(value) <= _EXACT else float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def impossible(price: Any) -> bool:
    """Whether a price is a number below zero or not finite."""
    if isinstance(price, bool) or not isinstance(price, int | float):
        return False
    number = _finite(price)
    return number is None or number < 0


def text(value: Any) -> str:
    """A text without invisible characters and outer spaces, of limited length; "" for anything else."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and value.isprintable():  # most texts are
        return value[:_TEXT].strip()
    plain = value[:_TEXT].encode("utf-8", "replace").decode().translate(_UNSEEN)
    return "".join(letter for letter in plain if letter.isprintable()).strip()


def titles(coin: str, symbol: Any, name: Any) -> tuple[str, str]:
    """A coin's symbol in upper case, and its name. The id replaces a blank name, and the name a blank symbol."""
    title = text(name) or coin
    return text(symbol).upper() or title, title


def link(value: Any) -> str:
    """A URL that a page may load (https), else ""."""
    url = text(value)
    return url if url.startswith("https://") else ""
