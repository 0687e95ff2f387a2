"""Eviction from the store: the least recently used snapshots that visitors chose, by weight and last use.

A full store takes no new prices, and Redis may not evict by itself, because the month's count of calls and the queue
are in it. So a worker evicts data that can be fetched again.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.conf import settings
from redis.exceptions import ResponseError

from providers.datasets import Dataset
from spot import snapshots

log = structlog.get_logger(__name__)

#: The most that snapshots which may be evicted weigh together. The smallest store that we start has 256 MB.
MOST_BYTES = 96 * 1024 * 1024
_PACE_SECONDS = 15.0


def make(wanted: Iterable[Dataset]) -> list[str]:
    """Evict snapshots without viewers, at most every 15 seconds: those unused for long, and the least recently used
    past `MOST_BYTES`. Returns the names of evicted datasets; wanted and pinned ones never are."""
    if not snapshots.first_in("room", _PACE_SECONDS):
        return []
    try:
        return _evict({dataset.name for dataset in wanted})
    except ResponseError as error:  # a server without these commands, or one that evicts by itself
        log.warning("store not weighed", error=str(error))
        return []


def _evict(wanted: set[str]) -> list[str]:
    client, prefix = snapshots.connection(), f"spot:{snapshots.realm()}:table:"
    names = [key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*", count=500)]
    datasets = {name: dataset for name in names if (dataset := _evictable(name))}
    with client.pipeline(transaction=False) as pipe:
        for name in datasets:  # neither command counts as a use
            pipe.object("idletime", prefix + name)
            pipe.memory_usage(prefix + name, samples=0)
        answers = pipe.execute()
    uses = [
        (name not in wanted and not _pinned(dataset), idle or 0, name, weight or 0)
        for (name, dataset), idle, weight in zip(datasets.items(), answers[::2], answers[1::2], strict=True)
    ]
    evicted, weighed = [], 0
    for may_go, idle, name, weight in sorted(uses):
        weighed += weight
        if may_go and (weighed > MOST_BYTES or idle > (datasets[name].traits.idle or 0)):
            evicted.append(name)
    if evicted:
        client.unlink(*(prefix + name for name in evicted))
        log.info("snapshots evicted", count=len(evicted), bytes=weighed)
    return evicted


def _evictable(name: str) -> Dataset | None:
    """The dataset of that name, if its kind is evicted; other versions of Spot may have stored other names."""
    try:
        dataset = Dataset.parse(name)
    except ValueError:
        return None
    return None if dataset.traits.idle is None else dataset


def _pinned(dataset: Dataset) -> bool:
    return dataset.traits.market and dataset.currency in settings.SPOT_PINNED_CURRENCIES
