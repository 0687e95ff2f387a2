"""Announcements in the database: each once, however often and from wherever it arrives."""

from __future__ import annotations

from providers.datasets import LISTING_FIELDS, Row
from providers.models import Announcement

#: Two sources notice the same thing at different moments, and may disagree about the minute. Nobody announces the same
#: thing twice within so many milliseconds.
_SAME_MS = 5 * 60_000


#: Announcements are deleted after so many days, and past so many: the feed shows the newest 500.
KEPT_DAYS, MOST = 365, 10_000
_DAY_MS = 86_400_000


def store(row: Row, source: str, received_at: int) -> bool:
    """Keep an announcement (`providers.listings.row`) that `source` brought at `received_at` (epoch ms), and delete
    those that are too old or too many. Whether it is new. django.db.Error when the database is out of reach."""
    if _known(row, received_at):
        return False
    defaults = {name: row[name] for name in LISTING_FIELDS if name in row and name != "id"}
    _, new = Announcement.objects.get_or_create(
        id=row["id"], defaults=defaults | {"source": source, "received_at": received_at}
    )
    if new:
        _prune(received_at)
    return new


def _prune(now_ms: int) -> None:
    first = Announcement.objects.values_list("received_at", flat=True)[MOST : MOST + 1]
    oldest = max(now_ms - KEPT_DAYS * _DAY_MS, *(received_at + 1 for received_at in first), 0)
    Announcement.objects.filter(received_at__lt=oldest).delete()


def newest(limit: int = 500) -> list[Row]:
    """The announcements received last, newest first: rows of `LISTING_FIELDS`."""
    return list(Announcement.objects.order_by("-received_at", "-id").values(*LISTING_FIELDS)[:limit])


def _known(row: Row, received_at: int) -> bool:
    """Whether somebody has told of it already: the same words about the same coins, at about the same time."""
    alike = Announcement.objects.filter(exchange=row["exchange"], type=row["type"], title=row["title"])
    moment = _moment(row["published_at"], row["detected_at"], received_at)
    return any(
        set(one.tickers) == set(row["tickers"])
        and abs(_moment(one.published_at, one.detected_at, one.received_at) - moment) < _SAME_MS
        for one in alike.order_by("-received_at")[:100]
    )


def _moment(published_at: int | None, detected_at: int | None, received_at: int) -> int:
    return published_at or detected_at or received_at
