"""Celery's beat with support for clocks that are set back, and with a sign of life.

Celery records the last run of an entry by the wall clock. With a clock set back by an hour, it would start nothing for
an hour. The sign tells of more beats than SPOT_BEATS: they change nothing, but nobody has meant to start them.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import redis
import structlog
from celery.beat import PersistentScheduler
from django.conf import settings

from providers import tracing
from spot import signs

log = structlog.get_logger(__name__)

#: How far clocks may differ.
_SLACK = timedelta(seconds=60)


class Scheduler(PersistentScheduler):
    """A scheduler for which an entry that ran in the future is due now."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._name, self._since = signs.name_of(), signs.now_ms()
        self._client: redis.Redis = settings.REDIS.client()
        self._marked = float("-inf")
        self._others: list[str] = []

    def apply_async(self, entry: Any, *args: Any, **options: Any) -> Any:
        """Start an entry's task; a trace begins here."""
        with tracing.root(f"beat {entry.name}"):
            return super().apply_async(entry, *args, **options)

    def tick(self, *args: Any, **options: Any) -> float:
        """Start due entries; the seconds until the next call."""
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at > now + _SLACK:
                entry.last_run_at = now
                self._heap = None  # it is ordered by the former clock
        wait = float(super().tick(*args, **options))
        if time.monotonic() - self._marked > signs.SIGN_SECONDS:
            self._marked = time.monotonic()
            self._mark()
        return wait

    def close(self) -> None:
        """End: this beat is not missed."""
        with suppress(redis.RedisError, OSError):
            signs.withdraw(self._client, "beat", self._name)
        super().close()

    def _mark(self) -> None:
        """Leave the sign, and log once that more beats run than are meant to. Without Redis there is none, and no task
        to send."""
        try:
            signs.give(self._client, "beat", self._name, self._since)
            others = [name for name in signs.running(self._client, "beat") if name != self._name]
        except (redis.RedisError, OSError):
            return
        others = others if len(others) >= settings.SPOT_BEATS else []
        if others and not self._others:
            log.warning("another beat sends tasks too", meant=settings.SPOT_BEATS, others=", ".join(others))
        self._others = others
