"""Watches whether a process is alive, by a value in Redis that it changes regularly."""

import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError


class Pulse:
    """Reads a beat (a value that changes while its writer is alive) in a thread, so that the caller does not block.

    It uses this process's monotonic clock, which is independent of changes of the time.
    """

    def __init__(self, read: Callable[[], object], every_seconds: float = 5.0) -> None:
        self._read = read
        self._every = every_seconds
        self._last: object = None
        self._changed = time.monotonic()
        threading.Thread(target=self._watch, name="pulse", daemon=True).start()

    def silent_seconds(self) -> float:
        """Seconds since the last observed change of the beat."""
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
            self._changed = time.monotonic()  # without Redis the state is unknown, which is no fault of the writer
            return
        if now != self._last:
            self._last, self._changed = now, time.monotonic()
