"""The site under examination: facts that several checks need, each read once."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from providers.redis_trouble import why
from providers.streams import stream_state
from spot import database_trouble, signs
from spot.snapshots import inspection

_REDIS_SECONDS = 3


class Site:
    """`online`: whether providers may be asked for the time."""

    def __init__(self, *, online: bool = True) -> None:
        self.online = online

    @cached_property
    def redis(self) -> redis.Redis:
        """A client that gives up soon."""
        seconds = {"socket_timeout": _REDIS_SECONDS, "retry": Retry(NoBackoff(), 0)}
        return settings.REDIS.client(**seconds)

    @cached_property
    def is_private(self) -> bool:
        """Whether `make run` starts the Redis of this site."""
        return bool(settings.REDIS.address.path == str(settings.SPOT_PRIVATE_SOCKET))

    @cached_property
    def redis_trouble(self) -> str:
        """Why Redis cannot be reached, as a sentence; "" when it answers."""
        try:
            self.redis.ping()
        except (RedisError, OSError) as error:
            return why(error)
        return ""

    @cached_property
    def database_trouble(self) -> str:
        """Why the database cannot be read; "" when it can. A file of SQLite that is missing is not created."""
        file = connection.settings_dict["NAME"]
        if connection.vendor == "sqlite" and not connection.is_in_memory_db() and not Path(file).exists():  # type: ignore[attr-defined]
            return f"there is no file {file}"
        try:
            connection.ensure_connection()
        except DatabaseError as error:
            return database_trouble.why(error)
        return ""

    @cached_property
    def seen_ms(self) -> dict[str, int | None]:
        """By part, when it last left a sign of life in Redis, epoch ms; None for a day ago and more."""
        readers: dict[str, Callable[[redis.Redis], int | None]] = {
            "worker": signs.worker_seen_ms,
            "stream": stream_state.seen_ms,
            "web": inspection.web_seen_ms,
        }
        return {part: read(self.redis) for part, read in readers.items()}

    @cached_property
    def silent_ms(self) -> dict[str, int | None]:
        """By part, for how long it has left no sign of life in Redis; None for a day and more."""
        seen, now = self.seen_ms, signs.now_ms()
        return {part: None if last is None else now - last for part, last in seen.items()}

    @cached_property
    def runs(self) -> bool:
        """Whether any process of the site runs: the lock of its folder is held, or one left a sign of life lately."""
        if _is_held(settings.SPOT_HOME / "up.lock"):
            return True
        if self.redis_trouble:
            return False
        return any(silent is not None and silent < signs.SILENT_MS for silent in self.silent_ms.values())


def _is_held(lock: Path) -> bool:
    with suppress(OSError), lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
