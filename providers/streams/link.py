"""One connection of a stream, from the handshake to its end: messages in, events out, a beat once a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from providers.access import Access
from providers.base import Provider
from providers.datasets import Row
from providers.errors import ProviderError, Unavailable
from providers.stream import Alive, Announced, Dropped, Event, Happened, Leaving, Refused, Stream, Tick, Topic
from providers.streams.dialling import dial, ending, scrubbed
from providers.streams.sieve import Sieve

log = structlog.get_logger("providers.stream")

#: Different refusals of single requests that are logged for one connection.
_REFUSALS = 20
_DEAF = Unavailable("it reads nothing of what is sent")


class Sink(Protocol):
    """Where what a stream brings goes. `topics` is called in a thread; the others give way soon."""

    def topics(self, provider: Provider, coins: int, most: int) -> Sequence[Topic]:
        """What is to be followed now: the `coins` largest of each currency that is looked at, channels, no more than
        `most` altogether (0: no limit)."""

    async def ticks(self, provider: Provider, ticks: list[Tick]) -> None:
        """Prices, in order, each with a time that is not ahead of ours."""

    async def announced(self, provider: Provider, row: Row) -> None:
        """An announcement."""

    async def happened(self, provider: Provider, topic: str, row: Row) -> None:
        """An on-chain event."""

    async def alive(self, provider: Provider, at_ms: int) -> None:
        """A sign of life without data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds; `beat` is how often clocks are looked at, `settled` how long data must have come for a connection to
    count as good, `linger` how long it stays when nothing is followed any more."""

    beat: float = 1.0
    settings: float = 3.0
    topics: float = 3.0
    lead: float = 12.0
    open: float = 10.0
    close: float = 1.0
    settled: float = 30.0
    linger: float = 30.0
    report: float = 60.0


@dataclass(frozen=True, slots=True)
class End:
    """How a connection ended. No `error`: nothing wrong. `settled`: data had come for a while. `within`: connect again
    in so many seconds, as the provider asked."""

    error: ProviderError | None = None
    settled: bool = False
    within: float | None = None


class Link:
    """One connection. `may_go_on` says whether we still have the lead; what is charged gathers in `millicredits`."""

    def __init__(
        self,
        access: Access,
        stream: Stream,
        sink: Sink,
        sieve: Sieve,
        *,
        timing: Timing,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self.access, self.counts = access, Counter[str]()
        self.millicredits = 0
        self.heard_ms: int | None = None
        self.since_ms: int | None = None
        self.took_ms = 0  # to connect
        self.followed: Sequence[Topic] = ()
        self._stream, self._sink, self._sieve, self._timing = stream, sink, sieve, timing
        self._now_ms, self._clock, self._may_go_on = now_ms, clock, may_go_on
        self._session = stream.session(access.key.reveal())
        self._wanted: Sequence[Topic] = ()
        self._refusals: set[str] = set()
        self._first_data: float | None = None
        self._opened = self._heard = self._data = self._following = self._priced = 0.0

    def want(self, topics: Sequence[Topic]) -> None:
        """Follow exactly these, from the next beat on."""
        self._wanted = topics

    async def run(self) -> End:
        """Connect, converse, and say how it ended."""
        started = self._clock()
        try:
            timing = self._timing
            socket = await dial(self.access, self._stream, open_seconds=timing.open, close_seconds=timing.close)
        except ProviderError as error:
            return End(error)
        self._sieve.reconnected()
        self._opened = self._heard = self._data = self._clock()
        self.since_ms, self.took_ms = self._now_ms(), round((self._opened - started) * 1000)
        tasks = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._beat_forever(socket))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _listen(self, socket: ClientConnection) -> End:
        try:
            await self._send(socket, self._session.opened())
            await self._follow(socket)
            while True:
                message = await socket.recv()
                now = self._now_ms()
                self._heard, self.heard_ms = self._clock(), now
                end = await self._take(self._session.receive(message, now), now)
                await self._send(socket, self._session.pending())
                if end:
                    return end
        except ConnectionClosed as closed:
            return self._end(ending(closed, self.access, self._stream))
        except TimeoutError:
            return self._end(_DEAF)

    async def _take(self, events: Sequence[Event], now: int) -> End | None:
        ticks: list[Tick] = []
        news = 0
        end: End | None = None
        for event in events:
            match event:
                case Tick():
                    news += 1
                    if (tick := self._sieve.passed(event, now)) is not None:
                        ticks.append(tick)
                case Announced(row):
                    news += 1
                    self.counts["data"] += 1
                    await self._sink.announced(self.access.provider, row)
                case Happened(topic, row):
                    news += 1
                    self.counts["data"] += 1
                    await self._sink.happened(self.access.provider, topic, row)
                case Alive(at):
                    await self._sink.alive(self.access.provider, now if at is None else min(at, now))
                case Dropped(why):
                    self.counts["dropped"] += 1
                    self.counts[f"dropped: {why[:60]}"] += 1
                case Refused() | Leaving():
                    end = self._answered(event) or end
        if ticks:
            self._priced_now(len(ticks))
            await self._sink.ticks(self.access.provider, ticks)
        if news:
            self.millicredits += self._stream.millicredits
        return end

    def _answered(self, event: Refused | Leaving) -> End | None:
        """A refusal of one request is told once; of the connection, or a farewell, it is the end."""
        if isinstance(event, Leaving):
            return End(settled=self._settled, within=event.within)
        error = scrubbed(event.error, self.access)
        if event.fatal:
            return self._end(error)
        self.counts["refused"] += 1
        if error.message not in self._refusals and len(self._refusals) < _REFUSALS:
            self._refusals.add(error.message)
            log.warning("stream request refused", provider=self.access.provider.name, error=error.message)
        return None

    def _priced_now(self, count: int) -> None:
        self._data = self._clock()
        self.counts["data"] += count
        if self._first_data is None:
            self._first_data = self._data

    @property
    def _settled(self) -> bool:
        """Whether it has been good for a while: by its prices, or where data come rarely, by its signs of life."""
        if self._stream.stale_seconds is None or not _coins(self.followed):
            return self._heard - self._opened >= self._timing.settled
        return self._first_data is not None and self._data - self._first_data >= self._timing.settled

    def _end(self, error: ProviderError | None) -> End:
        return End(error, self._settled)

    # --- the beat -----------------------------------------------------------------------------------------------------

    async def _beat_forever(self, socket: ClientConnection) -> End:
        try:
            while True:
                await asyncio.sleep(self._timing.beat)
                await self._send(socket, self._session.beat(self._now_ms()))
                await self._follow(socket)
                if not self._may_go_on():
                    return End(settled=self._settled, within=0.0)
                if error := self._frozen():
                    return self._end(error)
        except ConnectionClosed as closed:
            return self._end(ending(closed, self.access, self._stream))
        except TimeoutError:
            return self._end(_DEAF)

    async def _follow(self, socket: ClientConnection) -> None:
        wanted = self._wanted
        if wanted == self.followed:
            return
        if not self.followed:
            self._following = self._clock()
        if not _coins(self.followed):
            self._priced = self._clock()
        self.followed = wanted
        await self._send(socket, self._session.follow(wanted))

    def _frozen(self) -> ProviderError | None:
        """Whether the connection is dead, or alive without what it is there for."""
        now, stream = self._clock(), self._stream
        if not self.followed and "listings" not in stream.brings:
            return None  # nothing was asked for, so nothing need come
        if now - max(self._heard, self._following) > stream.silence_seconds:
            return Unavailable(f"no message for {stream.silence_seconds:g} s")
        coins, stale = _coins(self.followed), stream.stale_seconds
        if stale is None or not coins or now - max(self._data, self._priced) <= stale:
            return None
        return Unavailable(f"no data for {stale:g} s, although {coins} coins are followed")

    async def _send(self, socket: ClientConnection, messages: Sequence[str]) -> None:
        for message in messages:
            async with asyncio.timeout(self._timing.open):
                await socket.send(message)


def _coins(topics: Sequence[Topic]) -> int:
    """How many of these are coins, whose prices come all the time."""
    return sum(bool(topic.coin) for topic in topics)
