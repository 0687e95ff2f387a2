"""The counters that apply the limits of clients. The limits of one client come with it, as its plan."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from spot.clients.plans import Client, Plan
from spot.clients.roster import roster
from spot.codes import Refused


class Admission:
    """The clients that are served at the moment.

    `in_all` gives how many there may be in the process, `each` how many of one client (0: any number), `refusals` what
    the others are told: the code where the process is full, that where one client has its share, and what is counted.
    `elsewhere`: how many a client has in other processes.
    """

    def __init__(
        self,
        in_all: Callable[[], int],
        each: Callable[[Plan], int],
        refusals: tuple[str, str, str],
        elsewhere: Callable[[Client], int] = lambda _client: 0,
    ) -> None:
        self._in_all = in_all
        self._each = each
        self._full, self._crowded, self._what = refusals
        self._elsewhere = elsewhere
        self._by_client: Counter[str] = Counter()
        self._count = 0

    def enter(self, client: Client) -> None:
        """Count a client in. Raises `Refused`; only a client that has entered may leave."""
        in_all, each = self._in_all(), self._each(client.plan)
        if in_all and self._count >= in_all:
            raise Refused(self._full, f"This server has all the {self._what} it takes; try again later.")
        if each and self._by_client[client.id] + self._elsewhere(client) >= each:
            whose = "from one address" if client.key is None else "with one key"
            raise Refused(self._crowded, f"At most {each} {self._what} {whose}; try again later.")
        self._count += 1
        self._by_client[client.id] += 1

    def leave(self, client: Client) -> None:
        """Count a client out."""
        self._count -= 1
        self._by_client[client.id] -= 1
        if not self._by_client[client.id]:
            del self._by_client[client.id]

    @property
    def clients(self) -> int:
        """How many clients are served."""
        return len(self._by_client)

    def __len__(self) -> int:
        return self._count


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
answering = Admission(lambda: settings.SPOT_REQUESTS, lambda plan: plan.requests, _REQUESTS)


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
        #: What has been spent with each key since this process began to count it, and when last.
        self._spent: dict[str, tuple[float, float]] = {}

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
        if client.key is not None:
            before, _ = self._spent.get(client.key, (0.0, 0.0))
            self._spent[client.key] = before + cost, self._clock()
        return 0

    def recent(self) -> dict[str, float]:
        """What has been spent with each key that has been in use in the last minute."""
        earliest = self._clock() - self._period
        self._spent = {key: (spent, at) for key, (spent, at) in self._spent.items() if at > earliest}
        return {key: spent for key, (spent, _) in self._spent.items()}

    def take_elsewhere(self, key: str, cost: float) -> None:
        """Take what has been spent with a key in another process."""
        if (bucket := self._buckets.get(f"key:{key}")) is not None:
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
        self._spent.clear()

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
