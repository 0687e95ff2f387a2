"""Announcements of exchanges, from the stream to the snapshot `listings`: what the stream worker calls.

Synchronous, because the database is: an event loop calls these in a thread.
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
#: A sign of life renews the snapshot no more often than this, in seconds. Stale is what has missed a renewal: twice.
_RENEWAL = 30.0
_PACE = 60.0


def announced(row: Row, provider: Provider, *, again: bool = False) -> bool:
    """Store what the provider announced (`providers.listings.row`) and show it. Whether it is new; a repetition is
    neither stored nor shown again. `again`: showing it failed before, so it is shown even when it is stored already.

    While the database is out of reach it is shown all the same, and gone when the store is rebuilt.
    """
    close_old_connections()
    now = now_ms()
    try:
        if not announcements.store(row, provider.name, now) and not again:
            return False
        rows = announcements.newest(KEPT)
    except DatabaseError as error:
        log.warning("announcement not stored", exchange=row["exchange"], title=row["title"], error=str(error))
        if row["id"] in (before := {one["id"]: one for one in _shown()}):
            return False
        rows = [{**row, "source": provider.name, "received_at": now}, *before.values()][:KEPT]
    _save(rows, provider.name, provider.label, now)
    return True


def alive(provider: Provider) -> None:
    """The provider's stream is alive, so what is shown is all there is: renew its time, at most every 30 seconds."""
    if provider.stream and "listings" in provider.stream.brings and snapshots.first_in("listings-renewed", _RENEWAL):
        close_old_connections()
        try:
            rows = announcements.newest(KEPT)
        except DatabaseError:
            rows = _shown()
        _save(rows, provider.name, provider.label, now_ms())


def restore() -> None:
    """Bring back what the store has lost, as old as it is: from the database. Does nothing where there is a snapshot,
    or nothing was ever announced, or the database is out of reach."""
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
        known = providers.get(last["source"])
        _save(rows, last["source"], known.label if known else last["source"], last["received_at"])


def _shown() -> list[Row]:
    snapshot = snapshots.load(LISTINGS)
    return list(snapshot.rows) if snapshot else []


def _save(rows: list[Row], source: str, label: str, at: int) -> None:
    fetched = Fetched(LISTINGS, rows, as_of=at, fetched_at=at, source=source, label=label, simulated=False)
    snapshots.save(fetched, _PACE)
