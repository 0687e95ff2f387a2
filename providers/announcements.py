"""Announcements in the database, without repetitions from one or several providers."""

from __future__ import annotations

from providers.datasets import LISTING_FIELDS, Row
from providers.models import Announcement

#: Equal announcements within this time are one: sources detect it at different moments.
_SAME_MS = 5 * 60_000
#: The age and number beyond which announcements are deleted. The feed shows the newest 500.
KEPT_DAYS, MOST = 365, 10_000
_DAY_MS = 86_400_000


def store(row: Row, source: str, received_at: int) -> bool:
    """Store an announcement (`providers.listings.row`) that `source` sent at `received_at` (epoch ms), and prune old
    ones; whether it is new. Raises `django.db.Error` when the database is unreachable."""
    if _is_stored(row, received_at):
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
    """The newest announcements by time of receipt: rows of `LISTING_FIELDS`."""
    return list(Announcement.objects.order_by("-received_at", "-id").values(*LISTING_FIELDS)[:limit])


def _is_stored(row: Row, received_at: int) -> bool:
    """Whether an equal announcement of about the same time is stored."""
    same_title = Announcement.objects.filter(exchange=row["exchange"], type=row["type"], title=row["title"])
    moment = _moment(row["published_at"], row["detected_at"], received_at)
    return any(
        set(stored.tickers) == set(row["tickers"])
        and abs(_moment(stored.published_at, stored.detected_at, stored.received_at) - moment) < _SAME_MS
        for stored in same_title.order_by("-received_at")[:100]
    )


def _moment(published_at: int | None, detected_at: int | None, received_at: int) -> int:
    return published_at or detected_at or received_at
