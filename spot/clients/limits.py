"""The counters that apply the limits of clients. The limits of one client come with it, as its plan."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, NamedTuple

from django.conf import settings

from spot.clients.plans import Client, Plan, anonymous
from spot.clients.roster import roster
from spot.codes import Refused

#: Of each limit other processes are told of so many clients, each of which uses this part of it or more
#: (`spot.clients.addresses`).
SHARED, _PART = 256, 1 / 64
#: The longest name of a client that they are told: an IPv6 network.
_LONGEST_NAME = 45
#: What the names of clients with a key begin with.
_KEYED = "key:"


class Admission:
    """The clients that are served at the moment.

    `in_all` gives how many there may be in the process, `each` how many of one client (0: any number), `refusals` what
    the others are told: the code where the process is full, that where one client has its share, and what is counted.
    `by_key`: how many a client with a key has in other processes; None: `elsewhere` has those with a key too.
    `lasting`: other processes are told only of those who have been served since they were told before.
    """

    def __init__(
        self,
        in_all: Callable[[], int],
        each: Callable[[Plan], int],
        refusals: tuple[str, str, str],
        by_key: Callable[[Client], int] | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        self._in_all = in_all
        self._each = each
        self._full, self._crowded, self._what = refusals
        self._by_key = by_key
        self._lasting = lasting
        self._by_client: Counter[str] = Counter()
        self._count = 0
        #: How many each client has in other processes, as they said last.
        self.elsewhere: Mapping[str, int] = Counter()
        #: The clients with many here, and how few they have been since the last report.
        self._many: dict[str, int] = {}

    def enter(self, client: Client) -> None:
        """Count a client in. Raises `Refused`; only a client that has entered may leave."""
        in_all, each = self._in_all(), self._each(client.plan)
        if in_all and self._count >= in_all:
            raise Refused(self._full, f"This server has all the {self._what} it takes; try again later.")
        here = self._by_client[client.id]
        if each and here + self._others(client) >= each:
            whose = "from one address" if client.key is None else "with one key"
            raise Refused(self._crowded, f"At most {each} {self._what} {whose}; try again later.")
        self._count += 1
        self._by_client[client.id] = here + 1
        if here + 1 >= each * _PART and each and (self._by_key is None or client.key is None):
            self._many.setdefault(client.id, 0)

    def leave(self, client: Client) -> None:
        """Count a client out."""
        self._count -= 1
        here = self._by_client[client.id] = self._by_client[client.id] - 1
        if not here:
            del self._by_client[client.id]
        if client.id in self._many:
            self._many[client.id] = min(here, self._many[client.id])
            if not here or here < self._each(client.plan) * _PART:
                del self._many[client.id]

    def largest(self) -> dict[str, int]:
        """How many each client has here, of those with many: for the other processes, once for each report."""
        fewest, self._many = self._many, {client: self._by_client[client] for client in self._many}
        return _most(fewest if self._lasting else self._many)

    def _others(self, client: Client) -> int:
        """How many the client has in other processes."""
        if client.key is not None and self._by_key is not None:
            return self._by_key(client)
        return self.elsewhere.get(client.id, 0)

    @property
    def clients(self) -> int:
        """How many clients are served."""
        return len(self._by_client)

    def __len__(self) -> int:
        return self._count


def _most(counts: Mapping[str, float]) -> dict[str, Any]:
    """Of these counts the largest, as many as other processes are told of."""
    named = {client: count for client, count in counts.items() if count and len(client) <= _LONGEST_NAME}
    return dict(nlargest(SHARED, named.items(), lambda item: item[1])) if len(named) > SHARED else named


_CONNECTIONS = ("overloaded", "too_many_connections", "connections")
_REQUESTS = ("overloaded", "too_many_requests", "requests at a time")
#: Sockets that are served.
admission = Admission(
    lambda: settings.SPOT_CONNECTIONS, lambda plan: plan.connections, _CONNECTIONS, roster.elsewhere_of
)
#: Sockets that have been refused with a close code, because a page cannot read the status of a refused handshake, and
#: are not gone yet. Past these the handshake is refused.
farewells = Admission(lambda: 256, lambda _plan: 64, _CONNECTIONS)
#: HTTP requests that are being answered.
answering = Admission(lambda: settings.SPOT_REQUESTS, lambda plan: plan.requests, _REQUESTS, lasting=True)


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` a second, `burst` at once. The clock is passed in."""

    rate: float
    burst: float
    tokens: float = 0.0
    at: float = 0.0

    def wait(self, now: float, cost: float = 1) -> float:
        """Seconds until `cost` tokens are there at `now` (seconds, any clock that only goes forward); 0 when they are.
        A cost above the burst needs a full bucket."""
        self.tokens = self.burst if not self.at else min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        return max(0.0, min(cost, self.burst) - self.tokens) / self.rate

    def take(self, cost: float = 1) -> None:
        """Take the tokens that `wait` has found."""
        self.tokens -= min(cost, self.burst)


