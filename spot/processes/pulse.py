"""Watches whether a process is alive, by a value in Redis that it changes regularly."""

import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from spot.processes import forking


class Pulse:
    """Reads a beat (a value that changes while its writer is alive) in a thread, so that the caller does not block.

    It uses this process's monotonic clock, which is independent of changes of the time.
    """

    #: Silence of this many seconds is a fault. Twice as many each time that a restart has brought no beat, since a
    #: machine that is slow to start a process does not start it sooner when it begins again.
    SILENT_SECONDS, LONGEST_SECONDS = 60.0, 480.0

    def __init__(self, read: Callable[[], object], every_seconds: float = 5.0) -> None:
        self.patience_seconds = self.SILENT_SECONDS
        self._read = read
        self._every = every_seconds
        self._last: object = None
        self._changed = time.monotonic()
        threading.Thread(target=self._watch, name="pulse", daemon=True).start()

    def silent_seconds(self) -> float:
        """Seconds since the last observed change of the beat."""
        return time.monotonic() - self._changed

    def be_patient(self) -> None:
        """Wait twice as long for the next beat: the writer has been started again."""
        self.patience_seconds = min(2 * self.patience_seconds, self.LONGEST_SECONDS)

    def _watch(self) -> None:
        while True:
            with forking.undisturbed:
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
            self._last, self._changed, self.patience_seconds = now, time.monotonic(), self.SILENT_SECONDS
