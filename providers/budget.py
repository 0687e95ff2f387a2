"""The allowance of each account: calls a minute, credits a month, and rests after refusals.

Its state is in Redis and shared by all workers. One script (`budget.lua`) checks the rests and takes from the month and
the moving minute, in one round trip. Every request counts for the minute; one that does not end in a 200 is given back
to the month. A crash between the two leaves the month too careful, never too free. The month
accrues evenly, so that no number of requests uses it up before its end.

An account is one key. The month counts the credits that the provider bills, in thousandths.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor, inf
from pathlib import Path
from typing import Any

from django.conf import settings
from redis import Redis

from providers import ledger, minute
from providers.access import Access
from providers.clean import SLACK_MS
from providers.errors import NotFound, OutOfBudget, ProviderError, RateLimited, Unauthorized
from providers.minute import WINDOW_SECONDS
from providers.pipelines import Commands, write

#: How long one caller may take to probe whether a provider has recovered.
PROBE_MS = 30_000
UNAUTHORIZED_SECONDS = 600.0
#: The longest rest: however long a provider asks for, one call tries again after an hour.
LONGEST_REST = 3600.0
_LONGEST_REST_MS, _HOUR_MS, _DAY_MS = 3_600_000, 3_600_000, 86_400_000
#: The fewest on-demand calls a minute that calls behind them may share: one of the polls of single coins, and one of
#: their own.
LEAST_BEHIND = 2
#: The lowest limit a minute that is learnt from 429s, two polls of the market; and the longest Retry-After of a 429
#: that is about the minute.
LEAST_LOWERED, _MINUTES_REST = 4, 120.0

_WAITS = {
    "minute": "the calls for this minute are used up",
    "month": "the month's calls are spread evenly, and those due so far are used up",
    "share": "the share of calls for documents is used up",
    "probe": "another call is finding out whether it is well again",
}


def wall_ms() -> int:
    """The wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """Calls and their expected cost in thousandths of a credit, taken from a month; no key where nothing is counted.
    `Budget.settle` gives back credits that were not billed."""

    month_key: str
    calls: int
    millicredits: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of an account. `minute` counts calls, `month` credits, rounded up. `rest_until`: epoch ms, 0 when calls
    may be made. `last`: the last fetch's outcome. `lowered`: the calls a minute that it allows today, as learnt, if
    those are fewer than its limit, else 0. `since`: when the first call was counted, epoch ms, 0 for never. `refused`:
    why its key was refused last, if it has not been accepted since."""

    minute: int
    month: int
    rest_until: int = 0
    rest_reason: str = ""
    last: dict[str, Any] | None = None
    lowered: int = 0
    since: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """The accrued part of a month: credits that polls (`left`) and on-demand calls (`demand`) may use now, when each
    gets the next one (epoch ms, now at the earliest), and how many accrue in a day."""

    left: float
    demand: float
    next_ms: int
    next_demand_ms: int
    per_day: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The allowance left to an account: `per_minute` calls (0: no limit), `left` credits until the month's end, which
    is `seconds` away, of which `saved` have accrued already; both are infinite without a limit. `resting`: not to be
    asked now. `refused`: its key was refused last, and has not been accepted since. `used` is this month's credits."""

    access: Access
    resting: bool
    refused: bool
    per_minute: int
    used: float
    saved: float
    left: float
    seconds: float

    @property
    def share(self) -> float:
        """The part of its allowance that may be used now."""
        return self.saved / self.access.per_month if self.access.per_month else 1.0