class MessageRate:
    """The bucket of one socket's messages: the plan's number a second, three seconds' worth at once; or its protocol's
    number a minute, a minute's worth at once."""

    def __init__(self, plan: Plan, per_minute: int = 0) -> None:
        self.rate = per_minute / 60 if per_minute else plan.messages_per_second
        #: Messages refused in a row.
        self.refused = 0
        self._bucket = Bucket(self.rate, per_minute or self.rate * 3)

    def allow(self, now: float, cost: float = 1) -> bool:
        """Whether a message at `now` is within the rate."""
        if not self.rate:
            return True
        if self._bucket.wait(now, cost):
            self.refused += 1
            return False
        self._bucket.take(cost)
        self.refused = 0
        return True


def sending(plan: Plan) -> Bucket | None:
    """The bucket of the messages that one connection is sent: the plan's number a second, as many at once; None where
    it has no limit."""
    rate = plan.messages_out_per_second
    return Bucket(rate, max(1.0, rate)) if rate else None


class _Totals(dict[str, tuple[float, float]]):
    """What has been spent by name since this process began to count it, and when last."""

    def add(self, name: str, cost: float, now: float) -> None:
        """Count more."""
        self[name] = self.get(name, (0.0, now))[0] + cost, now

    def recent(self, earliest: float) -> dict[str, float]:
        """The totals that have changed since then; the others are forgotten."""
        for name in [name for name, (_, at) in self.items() if at <= earliest]:
            del self[name]
        return {name: total for name, (total, _) in self.items()}


class Balance(NamedTuple):
    """A client's tokens: of `limit` at once it may still spend `remaining`, and all of it after `reset` seconds."""

    limit: int
    remaining: int
    reset: int


class Allowance:
    """The tokens that each client may spend over time: its plan's `number` in `period` seconds, of which the worth of
    `burst` seconds can be spent at once. Idle clients are forgotten."""

    _MOST = 20_000

    def __init__(
        self, number: Callable[[Plan], int], period: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._number = number
        self._period = period
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._keyed, self._keyless = _Totals(), _Totals()
        #: What each other client has spent in the period that began at `_since`.
        self._little: Counter[str] = Counter()
        self._since = 0.0

    def wait(self, client: Client, cost: float) -> int:
        """Whole seconds until the client may spend so much; 0 when it may now."""
        if not cost or (bucket := self._bucket(client)) is None:
            return 0
        return math.ceil(bucket.wait(self._clock(), cost))

    def spend(self, client: Client, cost: float) -> int:
        """Spend so much, if the client may now: 0, or else the whole seconds until it may."""
        if (bucket := self._bucket(client)) is None:
            return 0
        if wait := bucket.wait(self._clock(), cost):
            return math.ceil(wait)
        bucket.take(cost)
        self._note(client, cost)
        return 0

    def recent(self, *, keyed: bool = True) -> dict[str, float]:
        """For the other processes: what has been spent with each key that has been in use in the last period, or by
        each client without one that has spent much."""
        totals = self._keyed if keyed else self._keyless
        return totals.recent(self._clock() - self._period)

    def take_elsewhere(self, client: str, cost: float) -> None:
        """Take what a client has spent in another process. With a key it begins here with a whole allowance."""
        bucket = self._buckets.get(client)
        if bucket is None and not client.startswith(_KEYED) and (known := anonymous(client)).id == client:
            bucket = self._bucket(known)
        if bucket is not None:
            bucket.wait(self._clock(), 0)
            bucket.take(cost)

    def take(self, client: Client, cost: float) -> None:
        """Spend what `wait` has found."""
        if (bucket := self._bucket(client)) is not None:
            bucket.take(cost)

    def balance(self, client: Client) -> Balance | None:
        """The tokens left to a client; None where there is no limit."""
        if (bucket := self._bucket(client)) is None:
            return None
        bucket.wait(self._clock(), 0)
        missing = bucket.burst - bucket.tokens
        return Balance(int(bucket.burst), int(bucket.tokens), math.ceil(missing / bucket.rate))

    def forget(self) -> None:
        """Give every client its whole allowance again."""
        self._buckets.clear()
        self._keyed, self._keyless = _Totals(), _Totals()
        self._little.clear()

    def _note(self, client: Client, cost: float) -> None:
        """Count what has been spent, as far as other processes are told of it."""
        now = self._clock()
        if client.key is not None:
            self._keyed.add(client.key, cost, now)
        elif client.id in self._keyless:
            self._keyless.add(client.id, cost, now)
        else:
            if now - self._since > self._period or len(self._little) > self._MOST:
                self._little.clear()
                self._since = now
            self._little[client.id] += cost  # type: ignore[assignment]
            if self._little[client.id] >= self._number(client.plan) * _PART and len(self._keyless) < SHARED:
                self._keyless.add(client.id, self._little.pop(client.id), now)

    def _bucket(self, client: Client) -> Bucket | None:
        """The client's bucket; None where its plan has no limit."""
        rate = self._number(client.plan) / self._period
        if not rate:
            return None
        bucket = self._buckets.get(client.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[client.id] = Bucket(rate, max(1.0, rate * self._burst))
            if len(self._buckets) > self._MOST:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client.id)
        return bucket


#: Requests for data over HTTP.
requests = Allowance(lambda plan: plan.requests_per_minute, 60, 15)
#: Data that cost calls to a provider, because nobody looked at them before.
novelties = Allowance(lambda plan: plan.new_datasets_per_hour, 3600, 900)
#: Keys and tickets that were wrong: so many a minute from one network, twice as many at once.
mistakes = Allowance(lambda _plan: 10, 60, 120)
