"""An announcement as a row, and what makes two of them the same one. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from providers.clean import FIRST_MS, text
from providers.datasets import Row

#: More than any exchange has listed in one go; what follows is left out.
_TICKERS = 100
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
#: 2100 in epoch milliseconds.
_LAST = 4_102_444_800_000


def row(
    exchange: object, kind: object, title: object, tickers: Iterable[str], published_at: object, detected_at: object
) -> Row | None:
    """A row of `LISTING_FIELDS` but for `received_at` and `source`, out of what a provider said; times in epoch
    milliseconds. None when nobody could tell what it is about: exchange and type must be plain words."""
    where, what = word(exchange), word(kind)
    if not where or not what:
        return None
    named = dict.fromkeys(name.upper() for ticker in tickers if (name := text(ticker)[:40]))
    made: Row = {
        "exchange": where,
        "type": what,
        "title": text(title),
        "tickers": list(named)[:_TICKERS],
        "published_at": moment(published_at),
        "detected_at": moment(detected_at),
    }
    return {"id": identity(made), **made}


def identity(announcement: Row) -> str:
    """The same for the same announcement, by whichever way and however often it arrives: a hash of who said what, and
    of the minute in which it was published, or else noticed. (Who notices it in another minute is recognised when it
    is stored: `providers.announcements`.)"""
    said = [announcement["exchange"], announcement["type"], *sorted(announcement["tickers"]), announcement["title"]]
    at = announcement["published_at"] or announcement["detected_at"] or 0
    return hashlib.sha256("\0".join([*said, str(at // 60_000)]).encode()).hexdigest()[:24]


def word(value: object) -> str:
    """A name such as `binance` or `spot_listing`, lower case; "" when it is none."""
    made = text(value).lower()
    return made if _WORD.fullmatch(made) else ""


def moment(value: object) -> int | None:
    """A believable time in epoch milliseconds, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or not FIRST_MS < value < _LAST:
        return None
    return value
