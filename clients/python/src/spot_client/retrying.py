"""When to try again, and how fast to send. No input, no output."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0


def delay(attempt: int, least: float = 0.0) -> float:
    """Seconds until the next try: random, up to a bound that doubles, so that clients which were disconnected together
    do not come back together. `least`: what the server asked for; the random part comes on top of it."""
    return least + random.random() * min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 10))


class Pace:
    """How fast messages may be sent: `rate` a second (0: at once), of which a tenth is left to spare, and two seconds'
    worth at a time. The clock is passed in."""

    def __init__(self, rate: float) -> None:
        self._rate = 0.9 * rate
        self._tokens = 2 * self._rate
        self._at: float | None = None

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Take `cost` tokens; seconds until they are there."""
        if not self._rate:
            return 0.0
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._tokens = min(2 * self._rate, self._tokens + passed * self._rate) - cost
        return max(0.0, -self._tokens / self._rate)
