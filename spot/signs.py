"""Signs of life of workers and beats in Redis. Light: the health checks of containers import it every few seconds.

`worker` is one sign for all: a worker has run the tick, which a beat has sent. Besides, each worker and each beat gives
its own every five seconds, so that one that hangs is seen while others go on.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Literal, NamedTuple

import redis

#: Without a sign for this long, a worker or a stream process is dead or stuck (ms).
SILENT_MS = 30_000
_WORKER = "spot:worker"
Part = Literal["worker", "beat"]
PARTS: tuple[Part, ...] = ("worker", "beat")
#: A hash for each part: its processes by name, with the times (ms) since when each runs and when it last said so.
_SIGNS: dict[Part, str] = {"worker": "spot:workers", "beat": "spot:beats"}
#: Seconds between two signs of a process; one that is silent for three of them stands in for nobody.
SIGN_SECONDS = 5.0
#: The most processes of a part that are remembered; and for how long (ms) a silent one is: on its own machine until
#: there is no such process any more.
_MOST, _REMEMBER_MS = 64, 600_000
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


# --- of each process --------------------------------------------------------------------------------------------------


class Sign(NamedTuple):
    """A process by its name: since when it runs, and when it last said so, epoch ms."""

    name: str
    since: int
    seen: int


def name_of(pid: int | None = None) -> str:
    """The name of a process of this machine; of this one."""
    return f"{socket.gethostname()} process {os.getpid() if pid is None else pid}"


def give(client: redis.Redis, part: Part, name: str, since_ms: int) -> None:
    """Say that a process runs, as a part of the site, since that time; and forget those that have ended."""
    now = now_ms()
    given = [sign for sign in given_by(client, part) if sign.name != name]
    others = [sign for sign in given if not _has_ended(sign, now)]
    others = sorted(others, key=lambda sign: sign.seen, reverse=True)[: _MOST - 1]
    if ended := {sign.name for sign in given} - {sign.name for sign in others}:
        client.hdel(_SIGNS[part], *ended)
    client.hset(_SIGNS[part], name, f"{since_ms} {now}")
    client.expire(_SIGNS[part], _DAY)


def withdraw(client: redis.Redis, part: Part, name: str) -> None:
    """Say that a process ends."""
    client.hdel(_SIGNS[part], name)


def given_by(client: redis.Redis, part: Part) -> list[Sign]:
    """The processes of a part, by name, also those that are silent."""
    raw: dict[bytes, bytes] = client.hgetall(_SIGNS[part])  # type: ignore[assignment]
    return sorted(Sign(name.decode(), *map(int, text.split())) for name, text in raw.items())


def running(client: redis.Redis, part: Part) -> list[str]:
    """The processes of a part that run side by side, by name. One that ended before the newest began is not among
    them."""
    now = now_ms()
    given = [sign for sign in given_by(client, part) if abs(now - sign.seen) <= 3 * SIGN_SECONDS * 1000]
    newest = max((sign.since for sign in given), default=0)
    return [sign.name for sign in given if sign.seen >= newest]


def silent(client: redis.Redis, part: Part) -> dict[str, int]:
    """By name, for how long (ms) each process of a part has been silent that has neither said that it ends nor given a
    sign lately: it hangs, or was killed."""
    now = now_ms()
    silences = {sign.name: now - sign.seen for sign in given_by(client, part) if not _has_ended(sign, now)}
    return {name: silence for name, silence in silences.items() if silence > SILENT_MS}


def _has_ended(sign: Sign, now: int) -> bool:
    """Whether a silent process is gone, as far as can be known here."""
    silence = abs(now - sign.seen)
    host, _, pid = sign.name.partition(" process ")
    if silence <= 3 * SIGN_SECONDS * 1000:
        return False
    if silence > _REMEMBER_MS or not pid.isdigit():
        return True
    if host != socket.gethostname():
        return False
    with suppress(PermissionError):  # it is another user's
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return False
