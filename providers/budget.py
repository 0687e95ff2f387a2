"""What may be asked of a provider, and when: the minute, the month, and rests after refusals and failures.

All of it is in Redis and taken by one script (`budget.lua`), so it holds for every worker together. Every request
counts for the minute; what did not end in a 200 is given back to the month. A crash between the two leaves the month
too careful, never too free. The month accrues evenly, so that no amount of asking can use it up before its end.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from redis import Redis

from providers.access import Access
from providers.errors import NotFound, OutOfBudget, ProviderError, RateLimited, Unauthorized, Unreachable

#: A second more than the minute, for requests that take different times to arrive.
WINDOW_MS = 61_000
#: How long one caller may take to find out whether a provider is well again.
PROBE_MS = 30_000
#: What polls may plan to use of an allowance; the rest is for what is asked for in between.
SHARE = 0.8
UNAUTHORIZED_SECONDS = 600.0
#: However long a provider asks us to stay away, an hour later one call tries again.
LONGEST_REST = 3600.0
#: Failures in a row before a provider is left alone for a while.
PATIENCE = 3

_WAITS = {
    "minute": "the calls for this minute are used up",
    "month": "the month's calls are spread evenly, and those due so far are used up",
    "probe": "another call is finding out whether it is well again",
}


def wall_ms() -> int:
    """The wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """Calls taken from a month; `Budget.settle` gives back those that cost nothing."""

    month_key: str
    calls: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Where an account stands. `rest_until`: epoch ms, 0 when calls may be made. `last`: the last fetch's outcome."""

    minute: int
    month: int
    rest_until: int = 0
    rest_reason: str = ""
    last: dict[str, Any] | None = None


