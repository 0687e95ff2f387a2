"""Whether and when to try again. No input, no output."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0


def delay(attempt: int, least: float = 0.0) -> float:
    """Seconds until the next try: random, up to a bound that doubles, so that clients which were disconnected together
    do not come back together. `least`: what the server asked for; the random part comes on top of it."""
    return least + random.random() * min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 10))
