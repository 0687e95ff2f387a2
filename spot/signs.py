"""Signs of life of worker and beat in Redis. Light: the health checks of containers import it every few seconds."""

from __future__ import annotations

import time

import redis

#: Without a sign for this long, a worker or a stream process is dead or stuck (ms).
SILENT_MS = 30_000
_WORKER = "spot:worker"
#: A hash: each beat by its name, with the times (ms) since when it runs and when it last said so.
_BEATS = "spot:beats"
#: Seconds between two signs of a beat; one that is silent for three of them has ended.
BEAT_SECONDS = 5.0
_DAY = 86_400


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def mark_worker(client: redis.Redis) -> None:
    """Record that a worker ran a task just now."""
    client.execute_command(*worker_mark())


def worker_mark() -> tuple[object, ...]:
    """The command that records it."""
    return "SET", _WORKER, now_ms(), "EX", _DAY


def worker_seen_ms(client: redis.Redis) -> int | None:
    """When a worker last ran a task, epoch ms; None when none did for a day."""
    raw = client.get(_WORKER)
    return None if raw is None else int(raw)


def mark_beat(client: redis.Redis, name: str, since_ms: int) -> None:
    """Record that a beat runs, since that time, and drop those that have ended."""
    ended = [other for other, (_, seen) in _marks(client).items() if abs(now_ms() - seen) > 3 * BEAT_SECONDS * 1000]
    if ended:
        client.hdel(_BEATS, *ended)
    client.hset(_BEATS, name, f"{since_ms} {now_ms()}")
    client.expire(_BEATS, _DAY)


def beats(client: redis.Redis) -> list[str]:
    """The beats that run side by side, by name. One that ended before the newest began is not among them."""
    now = now_ms()
    marks = {name: mark for name, mark in _marks(client).items() if abs(now - mark[1]) <= 3 * BEAT_SECONDS * 1000}
    newest = max((since for since, _ in marks.values()), default=0)
    return sorted(name for name, (_, seen) in marks.items() if seen >= newest)


def _marks(client: redis.Redis) -> dict[str, tuple[int, int]]:
    raw: dict[bytes, bytes] = client.hgetall(_BEATS)  # type: ignore[assignment]
    marks = {}
    for name, text in raw.items():
        since, seen = text.split()
        marks[name.decode()] = (int(since), int(seen))
    return marks
