"""The moving minute, by the library `limits`: the calls of each account, and whether more are allowed.

An account has two windows: all its calls, and those made on demand, which get a part of the minute only. The first is
the limit, checked and taken in one step; the second shares the minute fairly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis

from providers.clean import ahead

#: A second more than the minute, since requests take different times to arrive.
WINDOW_SECONDS = 61
#: The limit used for counting where there is none; the highest limit that can be entered.
_COUNTED = 100_000


class _Storage(RedisStorage):
    """The library's storage with our connection pool, with keys as given, and with the clock passed in, where the
    library would read the machine's."""

    def __init__(self, redis: Redis, now_ms: Callable[[], int]) -> None:
        super().__init__("redis://", connection_pool=redis.connection_pool)
        self._redis, self._now_ms = redis, now_ms

    def prefixed_key(self, key: str) -> str:
        return key

    def _drop_future(self, key: str) -> None:
        """Delete a window with calls in the future: the clock has been set back since, and they would count for long.
        The newest call is the first."""
        newest: Any = self._redis.lindex(key, 0)
        if newest is not None and ahead(int(float(newest) * 1000), self._now_ms()):
            self._redis.delete(key)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        self._drop_future(key)
        return bool(self.lua_acquire_moving_window([key], [self._now_ms() / 1000, limit, expiry, amount]))

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        self._drop_future(key)
        now = self._now_ms() / 1000
        start, count = self.lua_moving_window([key], [now - expiry, limit]) or (now, 0)
        return float(start), int(count)


class _Calls(RateLimitItemPerSecond):
    """A number of calls per window. Unlike the library's, the key does not contain the limit, so that former calls
    count after a change of the limit."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return str(identifiers[0])


class Minute:
    """The windows of all accounts. Tests pass `now_ms`."""

    def __init__(self, redis: Redis, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._limiter = MovingWindowRateLimiter(_Storage(redis, now_ms))

    def take(self, key: str, calls: int, limit: int) -> int:
        """Take that many calls at once, or none: 0 when they were taken, else the milliseconds until the oldest call
        leaves the window. A limit of 0 is none."""
        item = _item(limit)
        return 0 if self._limiter.hit(item, key, cost=calls) else self._wait(item, key, calls)

    def full(self, key: str, calls: int, limit: int) -> int:
        """The same without taking any."""
        item = _item(limit)
        return 0 if self._limiter.test(item, key, cost=calls) else self._wait(item, key, calls)

    def used(self, key: str) -> int:
        """Calls in the window now."""
        return _COUNTED - self._limiter.get_window_stats(_item(0), key).remaining

    def _wait(self, item: _Calls, key: str, calls: int) -> int:
        if calls > item.amount:
            return WINDOW_SECONDS * 1000
        leaves = self._limiter.get_window_stats(item, key).reset_time
        return max(1, round(leaves * 1000) + 1 - self._now_ms())


def _item(limit: int) -> _Calls:
    return _Calls(limit or _COUNTED, WINDOW_SECONDS)
