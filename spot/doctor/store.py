"""Checks of Redis: reachable, new enough, takes writes, keeps what it is given; and of who writes into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from providers.redis_trouble import refusal, why
from spot import signs
from spot.doctor.findings import Finding
from spot.doctor.site import Site
from spot.processes import redis_server
from spot.snapshots import inspection
from spot.web.health import FULL

#: ZADD with GT, which the demand of viewers is kept with, came with it.
OLDEST = (6, 2)
#: What the lists, the queue, the counters and 96 MB of snapshots take together (docs/operating.md).
LEAST_BYTES = 256 * 1024 * 1024
#: Both realms written within this time: two sites, not one whose SPOT_DEMO was changed.
_BOTH_MS = 120_000


def reachable(site: Site) -> Iterator[Finding]:
    """Whether Redis answers; a private one runs only while the site does."""
    if not site.redis_trouble:
        return
    address = settings.REDIS.address
    if not site.is_private:
        detail = redis_server.trouble_with_files(settings.REDIS) or site.redis_trouble
        mend = "Start it, or correct REDIS_URL; every process of Spot must reach it."
        yield Finding("redis", "problem", f"{address}: {detail}", mend)
    elif site.runs:
        mend = f"Read {settings.SPOT_HOME / 'redis' / 'log'}, and start the site again."
        yield Finding("redis", "problem", f"The site runs, but its private Redis does not answer at {address}.", mend)
    elif redis_server.find() is None:
        yield Finding("redis", "problem", "There is no Redis, and none that could be started.", redis_server.NONE_FOUND)
    else:
        yield Finding("redis", "skipped", "The site does not run; it starts a private Redis of its own.")


def version(site: Site) -> Iterator[Finding]:
    """Whether Redis is new enough."""
    text = str(_info(site, "server")["redis_version"])
    number = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if number < OLDEST:
        mend = f"Use Valkey, or Redis {OLDEST[0]}.{OLDEST[1]} or newer."
        yield Finding(
            "redis-version", "problem", f"Redis {text} is too old: commands that Spot needs are missing.", mend
        )


def writes(site: Site) -> Iterator[Finding]:
    """Whether Redis takes writes now."""
    try:
        inspection.try_write(site.redis)
    except RedisError as error:
        reason = f"Redis {refused}." if (refused := refusal(error)) else why(error)
        mend = "Point REDIS_URL at the primary, with a user who may write, and see that it has memory and disk left."
        yield Finding("redis-writes", "problem", reason, mend)


def eviction(site: Site) -> Iterator[Finding]:
    """Whether Redis evicts by itself."""
    policy = str(_info(site, "memory").get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        sentence = f"Redis evicts by itself ({policy}), and may lose the month's count of calls and queued tasks."
        mend = "Set maxmemory-policy noeviction in its configuration; Spot evicts what it can fetch again."
        yield Finding("redis-eviction", "problem", sentence, mend)


def memory(site: Site) -> Iterator[Finding]:
    """Whether Redis has enough memory, and some of it left."""
    info = _info(site, "memory")
    most, used = int(info.get("maxmemory", 0)), int(info["used_memory"])
    mend = f"Raise maxmemory to {LEAST_BYTES // 1024**2} MB or more, or find what else fills it."
    if most and used >= FULL * most:
        yield Finding(
            "redis-memory", "problem", f"Redis uses {used / most:.0%} of its memory and is as good as full.", mend
        )
    elif most and most < LEAST_BYTES:
        yield Finding("redis-memory", "warning", f"Redis may use {most / 1024**2:.0f} MB only.", mend)


def realms(site: Site) -> Iterator[Finding]:
    """Whether a simulated and a real site write into one store."""
    now = signs.now_ms()
    stored = [inspection.stored_ms(site.redis, where) for where in ("live", "demo")]
    if all(at is not None and now - at < _BOTH_MS for at in stored):
        sentence = (
            "Real and simulated snapshots are both being stored: two sites with different SPOT_DEMO share this "
            "store, and take each other's tasks."
        )
        mend = (
            "Give each site a database of its own, such as redis://host:6379/1 in REDIS_URL, or one value of SPOT_DEMO."
        )
        yield Finding("realms", "problem", sentence, mend)


def _info(site: Site, section: str) -> dict[str, Any]:
    info: Any = site.redis.info(section)
    return dict(info)
