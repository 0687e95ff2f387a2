"""An announcement as a row, and the identity of announcements. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from providers.clean import FIRST_MS, text
from providers.datasets import Row

#: More than any exchange has listed at once; further tickers are dropped.
_TICKERS = 100
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
#: 2100 in epoch milliseconds.
_LAST = 4_102_444_800_000


def row(
    exchange: object, kind: object, title: object, tickers: Iterable[str], published_at: object, detected_at: object
) -> Row | None:
    """A row of `LISTING_FIELDS`, without `received_at` and `source`, from a provider's fields; times in epoch
    milliseconds. None when exchange or type are missing or not plain words."""
    source, category = word(exchange), word(kind)
    if not source or not category:
        return None
    symbols = dict.fromkeys(symbol.upper() for ticker in tickers if (symbol := text(ticker)[:40]))
    fields: Row = {
        "exchange": source,
        "type": category,
        "title": text(title),
        "tickers": list(symbols)[:_TICKERS],
        "published_at": moment(published_at),
        "detected_at": moment(detected_at),
    }
    return {"id": identity(fields), **fields}


def identity(announcement: Row) -> str:
    """An id that is equal for repetitions of an announcement from any provider: a hash of its fields and of the minute
    of publication, or else detection. (Detections in different minutes are recognised when they are stored:
    `providers.announcements`.)"""
    fields = [announcement["exchange"], announcement["type"], *sorted(announcement["tickers"]), announcement["title"]]
    at = announcement["published_at"] or announcement["detected_at"] or 0
    return hashlib.sha256("\0".join([*fields, str(at // 60_000)]).encode()).hexdigest()[:24]


def word(value: object) -> str:
    """A name such as `binance` or `spot_listing`, in lower case; "" for anything else."""
    name = text(value).lower()
    return name if _WORD.fullmatch(name) else ""


def moment(value: object) -> int | None:
    """A plausible time in epoch milliseconds, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or not FIRST_MS < value < _LAST:
        return None
    return value
