"""The report of a web process: what it has counted, and what it serves now, told to the other processes every few
seconds (`providers.counters`), so that each of them can answer for all.

Nothing here is on the way of a message. Frames are counted where they are made, once for all receivers; connections and
groups are counted when a report is due.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from providers.counters import Reporter, process_facts, tell_soon, withdraw
from providers.metrics import Counts, Metric, counts
from spot.clients.meter import BROADCAST, OUTBOX, Tally
from spot.clients.roster import roster
from spot.hub.groups import Group
from spot.metrics import CONNECTIONS, FRAME_BYTES, FRAMES, GROUPS, LAG, SUBSCRIPTIONS
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: Seconds between two reports, between two looks at memory and files, and between two samples of the loop's lag.
EVERY, _FACTS_EVERY, _SAMPLE_EVERY = 2.0, 10.0, 0.1
_LANES = (("broadcast", BROADCAST), ("outbox", OUTBOX))
#: A reading of the moment: the metric's name, its labels, and its value.
Reading = tuple[str, list[str], float]


class SentSoFar:
    """The frames that have been taken over into the counters."""

    def __init__(self) -> None:
        self._taken = {lane: (tally.frames, tally.bytes) for lane, tally in _LANES}

    def count(self, into: Counts) -> None:
        """Count what has been sent since the last call."""
        for lane, tally in _LANES:
            self._count(into, lane, tally)

    def _count(self, into: Counts, lane: str, tally: Tally) -> None:
        frames, size = self._taken[lane]
        self._taken[lane] = tally.frames, tally.bytes
        if tally.frames != frames:
            into.add(FRAMES, lane, amount=tally.frames - frames)
            into.add(FRAME_BYTES, lane, amount=tally.bytes - size)


#: One for all loops of the process: the tallies are the process's.
_sent = SentSoFar()


class WebReport:
    """The report of one hub's process. `groups` are those of the hub."""

    def __init__(self, groups: Collection[Group]) -> None:
        self._groups = groups
        self._redis = settings.REDIS.async_blocking_client(1, 2)
        self._reporter = Reporter("web")
        self._facts: dict[str, float] = {}
        self._facts_at = float("-inf")
        self._worst = 0.0

    def content(self) -> dict[str, Any]:
        """What this process serves now."""
        connections = Counter((one.speaks, one.who.plan.name) for one in roster.connections)
        groups: Counter[str] = Counter()
        subscriptions: Counter[str] = Counter()
        for group in self._groups:
            groups[group.view.feed.channel] += 1
            subscriptions[group.view.feed.channel] += len(group.members)
        readings = [
            *(_reading(CONNECTIONS, count, *labels) for labels, count in connections.items()),
            *(_reading(GROUPS, count, feed) for feed, count in groups.items()),
            *(_reading(SUBSCRIPTIONS, count, feed) for feed, count in subscriptions.items()),
        ]
        return {**self._facts, "lag": self._worst, "readings": readings}

    async def tell(self) -> None:
        """Tell the other processes. Raises `RedisError`; what was counted is told the next time then."""
        clock = asyncio.get_running_loop().time
        if clock() - self._facts_at > _FACTS_EVERY:
            self._facts_at = clock()
            # Of thousands of files and tasks the lists take a while.
            self._facts = await asyncio.to_thread(_facts, asyncio.get_running_loop())
        _sent.count(counts)
        content, self._worst = self.content(), 0.0
        await tell_soon(self._redis, self._reporter, content, now_ms())

    async def tell_forever(self) -> None:
        """Tell every few seconds."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.tell()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("report not told", error=type(error).__name__)

    async def sample_forever(self) -> None:
        """Measure how late the event loop calls what is due."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _SAMPLE_EVERY
            await asyncio.sleep(_SAMPLE_EVERY)
            lag = max(0.0, clock() - due)
            self._worst = max(self._worst, lag)
            counts.observe(LAG, lag)

    async def aclose(self) -> None:
        """Tell what has been counted since, and that the process ends."""
        try:
            async with asyncio.timeout(1):
                await self.tell()
                await withdraw(self._redis, self._reporter)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("last report not told", error=type(error).__name__)
        await self._redis.aclose()


def _facts(loop: asyncio.AbstractEventLoop) -> dict[str, float]:
    return process_facts() | {"tasks": len(asyncio.all_tasks(loop))}


def _reading(metric: Metric, value: float, *labels: str) -> Reading:
    return metric.name, list(labels), value
