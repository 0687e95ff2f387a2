"""Making upstream values believable: what is no finite number and no plain text gets no further. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

#: Beyond this a float is exact no longer, and 64-bit JSON encoders refuse larger integers.
_EXACT = 2**53
#: The longest name or address that is passed on; the longest real coin name has 60 letters.
_TEXT = 300


class Cleaner:
    """Cleans the values of one answer and counts, in `blanked`, those that were there and could not be believed."""

    def __init__(self) -> None:
        self.blanked = 0

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
        """Epoch milliseconds of an ISO 8601 time after 1970, or None."""
        made = _moment(value)
        if made is None and value is not None:
            self.blanked += 1
        return made


def _moment(value: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
        made = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
    return made if made > 0 else None


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
    plain = value[:_TEXT].encode("utf-8", "replace").decode()
    return "".join(letter for letter in plain if letter.isprintable()).strip()


def link(value: Any) -> str:
    """The address when it is one that a page may load, else ""."""
    made = text(value)
    return made if made.startswith("https://") else ""
