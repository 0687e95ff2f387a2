"""The store as an inspector sees it: nothing here changes it."""

from __future__ import annotations

from typing import Any

import orjson
import redis

from spot.snapshots import WRITE_CHECK, Realm


def try_write(client: redis.Redis) -> None:
    """Send a command that a Redis refuses when it takes no writes, and that writes nothing: a part of length zero; and
    one that a node of a cluster refuses, if nobody has said that it is one. Raises `RedisError`."""
    client.setrange(WRITE_CHECK, 0, "")
    client.exists(WRITE_CHECK, "spot:seen-live")  # keys of two slots


def stored_ms(client: redis.Redis, where: Realm) -> int | None:
    """When the newest snapshot of a realm was stored, epoch ms: that is its version."""
    version: Any = client.get(f"spot:{where}:version")
    return None if version is None else int(version)


def web_seen_ms(client: redis.Redis) -> int | None:
    """When a web process last reported whom it serves, epoch ms."""
    reports: Any = client.hvals("spot:viewers")
    return max((orjson.loads(report)["at"] for report in reports), default=None)
