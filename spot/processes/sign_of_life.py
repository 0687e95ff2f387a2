"""The sign of life of this worker (`spot.signs`), given by its main process: one whose loop hangs gives none."""

from __future__ import annotations

import time
from contextlib import suppress

import redis

from spot import signs, snapshots

_began = signs.now_ms()
_given = [float("-inf")]


def give() -> None:
    """Say that this worker runs, unless it has just said so. Without Redis there is no sign, and nothing to do."""
    if time.monotonic() - _given[0] < signs.SIGN_SECONDS:
        return
    _given[0] = time.monotonic()
    with suppress(redis.RedisError, OSError):
        signs.give(snapshots.connection(), "worker", signs.name_of(), _began)


def withdraw() -> None:
    """Say that it ends."""
    with suppress(redis.RedisError, OSError):
        signs.withdraw(snapshots.connection(), "worker", signs.name_of())
