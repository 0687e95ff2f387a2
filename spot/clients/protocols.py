"""Protocols of other vendors: their names, and how much each is used, by day (UTC).

Web processes count in memory and add up in Redis every second or so; workers add what each fetch has cost at once. A
call that needed no call of ours to a provider is one that the program's own key was spared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from redis import Redis

import providers
from providers.datasets import Kind
from spot import dialects
from spot.clients.usage import today
from spot.metrics import PROTOCOL_CALLS, increment

#: Below it each protocol has its paths.
PREFIX = "/compat/"
#: The days whose use the operator is shown, and those that are kept.
DAYS = 7
_KEEP_DAYS = 40

#: HTTP requests, and messages of sockets that subscribe, however many coins they name; of the requests those that
#: waited for a call to a provider; and the calls made for documents, each once, however many waited for it.
What = Literal["calls", "waited", "fetched"]


def protocol_of(path: str) -> str:
    """The protocol that a path belongs to; "": it is none of another vendor's."""
    return path.removeprefix(PREFIX).partition("/")[0] if path.startswith(PREFIX) else ""


def protocols() -> list[str]:
    """The names of all protocols."""
    paths = [*(route.path for route in dialects.routes()), *(rest.root for rest in dialects.rests())]
    return sorted({name for path in paths if (name := protocol_of(f"/{path}"))})


def passed_for(kind: Kind) -> str:
    """The protocol for which documents of that kind are passed on: that of the provider which has them; "": none."""
    having = (one.name for one in providers.all() if not one.simulated and one.endpoint(kind) is not None)
    return next(having, "")


def label(name: str) -> str:
    """The vendor's name."""
    provider = providers.get(name)
    return provider.label if provider else name


class Used(NamedTuple):
    """The use of one protocol."""

    calls: int = 0
    waited: int = 0
    fetched: int = 0

    @property
    def hits(self) -> int:
        """Calls that were answered from what was there."""
        return self.calls - self.waited

    @property
    def saved(self) -> int:
        """Calls to providers that the programs would have made, and we did not."""
        return max(0, self.calls - self.fetched)


class Uses:
    """The counters of this process."""

    def __init__(self) -> None:
        self._pending: Counter[tuple[str, str]] = Counter()

    def count(self, protocol: str, what: What, number: int = 1) -> None:
        """Count something that a protocol was used for."""
        self._pending[protocol, what] += number
        increment(PROTOCOL_CALLS, protocol, what, amount=number)

    async def flush(self, redis: Any) -> None:
        """Add what has been counted to the counters of all processes; it is kept when that fails."""
        if not self._pending:
            return
        pending, self._pending = self._pending, Counter()
        pipe = redis.pipeline(transaction=False)
        _add(pipe, pending)
        done = False
        try:
            await pipe.execute()
            done = True
        finally:
            if not done:
                self._pending.update(pending)


def note_fetched(redis: Redis, protocol: str, calls: int) -> None:
    """Count calls to providers that a worker has made for a protocol."""
    if calls:
        increment(PROTOCOL_CALLS, protocol, "fetched", amount=calls)
        pipe = redis.pipeline(transaction=False)
        _add(pipe, {(protocol, "fetched"): calls})
        pipe.execute()


def used(redis: Redis, days: int) -> dict[str, Used]:
    """The use of each protocol on the last days, today among them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    pipe = redis.pipeline(transaction=False)
    for back in range(days):
        pipe.hgetall(_name(today() - timedelta(days=back)))
    for day in pipe.execute():
        for field, number in day.items():
            protocol, what = field.decode().split(" ")
            counts[protocol][what] += int(number)
    return {protocol: Used(**counted) for protocol, counted in counts.items()}


def _add(pipe: Any, counted: Mapping[tuple[str, str], int]) -> None:
    """Add to the counters of today."""
    name = _name(today())
    for (protocol, what), number in counted.items():
        pipe.hincrby(name, f"{protocol} {what}", number)
    pipe.expire(name, _KEEP_DAYS * 86_400)


def _name(day: date) -> str:
    return f"spot:client:protocols:{day}"


#: The counters of this process.
uses = Uses()