class Budget:
    """The allowances of all accounts. `now_ms` and `jitter` (0 to 1) are for tests to hand in."""

    def __init__(
        self, redis: Redis, now_ms: Callable[[], int] = wall_ms, jitter: Callable[[], float] = random.random
    ) -> None:
        self._redis, self._now_ms, self._jitter = redis, now_ms, jitter
        self._script = redis.register_script(_lua())

    def spend(self, access: Access, calls: int, *, urgent: bool = True) -> Reservation:
        """Take that many calls, or raise OutOfBudget with the seconds after which they are worth another try. While the
        provider is left alone because it could not be reached, that is Unreachable instead.

        Calls that are not `urgent` (what clients ask for on demand) leave a part to those that are (the polls).
        """
        now = self._now_ms()
        start, end = month_of(now)
        month_key = _key(access, f"month:{start}")
        if access.provider.simulated:
            return Reservation(month_key, 0)
        keys = [_rest_key(access), *(_key(access, what) for what in ("probe", "minute", "demand")), month_key]
        burst = _burst(access)
        kept = (2 if access.per_minute >= 4 else 0, WINDOW_MS, access.per_month, burst // 2, burst)
        refusal = self._script(
            keys=[*keys, _key(access, "since")],
            args=[now, calls, uuid.uuid4().hex, int(urgent), access.per_minute, *kept, start, end, PROBE_MS],
        )
        if refusal:
            raise refused(access, _text(refusal[0]), refusal[1] / 1000)
        return Reservation(month_key, calls)

    def settle(self, reservation: Reservation, cost: int) -> None:
        """Give the month back what was reserved and did not end in a 200."""
        if spare := reservation.calls - cost:
            self._redis.decrby(reservation.month_key, spare)

    def succeeded(self, access: Access) -> None:
        """The provider answered: whatever kept us away from it is over."""
        self._redis.delete(_rest_key(access), _key(access, "probe"), _key(access, "trouble"))

    def failed(self, access: Access, error: ProviderError) -> float:
        """Note a failure; the seconds for which the provider is now left alone, 0 for none."""
        if access.provider.simulated:
            return 0.0
        if isinstance(error, NotFound):
            self.succeeded(access)  # it is well, it only does not have this
            return 0.0
        trouble = int(self._redis.incr(_key(access, "trouble")))
        self._redis.expire(_key(access, "trouble"), 3600)
        seconds = min(LONGEST_REST, self._rest(error, trouble))
        if seconds:
            till = self._now_ms() + round(seconds * 1000)
            value = f"{till} {error.code} {error.message[:200]}"
            self._redis.set(_rest_key(access), value, px=round(seconds * 1000) + 600_000)
        self._redis.delete(_key(access, "probe"))
        return seconds

    def _rest(self, error: ProviderError, trouble: int) -> float:
        """Seconds: what the provider asks for, or a minute, doubled each time; failures only rest after a few."""
        if isinstance(error, Unauthorized):
            return UNAUTHORIZED_SECONDS
        if isinstance(error, RateLimited):
            doubled = min(600.0, 60.0 * 2 ** min(trouble - 1, 10))
            return error.retry_after if error.retry_after is not None else doubled * (1 + self._jitter() / 10)
        return min(60.0, 15.0 * 2 ** min(trouble - PATIENCE, 10)) if trouble >= PATIENCE else 0.0

    def note(self, access: Access, outcome: dict[str, Any]) -> None:
        """Keep the outcome of the last fetch, for the admin."""
        self._redis.set(_key(access, "last"), json.dumps(outcome), ex=40 * 86_400)

    def usage(self, access: Access) -> Usage:
        """Where the account stands now."""
        now = self._now_ms()
        reads = self._redis.pipeline(transaction=False)
        reads.zcount(_key(access, "minute"), now - WINDOW_MS, "+inf")
        reads.mget(_key(access, f"month:{month_of(now)[0]}"), _rest_key(access), _key(access, "last"))
        minute, (month, rest, last) = reads.execute()
        till, _, reason = _text(rest or b"0 ").partition(" ")
        resting = int(till) > now
        return Usage(
            minute=minute,
            month=int(month or 0),
            rest_until=int(till) if resting else 0,
            rest_reason=reason if resting else "",
            last=json.loads(last) if last else None,
        )

    def outlook(self, access: Access) -> tuple[float, float]:
        """Calls that the month still has for us, and the seconds until it ends; infinitely many without a limit."""
        now = self._now_ms()
        start, end = month_of(now)
        left = (end - now) / 1000
        if not access.per_month:
            return float("inf"), left
        used, since = self._redis.mget(_key(access, f"month:{start}"), _key(access, "since"))
        line = access.per_month * (end - max(start, int(since or now))) / (end - start) + _burst(access)
        return max(0.0, min(access.per_month, line) - int(used or 0)), left


def stretch(demands: Iterable[tuple[int, float]], per_minute: int, calls_left: float, seconds_left: float) -> float:
    """How many times longer each interval must be for the polls to fit into their share of both allowances; at least 1.

    A demand is (calls of one poll, seconds between polls as wished for). Pure.
    """
    wanted = sum(calls / seconds for calls, seconds in demands)
    allowed = SHARE * min(
        per_minute / 60 if per_minute else float("inf"), max(1.0, calls_left) / max(1.0, seconds_left)
    )
    return max(1.0, wanted / allowed)


def month_of(now_ms: int) -> tuple[int, int]:
    """Start and end of the calendar month (UTC) in epoch ms."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def _burst(access: Access) -> int:
    """What may be used ahead of the line: enough to start with, little enough to be lost with the counter."""
    return min(access.per_month, max(12, access.per_month // 500))


def refused(access: Access, reason: str, seconds: float) -> ProviderError:
    """The error of calls that were not made. Out of reach stays out of reach, for those who have another way then."""
    why = _WAITS.get(reason, f"left alone for {seconds:.0f} s more after {reason}")
    if reason == Unreachable.code:
        return Unreachable(f"{access.provider.label}: {why}", retry_after=seconds)
    return OutOfBudget(f"{access.provider.label}: {why}", retry_after=seconds, reason=reason)


def _key(access: Access, what: str) -> str:
    # The braces keep an account's keys on one node of a cluster, as the script needs.
    return f"spot:budget:{{{access.account}}}:{what}"


def _rest_key(access: Access) -> str:
    return _key(access, f"rest:{access.route}")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@functools.cache
def _lua() -> str:
    return Path(__file__).with_name("budget.lua").read_text()


def connection() -> Redis:
    """This process's connection pool to the budget's Redis."""
    return _connection(settings.REDIS_URL, os.getpid())


@functools.lru_cache(maxsize=4)
def _connection(url: str, _process: int) -> Redis:
    return Redis.from_url(url, **settings.REDIS_OPTIONS)
