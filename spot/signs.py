"""The workers' sign of life in Redis. Light: the health checks of containers import it every few seconds."""

from __future__ import annotations

import time

import redis

#: Without a sign for this long, a worker or a stream process is dead or stuck (ms).
SILENT_MS = 30_000
_WORKER = "spot:worker"
_DAY = 86_400


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def mark_worker(client: redis.Redis) -> None:
    """Record that a worker ran a task just now."""
    client.set(_WORKER, now_ms(), ex=_DAY)


def worker_seen_ms(client: redis.Redis) -> int | None:
    """When a worker last ran a task, epoch ms; None when none did for a day."""
    raw = client.get(_WORKER)
    return None if raw is None else int(raw)
