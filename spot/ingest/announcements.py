"""Announcements of exchanges, from the stream into the snapshot `listings`; called by the stream's sink.

Synchronous, because the database is: an event loop calls these functions in a thread.
"""

from __future__ import annotations

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections

import providers
from providers import announcements
from providers.base import Provider
from providers.datasets import LISTINGS, Fetched, Row
from spot import snapshots
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: Rows in the snapshot.
KEPT = 500
#: Seconds between two renewals of the snapshot by a live stream; and the interval from which its age limit follows.
_RENEWAL = 30.0
_PACE = 60.0


def announced(row: Row, provider: Provider, *, again: bool = False) -> bool:
    """Store and publish an announcement (`providers.listings.row`). Returns whether it is new; a repetition is neither
    stored nor published. `again`: publishing failed before, so it is published even if it is stored already.

    While the database does not answer it is published all the same, and lost when the store is rebuilt.
    """
    close_old_connections()
    now = now_ms()
    try:
        if not announcements.store(row, provider.name, now) and not again:
            return False
        rows = announcements.newest(KEPT)
    except DatabaseError as error:
        log.warning("announcement not stored", exchange=row["exchange"], title=row["title"], error=str(error))
        if row["id"] in (before := {shown["id"]: shown for shown in _published()}):
            return False
        rows = [{**row, "source": provider.name, "received_at": now}, *before.values()][:KEPT]
    _save(rows, provider.name, provider.label, now)
    return True


def alive(provider: Provider) -> None:
    """The provider's stream is alive, so the snapshot is complete: renew its time, at most every 30 seconds."""
    if provider.stream and "listings" in provider.stream.brings and snapshots.first_in("listings-renewed", _RENEWAL):
        close_old_connections()
        try:
            rows = announcements.newest(KEPT)
        except DatabaseError:
            rows = _published()
        _save(rows, provider.name, provider.label, now_ms())


def restore() -> None:
    """Restore a lost snapshot from the database, with its age. Does nothing if there is a snapshot, nothing was ever
    announced, or the database does not answer."""
    fetched_at, _ = snapshots.ages([LISTINGS])[LISTINGS.name]
    if snapshots.realm() != "live" or fetched_at is not None:
        return
    try:
        rows = announcements.newest(KEPT)
    except DatabaseError as error:
        log.warning("announcements not restored", error=str(error))
        return
    if rows:
        last = rows[0]
        provider = providers.get(last["source"])
        _save(rows, last["source"], provider.label if provider else last["source"], last["received_at"])


def _published() -> list[Row]:
    snapshot = snapshots.load(LISTINGS)
    return list(snapshot.rows) if snapshot else []


def _save(rows: list[Row], source: str, label: str, at: int) -> None:
    fetched = Fetched(LISTINGS, rows, as_of=at, fetched_at=at, source=source, label=label, simulated=False)
    snapshots.save(fetched, _PACE)
