"""On-chain events, from the stream into snapshots: the last of each topic. Synchronous; called by the stream's sink."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from providers.base import Provider
from providers.datasets import Dataset, Fetched, Row
from spot import snapshots
from spot.snapshots import Snapshot, now_ms

#: Events in a snapshot.
KEPT = 100
#: Seconds between two renewals of a snapshot by a live stream; and the interval from which its age limit follows.
_RENEWAL = 30.0
_PACE = 60.0


def topics() -> list[str]:
    """The topics that clients look at, most recently wanted first, within SPOT_ONCHAIN_TOPICS."""
    wanted = [dataset.topic for dataset in snapshots.wanted() if dataset.kind == "onchain"]
    return wanted[: settings.SPOT_ONCHAIN_TOPICS] if settings.SPOT_ONCHAIN_TOPICS else wanted


def happened(topic: str, rows: Sequence[Row], provider: Provider) -> int:
    """Publish these events (rows of `ONCHAIN_FIELDS`, oldest first) of a topic. Returns how many are new."""
    dataset = Dataset("onchain", topic=topic)
    before = snapshots.load(dataset)
    seen = {row["id"] for row in _rows(before)}
    new = list({row["id"]: row for row in rows if row["id"] not in seen}.values())
    if new or before is None:
        _save(dataset, [*reversed(new), *_rows(before)][:KEPT], provider)
    return len(new)


def alive(provider: Provider, followed: Sequence[str]) -> None:
    """The provider's stream is alive and carries these topics: renew their time, at most every 30 seconds. A topic
    without events gets an empty snapshot, so that clients no longer wait."""
    for topic in followed:
        dataset = Dataset("onchain", topic=topic)
        before = snapshots.load(dataset)
        if before is None or not 0 <= now_ms() - before.fetched_at <= _RENEWAL * 1000:
            _save(dataset, _rows(before), provider)


def _rows(snapshot: Snapshot | None) -> list[Row]:
    return list(snapshot.rows) if snapshot else []


def _save(dataset: Dataset, rows: list[Row], provider: Provider) -> None:
    now = now_ms()
    source, label = provider.name, provider.label
    fetched = Fetched(dataset, rows, as_of=now, fetched_at=now, source=source, label=label, simulated=False)
    snapshots.save(fetched, _PACE)
