"""What clients may use, as a table, and the counters that apply it. Settings override the defaults; 0 switches one
off."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from spot.codes import Refused


class Limit(NamedTuple):
    """One limit: the setting that holds it, what it counts, and what a client gets that passes it."""

    setting: str
    counts: str
    breach: str


_OLD_STAYS = "close 4413 when connecting; later the old query stays"

LIMITS = (
    Limit("SPOT_CONNECTIONS", "sockets of one web process", "`overloaded`, close 1013, or HTTP 503 to the handshake"),
    Limit(
        "SPOT_CONNECTIONS_PER_ADDRESS",
        "those from one address",
        "`too_many_connections`, close 4430, or HTTP 429 to the handshake",
    ),
    Limit("SPOT_REQUESTS", "HTTP requests that one web process answers at a time", "`overloaded`, HTTP 503"),
    Limit("SPOT_REQUESTS_PER_ADDRESS", "those from one address", "`too_many_requests`, HTTP 429"),
    Limit(
        "SPOT_REQUESTS_PER_MINUTE",
        "HTTP requests for data from one address, by cost",
        "`too_many_requests`, HTTP 429",
    ),
    Limit(
        "SPOT_NEW_DATASETS_PER_HOUR",
        "data that nobody looked at before and one address asks for, by cost",
        f"`too_many_datasets`, HTTP 429, {_OLD_STAYS}",
    ),
    Limit("SPOT_QUERIES", "distinct live queries of one web process", f"`too_many_queries`, {_OLD_STAYS}"),
    Limit("SPOT_CURRENCIES", "currencies watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_CHARTS", "distinct charts watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_ONCHAIN_TOPICS", "distinct on-chain topics watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_EXTRA_COINS", "tape coins outside the markets snapshot", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_DEPTH", "coins by market cap that heatmap pages reach", "`bad_value` naming the limit"),
    Limit("SPOT_MESSAGES_PER_SECOND", "messages of one socket, by cost", "`too_many_messages`, then close 4429"),
    Limit("SPOT_SEND_SECONDS", "seconds a socket may take to accept a frame", "close 4508"),
)


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """What is counted as one address: an IPv4 address, also where IPv6 wraps it, or the /64 of an IPv6 address, which
    one subscriber has whole. A text that is no address stands for itself."""
    text = address.strip()
    if text.startswith("["):  # with a port, as some proxies write it
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Admission:
    """Who is served at the moment: clients in all and by address.

    `limits` gives how many of them there may be in all and from one address (0: any number), `refusals` what the others
    are told.
    """

    def __init__(
        self, limits: Callable[[], tuple[int, int]] | None = None, refusals: tuple[str, str, str] | None = None
    ) -> None:
        self._by_address: Counter[str] = Counter()
        self._all = 0
        self._limits = limits or _connections
        self._full, self._crowded, self._what = refusals or ("overloaded", "too_many_connections", "connections")

    def enter(self, address: str) -> None:
        """Count a client in. Raises `Refused`; only who has entered may leave."""
        in_all, per_address = self._limits()
        address = network(address)
        if in_all and self._all >= in_all:
            raise Refused(self._full, f"This server has all the {self._what} it takes; try again later.")
        if per_address and self._by_address[address] >= per_address:
            raise Refused(self._crowded, f"At most {per_address} {self._what} from one address; try again later.")
        self._all += 1
        self._by_address[address] += 1

    def leave(self, address: str) -> None:
        """Count a client out."""
        address = network(address)
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def __len__(self) -> int:
        return self._all


def _connections() -> tuple[int, int]:
    return settings.SPOT_CONNECTIONS, settings.SPOT_CONNECTIONS_PER_ADDRESS


#: Sockets that are served.
admission = Admission()
#: Sockets that have been refused with a close code, because a page cannot read the status of a refused handshake, and
#: are not gone yet. Past these the handshake is refused.
farewells = Admission(lambda: (256, 64))
#: HTTP requests that are being answered.
answering = Admission(
    lambda: (settings.SPOT_REQUESTS, settings.SPOT_REQUESTS_PER_ADDRESS),
    ("overloaded", "too_many_requests", "requests at a time"),
)


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
    """The bucket of one socket's messages: `rate` a second, three seconds' worth at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        #: Messages refused in a row.
        self.refused = 0
        self._bucket = Bucket(rate, rate * 3)

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


class Balance(NamedTuple):
    """What an address may still spend: of `limit` at once `remaining` now, and all of it after `reset` seconds."""

    limit: int
    remaining: int
    reset: int


class Allowance:
    """What each address may spend over time, in tokens: a setting's number per `period` seconds, of which the worth of
    `burst` seconds can be spent at once. Idle addresses are forgotten."""

    _MOST = 20_000

    def __init__(self, setting: str, period: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.setting = setting
        self._period = period
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, address: str, cost: float) -> int:
        """Whole seconds until the address may spend so much; 0 when it may now."""
        rate = float(getattr(settings, self.setting)) / self._period
        return math.ceil(self._bucket(address, rate).wait(self._clock(), cost)) if rate and cost else 0

    def take(self, address: str, cost: float) -> None:
        """Spend what `wait` has found."""
        if rate := float(getattr(settings, self.setting)) / self._period:
            self._bucket(address, rate).take(cost)

    def balance(self, address: str) -> Balance | None:
        """What is left to an address; None where there is no limit."""
        rate = float(getattr(settings, self.setting)) / self._period
        if not rate:
            return None
        bucket = self._bucket(address, rate)
        bucket.wait(self._clock(), 0)
        missing = bucket.burst - bucket.tokens
        return Balance(int(bucket.burst), int(bucket.tokens), math.ceil(missing / rate))

    def forget(self) -> None:
        """Give every address its whole allowance again."""
        self._buckets.clear()

    def _bucket(self, address: str, rate: float) -> Bucket:
        address = network(address)
        bucket = self._buckets.get(address)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[address] = Bucket(rate, max(1.0, rate * self._burst))
            if len(self._buckets) > self._MOST:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(address)
        return bucket


#: Requests for data over HTTP.
requests = Allowance("SPOT_REQUESTS_PER_MINUTE", 60, 15)
#: Data that cost calls to a provider, because nobody looked at them before.
novelties = Allowance("SPOT_NEW_DATASETS_PER_HOUR", 3600, 900)
