"""A clock that can be set, advanced, stopped, or run at another rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wall_ms() -> int:
    """The time of this machine in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Clock:
    """Epoch milliseconds, derived from a source of milliseconds: the machine's, or a test's own."""

    def __init__(self, source: Callable[[], int] = wall_ms) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._rate = 1.0
        self._since = self._shown = source()

    def now(self) -> int:
        """The time of the clock."""
        with self._lock:
            return self._now()

    def _now(self) -> int:
        return self._shown + round((self._source() - self._since) * self._rate)

    def set(self, at_ms: int) -> None:
        """Set the time, forwards or backwards."""
        with self._lock:
            self._shown, self._since = at_ms, self._source()

    def advance(self, by_ms: int) -> None:
        """Jump forwards."""
        with self._lock:
            self._shown, self._since = self._now() + by_ms, self._source()

    def run(self, rate: float = 1.0) -> None:
        """Run at a multiple of the source's speed; 0 stops it."""
        with self._lock:
            self._shown, self._since, self._rate = self._now(), self._source(), rate

    def freeze(self) -> None:
        """Stop the clock."""
        self.run(0.0)
