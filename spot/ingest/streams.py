"""The sink of `providers.streams.worker`: streamed data on their way into snapshots.

A price is published at once when none was published in the last half second; however many ticks there are, there are at
most two versions a second. `spot.ingest.ticks` chooses the prices. Announcements and on-chain events go to
`spot.ingest.announcements` and `spot.ingest.onchain`.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from providers import identity, tracing
from providers.base import Provider
from providers.clean import ahead
from providers.datasets import Dataset, Row
from providers.stream import Channel, Tick
from providers.streams import stream_state
from spot import snapshots
from spot.ingest import announcements, onchain
from spot.ingest.ticks import Board, Polled, Source
from spot.snapshots import Snapshot, nudges

log = structlog.get_logger(__name__)

#: Seconds between two versions that streams make of a snapshot.
FLUSH_SECONDS = 0.5
#: How long the first tick after a pause waits for others of the same burst, in seconds.
_BURST_SECONDS = 0.01
#: How long the ranking of a currency's coins is cached, in seconds.
_RANKED_SECONDS = 15.0
#: Seconds between two renewals on behalf of a live stream.
_ALIVE_SECONDS = 5.0


class Streams:
    """The sink. `run` publishes; tests pass clocks."""

    def __init__(
        self, now_ms: Callable[[], int] = snapshots.now_ms, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._now_ms, self._clock = now_ms, clock
        self._boards: dict[Dataset, Board] = {}
        self._known: dict[Dataset, Snapshot] = {}
        self._largest: dict[Dataset, tuple[float, list[str]]] = {}
        #: By provider: our ids of the followed coins, by theirs; and the followed channels.
        self._ours: dict[str, dict[str, str]] = {}
        self._channels: dict[str, list[str]] = {}
        #: Unpublished data: on-chain events by provider and topic, the newest of each; and announcements that the store
        #: did not take.
        self._events: dict[tuple[str, str], tuple[Provider, list[Row]]] = {}
        self._unshown: deque[tuple[Provider, Row]] = deque(maxlen=announcements.KEPT)
        self._alive_due: dict[str, float] = defaultdict(float)
        self._heard = asyncio.Event()
        self._away = False

    # --- channels -----------------------------------------------------------------------------------------------------

    def channels(self, provider: Provider, coins: int, most: int) -> Sequence[Channel]:
        """The largest coins of each watched currency, then the watched on-chain topics; none while the market is
        simulated. Asks Redis and the database."""
        stream = provider.stream
        if stream is None or snapshots.realm() != "live":
            return ()
        channels: list[Channel] = []
        if "ticks" in stream.brings:
            channels += self._coins(provider, coins, stream.currencies)
        if "onchain" in stream.brings:
            channels += [Channel(onchain=topic) for topic in onchain.topics()]
        channels = channels[:most] if most else channels
        self._channels[provider.name] = [channel.onchain for channel in channels if channel.onchain]
        return channels

    def _coins(self, provider: Provider, coins: int, currencies: Iterable[str]) -> list[Channel]:
        ranked = {
            dataset.currency: self._ranked(dataset)[:coins]
            for dataset in snapshots.wanted()
            if dataset.traits.market and dataset.block == 1 and (not currencies or dataset.currency in currencies)
        }
        wanted = list(dict.fromkeys(coin for ids in ranked.values() for coin in ids))
        theirs = identity.foreign(provider.name, wanted) if provider.foreign else {coin: coin for coin in wanted}
        self._ours[provider.name] = {foreign: coin for coin, foreign in theirs.items()}
        return [
            Channel(theirs[coin], currency)
            for currency, ids in sorted(ranked.items())
            for coin in ids
            if coin in theirs
        ]

    def _ranked(self, dataset: Dataset) -> list[str]:
        """The dataset's coins, the largest first."""
        due, ids = self._largest.get(dataset, (0.0, []))
        if self._clock() >= due and (snapshot := self._known.get(dataset) or snapshots.load(dataset, charts=False)):
            rows = sorted(snapshot.rows, key=lambda row: -(row["market_cap"] or 0))
            ids = [row["id"] for row in rows]
            self._largest[dataset] = self._clock() + _RANKED_SECONDS, ids
        return ids

    # --- the sink -----------------------------------------------------------------------------------------------------

    async def ticks(self, provider: Provider, ticks: Sequence[Tick]) -> None:
        """Gather prices for the next flush. Coins that are not followed are ignored."""
        ours, now = self._ours.get(provider.name, {}), self._now_ms()
        source = Source(provider.name, provider.label, provider.order, provider.url)
        for tick in ticks:
            if (coin := ours.get(tick.coin)) is not None:
                dataset = Dataset("markets", tick.currency)
                if dataset not in self._boards:
                    self._boards[dataset] = Board(settings.SPOT_DISAGREE_PERCENT, tick.currency)
                self._boards[dataset].hear(source, coin, tick, now)
                self._heard.set()

    async def announced(self, provider: Provider, row: Row) -> None:
        """Store and publish an announcement. While the store does not answer it waits for the next flush."""
        try:
            await asyncio.to_thread(announcements.announced, row, provider)
        except (RedisError, OSError) as error:
            log.warning("announcement not shown yet", error=type(error).__name__, title=row["title"])
            self._unshown.append((provider, row))

    async def happened(self, provider: Provider, topic: str, row: Row) -> None:
        """Gather an on-chain event for the next flush."""
        _, rows = self._events.setdefault((provider.name, topic), (provider, []))
        rows.append(row)
        del rows[: -onchain.KEPT]  # older ones would not be published
        self._heard.set()

    async def alive(self, provider: Provider, at_ms: int) -> None:  # noqa: ARG002 - the call is the news
        """Renew the time of snapshots of rare events, because their stream is alive."""
        now = self._clock()
        if now < self._alive_due[provider.name]:
            return
        self._alive_due[provider.name] = now + _ALIVE_SECONDS
        try:
            await asyncio.to_thread(self._renew, provider)
        except (RedisError, OSError) as error:
            log.warning("streams not renewed", provider=provider.name, error=type(error).__name__)

    def _renew(self, provider: Provider) -> None:
        announcements.alive(provider)
        if channels := self._channels.get(provider.name):
            onchain.alive(provider, channels)

    # --- publishing ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish gathered data, until cancelled: the first after a pause at once, later ones `FLUSH_SECONDS` apart.

        Without new data it looks as often for prices that a poll has overwritten, and for data that the store refused.
        """
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), FLUSH_SECONDS)
                await asyncio.sleep(_BURST_SECONDS)
            heard = self._heard.is_set()
            self._heard.clear()
            if await self.flush() or heard:
                await asyncio.sleep(FLUSH_SECONDS)

    async def flush(self) -> bool:
        """Publish data gathered since the last flush, and prices that a poll has overwritten since; whether prices
        were published."""
        published = False
        try:
            for dataset, board in list(self._boards.items()):
                with tracing.root("stream prices", dataset=dataset.name):
                    if await asyncio.to_thread(self._amend, dataset, board):
                        published = True
                        await nudges.tell(dataset.name)
                await asyncio.to_thread(_count, board)
                if board.empty:
                    del self._boards[dataset]
                    self._known.pop(dataset, None)
            await self._show_announcements()
            await self._show_events()
            self._away = False
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("streams not shown", error=type(error).__name__)
            self._away = True
        return published

    async def _show_announcements(self) -> None:
        """Publish the announcements that the store did not take."""
        while self._unshown:
            provider, row = waiting = self._unshown[0]
            await asyncio.to_thread(announcements.announced, row, provider, again=True)
            if self._unshown and self._unshown[0] is waiting:
                self._unshown.popleft()

    async def _show_events(self) -> None:
        """Publish the on-chain events of each topic; those that the store does not take stay for the next flush."""
        for key, (provider, rows) in list(self._events.items()):
            shown = list(rows)
            await asyncio.to_thread(onchain.happened, key[1], shown, provider)
            rows[:] = [row for row in rows if not any(row is other for other in shown)]
            if not rows:
                del self._events[key]

    def _amend(self, dataset: Dataset, board: Board) -> bool:
        """Whether there is a new version."""

        def change(snapshot: Snapshot) -> tuple[list[Row], dict[str, object]] | None:
            now = self._now_ms()
            as_of = snapshot.fetched_at if snapshot.as_of is None else snapshot.as_of
            at, limit = min(as_of, snapshot.fetched_at), snapshot.max_age_ms
            fresh = not ahead(snapshot.fetched_at, now) and now - at <= limit
            amended = board.shown(Polled(snapshot.rows, snapshot.meta, snapshot.source, fresh, at, limit), now)
            changes.append(amended is not None)
            return amended

        changes: list[bool] = []
        snapshot = snapshots.amend(dataset, change, self._known.get(dataset))
        if snapshot is not None:
            self._known[dataset] = snapshot
        return bool(changes and changes[-1])


def _count(board: Board) -> None:
    """Store the counts of rejected prices; counts that the store does not take stay for the next flush."""
    counts = board.counted()
    try:
        for what, source in list(counts):
            stream_state.count(snapshots.connection(), what, source, counts[what, source])
            del counts[what, source]
    finally:
        board.recount(counts)
