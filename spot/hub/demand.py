"""The demand of this process: data that somebody looks at, or has looked at in the last minute.

A socket looks all the time, a request over HTTP for a moment. The store is told when each last looked, so a client that
asks every half minute keeps its market as fresh as an open socket does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from celery import current_app

from providers.datasets import COINS, CURRENCIES
from spot.hub.topics import Topic
from spot.hub.traffic import traffic
from spot.snapshots import now_ms
from spot.snapshots.reader import Reader

#: A topic that nobody looks at any more is wanted, and kept, for so long (ms).
LINGER_MS = 60_000
#: A worker is asked for the same dataset no more often than this (ms).
_KICK_MS = 5000


class Demand:
    """The demand of one hub: `topics` are all that it knows, by name."""

    def __init__(self, reader: Reader, topics: dict[str, Topic]) -> None:
        self._reader = reader
        self._topics = topics
        self._kicked: dict[tuple[str, str], int] = {}

    def forget_old(self) -> None:
        """Drop the topics that nobody has looked at for a while."""
        now = now_ms()
        for name, topic in list(self._topics.items()):
            topic.forget(now - LINGER_MS)
            if not topic.groups and topic.dataset not in (CURRENCIES, COINS) and now - topic.left_at > LINGER_MS:
                self._topics.pop(name).retire()

    async def tell(self) -> None:
        """Tell the workers what is looked at, by how many clients; start at once what has never been fetched, also
        single coins. Raises RedisError."""
        now = now_ms()
        seen = {topic: at for topic in self._topics.values() if (at := topic.seen_at(now)) is not None}
        if not seen and not any(topic.groups for topic in self._topics.values()):
            return
        coins = {topic.dataset.currency: topic.coins(now) for topic in seen if topic.dataset.traits.by_id}
        viewers = {topic.name: len(topic.clients()) for topic in seen}
        lists = dict.fromkeys((CURRENCIES.name, COINS.name), now)  # what all others are judged by
        groups = {group for topic in self._topics.values() for group in topic.groups}
        await self._reader.want({topic.name: at for topic, at in seen.items()} | lists, coins, viewers, traffic(groups))
        absent = {(topic.name, ""): None for topic in seen if topic.cold}
        absent |= {(topic.name, ""): None for topic in seen if topic.overdue(now)}
        absent |= {(name, ""): None for name in lists if self._topics[name].cold}
        absent |= {
            (topic.name, coin): None
            for topic in seen
            if topic.dataset.traits.by_id and topic.trouble is None
            for coin in coins[topic.dataset.currency].keys() - set(topic.asked)
        }
        await self._kick(absent, now)

    async def _kick(self, absent: Iterable[tuple[str, str]], now: int) -> None:
        """Ask a worker to fetch what is not there at all, by dataset and coin, without waiting for beat."""
        self._kicked = {what: at for what, at in self._kicked.items() if 0 <= now - at <= _KICK_MS}
        if new := [what for what in absent if what not in self._kicked]:
            self._kicked |= dict.fromkeys(new, now)
            names = list(dict.fromkeys(name for name, _coin in new))
            # kombu is synchronous; this is off the message path, and rare.
            await asyncio.to_thread(
                current_app.send_task, "spot.ingest.tasks.start", (names,), expires=10, ignore_result=True
            )
