"""What clients may use, as a table, and the counters that apply it. Settings override the defaults; 0 switches one
off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from spot.codes import Refused


class Limit(NamedTuple):
    """One limit: the setting that holds it, what it counts, and what happens to who passes it."""

    setting: str
    counts: str
    breach: str


_OLD_STAYS = "close 4413 when connecting; later the old query stays"

LIMITS = (
    Limit("SPOT_CONNECTIONS", "sockets of one web process", "`overloaded`, close 1013"),
    Limit("SPOT_CONNECTIONS_PER_ADDRESS", "those from one address", "`too_many_connections`, close 4430"),
    Limit("SPOT_QUERIES", "distinct live queries of one web process", f"`too_many_queries`, {_OLD_STAYS}"),
    Limit("SPOT_CURRENCIES", "currencies watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_CHARTS", "distinct charts watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_ONCHAIN_TOPICS", "distinct on-chain topics watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_EXTRA_COINS", "tape coins outside the markets snapshot", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_DEPTH", "coins by market cap that heatmap pages reach", "`bad_value` naming the limit"),
    Limit("SPOT_MESSAGES_PER_SECOND", "messages of one socket", "`too_many_messages`, then close 4429"),
    Limit("SPOT_SEND_SECONDS", "seconds a socket may take to accept a frame", "close 4508"),
)


class Admission:
    """Who is connected to this process: sockets in all and by address."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()
        self._all = 0

    def enter(self, address: str) -> None:
        """Count a socket in. Raises `Refused`; only who has entered may leave."""
        if settings.SPOT_CONNECTIONS and self._all >= settings.SPOT_CONNECTIONS:
            raise Refused("overloaded", "This server has all the connections it takes; try again later.")
        per_address = settings.SPOT_CONNECTIONS_PER_ADDRESS
        if per_address and self._by_address[address] >= per_address:
            raise Refused("too_many_connections", f"At most {per_address} connections from one address.")
        self._all += 1
        self._by_address[address] += 1

    def leave(self, address: str) -> None:
        """Count a socket out."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def __len__(self) -> int:
        return self._all


admission = Admission()


@dataclass(slots=True)
class MessageRate:
    """A token bucket for one socket's messages: `rate` a second, three seconds' worth at once. The clock is passed
    in."""

    rate: float
    tokens: float = 0.0
    at: float = 0.0
    refused: int = 0

    def allow(self, now: float) -> bool:
        """Whether a message at `now` (seconds, any clock that only goes forward) is within the rate."""
        if not self.rate:
            return True
        burst = self.rate * 3
        self.tokens = burst if not self.at else min(burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        self.refused = 0
        return True