class Budget:
    """The allowances of all accounts. `now_ms` and `jitter` (0 to 1) are for tests to hand in."""

    def __init__(
        self, redis: Redis, now_ms: Callable[[], int] = wall_ms, jitter: Callable[[], float] = random.random
    ) -> None:
        self._redis, self._now_ms, self._jitter = redis, now_ms, jitter
        self._script = redis.register_script(_lua("budget"))
        self._share = redis.register_script(_lua("share"))

    def spend(
        self,
        access: Access,
        calls: int,
        credits: float | None = None,
        *,
        urgent: bool = True,
        behind: int = 0,
        rate: float = inf,
    ) -> Reservation:
        """Take that many calls, expected to be billed that many credits (one a call, unless said), or raise OutOfBudget
        with the seconds after which they are worth another try.

        Calls that are not `urgent` (on demand) leave a part to those that are (polls), and `behind` more calls to
        others on demand. Calls with a `rate` make no more than so many a second together, to all accounts of their
        provider; what they leave of an hour they may make up for.
        """
        if access.provider.simulated:
            return Reservation("", calls, 0)
        give_back = self._take_share(access, calls, rate)
        try:
            return self._spend(access, calls, credits, urgent, behind)
        except OutOfBudget:
            give_back()
            raise

    def _take_share(self, access: Access, calls: int, rate: float) -> Callable[[], object]:
        """Take calls from the share of that rate; returns what gives them back. Raises `OutOfBudget`."""
        if rate == inf:
            return lambda: None
        cost = _HOUR_MS * 24 if rate <= 0 else min(_HOUR_MS * 24, calls * 1000 / rate)
        key = f"spot:budget:{{{access.provider.name}}}:share"
        if wait := self._share(keys=[key], args=[self._now_ms(), cost, max(_HOUR_MS, cost) if rate > 0 else 0]):
            raise refused(access, "share", min(wait, LONGEST_REST * 1000) / 1000)
        return lambda: self._redis.incrbyfloat(key, -cost)

    def _spend(self, access: Access, calls: int, credits: float | None, urgent: bool, behind: int) -> Reservation:
        now = self._now_ms()
        start, end = month_of(now)
        cost = _milli(calls if credits is None else credits)
        reservation = Reservation(_key(access, f"credits:{start}"), calls, cost)
        burst, limit = _milli(_burst(access)), _milli(access.per_month)
        reserve = 0 if urgent else burst // 2 + _milli(behind)
        month = [now, cost, limit, reserve, burst, start, end, PROBE_MS, _LONGEST_REST_MS]
        minute = [calls, access.per_minute, int(urgent), behind, WINDOW_SECONDS * 1000, LEAST_BEHIND, SLACK_MS]
        reason, wait_ms = self._script(
            keys=[
                *(_rest_key(access), _key(access, "probe"), reservation.month_key, *_facts(access)),
                *(_key(access, "window"), _key(access, "demand")),
            ],
            args=[*month, *minute, now / 1000],
        )
        if reason:
            raise refused(access, _text(reason), wait_ms / 1000)
        return reservation

    def settling(self, reservation: Reservation, credits: float) -> Commands[None]:
        """Replace a reservation by the credits that were billed: the month gets the rest back, or pays the excess."""
        if reservation.month_key and (spare := reservation.millicredits - _milli(credits)):
            return write(("DECRBY", reservation.month_key, spare))
        return write()

    def settle(self, reservation: Reservation, credits: float) -> None:
        """The same at once."""
        self.settling(reservation, credits).run(self._redis)

    def charge(self, access: Access, millicredits: int) -> float:
        """Count the cost of a stream's messages, which cannot be reserved in advance. Returns the seconds until the
        month has accrued what was used; the stream may go on while it is 0. It leaves a part of the burst to calls."""
        now = self._now_ms()
        start, end = month_of(now)
        if access.provider.simulated:
            return 0.0
        month_key = _key(access, f"credits:{start}")
        pipe = self._redis.pipeline(transaction=True)
        pipe.incrby(month_key, millicredits)
        pipe.pexpire(month_key, end - now + 86_400_000)
        pipe.set(_key(access, "since"), now, nx=True)
        pipe.get(_key(access, "since"))
        ledger.count(pipe, access, 0, millicredits, 0, now)
        used, _, _, since, *_ = pipe.execute()
        if not access.per_month:
            return 0.0
        if used >= _milli(access.per_month):
            return (end - now) / 1000
        due = max(start, min(int(since), now)) + (used / 1000 - _burst(access) // 2) * (end - start) / access.per_month
        return max(0.0, due - now) / 1000

    def succeeded(self, access: Access) -> None:
        """The provider answered: end its rest and its probe."""
        self.success(access).run(self._redis)

    def success(self, access: Access) -> Commands[None]:
        """The same as a part of a round trip."""
        if access.provider.simulated:
            return write()
        return write(("DEL", _rest_key(access), _key(access, "probe"), _key(access, "trouble")))

    def failed(self, access: Access, error: ProviderError) -> float:
        """Record a failure; returns the seconds for which the account rests now, 0 for none."""
        if access.provider.simulated:
            return 0.0
        if isinstance(error, NotFound):
            self.succeeded(access)  # the provider works, it only lacks this
            return 0.0
        seconds = min(LONGEST_REST, self._rest(access, error))
        if seconds:
            till = self._now_ms() + round(seconds * 1000)
            value = f"{till} {error.code} {error.message[:200]}"
            self._redis.set(_rest_key(access), value, px=round(seconds * 1000) + 600_000)
        self._redis.delete(_key(access, "probe"))
        return seconds

    def _rest(self, access: Access, error: ProviderError) -> float:
        """Seconds: as the provider asks for, or a minute, doubled each time. Failures of the provider, not the account,
        are the breaker's."""
        if isinstance(error, Unauthorized):
            return UNAUTHORIZED_SECONDS
        if not isinstance(error, RateLimited):
            return 0.0
        if error.retry_after is None or error.retry_after <= _MINUTES_REST:
            self._learn(access)
        if error.retry_after is not None:
            return error.retry_after
        trouble = int(self._redis.incr(_key(access, "trouble")))
        self._redis.expire(_key(access, "trouble"), 3600)
        return min(600.0, 60.0 * 2 ** min(trouble - 1, 10)) * (1 + self._jitter() / 10)

    def _learn(self, access: Access) -> None:
        """Two 429s on one day (UTC), both well below the configured limit, mean that there is a lower one. It applies
        until the day ends. One 429 means nothing: another client of our address, or a window that Redis has lost."""
        now = self._now_ms()
        called = minute.used(self._redis, _key(access, "window"), now)
        lowered, suspected = self._redis.mget(_key(access, "lowered"), _key(access, "suspected"))
        limit, left = self._per_minute(access, lowered), 86_400_000 - now % 86_400_000
        if not LEAST_LOWERED < called < 0.8 * limit:
            return
        if suspected is None:
            self._redis.set(_key(access, "suspected"), called, px=left)
            return
        learnt = max(called, int(suspected)) - 1
        self._redis.set(_key(access, "lowered"), f"{now + left} {learnt}", px=left)
        self._redis.delete(_key(access, "suspected"))

    def _per_minute(self, access: Access, lowered: bytes | str | None) -> int:
        until, _, learnt = _text(lowered or b"0 0").partition(" ")
        return _lower(access.per_minute, int(learnt) if _lies_ahead(int(until), self._now_ms(), _DAY_MS) else 0)

    def note(self, access: Access, outcome: dict[str, Any]) -> None:
        """Keep the outcome of the last fetch, for the admin."""
        self.noting(access, outcome).run(self._redis)

    def noting(self, access: Access, outcome: dict[str, Any]) -> Commands[None]:
        """The same as a part of a round trip."""
        return write(("SET", _key(access, "last"), json.dumps(outcome), "EX", 40 * 86_400))

    def usage(self, access: Access) -> Usage:
        """The use of the account so far."""
        now = self._now_ms()
        keys = [_key(access, f"credits:{month_of(now)[0]}"), _rest_key(access), _key(access, "last"), *_facts(access)]
        month, rest, last, since, lowered = self._redis.mget(keys)
        till, _, reason = _text(rest or b"0 ").partition(" ")
        resting = _lies_ahead(int(till), now, _LONGEST_REST_MS)
        allowed = self._per_minute(access, lowered)
        return Usage(
            minute=minute.used(self._redis, _key(access, "window"), now),
            month=ceil(int(month or 0) / 1000),
            rest_until=int(till) if resting else 0,
            rest_reason=reason if resting else "",
            last=json.loads(last) if last else None,
            lowered=allowed if allowed != access.per_minute else 0,
            since=int(since or 0),
            refused=reason if reason.startswith(Unauthorized.code) else "",
        )

    def standings(self, accesses: Iterable[Access]) -> list[Standing]:
        """The allowance left to each of these accounts, in one round trip."""
        return self.standing(accesses).run(self._redis)

    def standing(self, accesses: Iterable[Access]) -> Commands[list[Standing]]:
        """The same as a part of a round trip."""
        every, start = list(accesses), month_of(self._now_ms())[0]
        keys = [
            key for access in every for key in (_rest_key(access), _key(access, f"credits:{start}"), *_facts(access))
        ]
        commands = [("MGET", *keys)] if keys else []
        return Commands(commands, lambda answers: self._standings(every, answers[0] if answers else []))

    def _standings(self, every: list[Access], values: Sequence[Any]) -> list[Standing]:
        now = self._now_ms()
        start, end = month_of(now)
        standings = []
        for n, access in enumerate(every):
            rest, month, since, lowered = values[4 * n : 4 * n + 4]
            used, first = int(month or 0) / 1000, max(start, min(int(since or now), now))
            saved = left = float("inf")
            if limit := access.per_month:
                saved = max(0.0, limit * (now - first) / (end - start) - used)
                left = max(0.0, min(limit, limit * (end - first) / (end - start) + _burst(access)) - used)
            till, _, why = _text(rest or b"0 ").partition(" ")
            resting, refused = _lies_ahead(int(till), now, _LONGEST_REST_MS), why.startswith(Unauthorized.code)
            per_minute = self._per_minute(access, lowered)
            standings.append(Standing(access, resting, refused, per_minute, used, saved, left, (end - now) / 1000))
        return standings

    def leaving(self, access: Access) -> Commands[int | None]:
        """The whole credits that the account has left until the month's end, None without a limit, as a part of a round
        trip."""
        if not access.per_month:
            return Commands([], lambda _answers: None)
        standing = self.standing([access])
        return Commands(standing.commands, lambda answers: floor(standing.meaning(answers)[0].left))

    def in_turn(self, accesses: Iterable[Access]) -> list[Access]:
        """These accounts in the order in which they should be asked."""
        return in_turn(self.standings(accesses))


def in_turn(standings: Iterable[Standing]) -> list[Access]:
    """Accounts in the order in which they should be asked: the largest remaining part of an allowance first, then the
    least used; resting ones last. Pure."""
    ranked = sorted(standings, key=lambda one: (one.resting, -one.share, one.used))
    return [standing.access for standing in ranked]


def due_of(access: Access, usage: Usage, now_ms: int) -> Due | None:
    """The credits that `budget.lua` grants an account now; None without a limit. Pure."""
    start, end = month_of(now_ms)
    if not (limit := access.per_month):
        return None
    per_ms, since, burst = limit / (end - start), max(start, min(usage.since or now_ms, now_ms)), _burst(access)
    accrued = per_ms * (now_ms - since) + burst
    left = min(limit, accrued) - usage.month
    demand = min(limit, accrued) - usage.month - burst // 2

    def next_ms(missing: float) -> int:
        return min(end, now_ms + max(0, ceil(missing / per_ms)))

    return Due(left, demand, next_ms(1 - left), next_ms(1 - demand), per_ms * 86_400_000)


def forecast(usage: Usage, now_ms: int) -> float:
    """The credits that will have been used by the end of the month at the rate since its start, or since the first call
    if that was later. Pure."""
    start, end = month_of(now_ms)
    passed = now_ms - max(start, min(usage.since or now_ms, now_ms))
    return usage.month * (1 + (end - now_ms) / passed) if passed > 0 else float(usage.month)


def month_of(now_ms: int) -> tuple[int, int]:
    """Start and end of the calendar month (UTC) in epoch ms."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def _lies_ahead(at: int, now_ms: int, most_ms: int) -> bool:
    """Whether a time that was set is still to come; not if it is further ahead than it was ever set: then the clock has
    been set back since."""
    return now_ms < at <= now_ms + most_ms


def _burst(access: Access) -> int:
    """Credits that may be used before they accrue: enough for a start, few enough to lose with the counter."""
    return min(access.per_month, max(12, access.per_month // 500))


def _facts(access: Access) -> tuple[str, str]:
    return _key(access, "since"), _key(access, "lowered")


def _lower(configured: int, learnt: int) -> int:
    """The lower of two limits, 0 being none."""
    return min(configured, learnt) if configured and learnt else configured


def _milli(credits: float) -> int:
    return round(credits * 1000)


def refused(access: Access, reason: str, seconds: float) -> OutOfBudget:
    """The error of calls that were not made."""
    why = _WAITS.get(reason, f"left alone for {seconds:.0f} s more after {reason}")
    return OutOfBudget(f"{access.provider.label}: {why}", retry_after=seconds, reason=reason)


def _key(access: Access, what: str) -> str:
    # The braces keep an account's keys on one node of a cluster, as the script needs.
    return f"spot:budget:{{{access.account}}}:{what}"


def _rest_key(access: Access) -> str:
    return _key(access, f"rest:{access.route}")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@functools.cache
def _lua(name: str) -> str:
    return Path(__file__).with_name(f"{name}.lua").read_text()


def connection() -> Redis:
    """This process's connection pool to the budget's Redis."""
    return _connection(settings.REDIS, os.getpid())


@functools.lru_cache(maxsize=4)
def _connection(server: Any, _process: int) -> Redis:
    client: Redis = server.client()
    return client
