"""The calls of an account in the moving minute. `budget.lua` counts them, in a list of their times, newest first."""

from __future__ import annotations

from redis import Redis

from providers.clean import ahead

#: A second more than the minute, since requests take different times to arrive.
WINDOW_SECONDS = 61


def used(redis: Redis, key: str, now_ms: int) -> int:
    """Calls in the window now."""
    times = [float(at) * 1000 for at in redis.lrange(key, 0, -1)]
    return sum(at >= now_ms - WINDOW_SECONDS * 1000 and not ahead(int(at), now_ms) for at in times)
