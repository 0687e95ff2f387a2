"""Whether Celery is alive end to end: a task notes in Redis when it ran, and this watches that note change."""

import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError


class Pulse:
    """Watches a beat (any value that changes while things work) from a thread, for a caller that must not wait.

    Time is this process's own: a clock that is set back would otherwise look like a silence, or hide one.
    """

    def __init__(self, read: Callable[[], object], every_seconds: float = 5.0) -> None:
        self._read = read
        self._every = every_seconds
        self._last: object = None
        self._changed = time.monotonic()
        threading.Thread(target=self._watch, name="pulse", daemon=True).start()

    def silent_seconds(self) -> float:
        """Seconds since the beat was last seen to change."""
        return time.monotonic() - self._changed

    def _watch(self) -> None:
        while True:
            self.look()
            time.sleep(self._every)

    def look(self) -> None:
        """Read the beat once."""
        try:
            now = self._read()
        except (RedisError, OSError):
            self._changed = time.monotonic()  # without Redis nobody can be heard: not the worker's fault
            return
        if now != self._last:
            self._last, self._changed = now, time.monotonic()
