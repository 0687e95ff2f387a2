"""One connection of a stream from handshake to close: reads messages, passes events on, runs a timer every second."""

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
from providers.stream import Alive, Announced, Channel, Dropped, Event, GoingAway, OnchainEvent, Rejected, Stream, Tick
from providers.streams.dialling import close_error, dial, scrubbed
from providers.streams.sieve import Sieve

log = structlog.get_logger("providers.stream")

#: Distinct rejections of single requests that are logged per connection.
_MOST_REJECTIONS = 20
_SEND_TIMEOUT = Unavailable("the provider does not read what we send")


class Sink(Protocol):
    """Receiver of a stream's events. `channels` is called in a thread; the other methods must not block."""

    def channels(self, provider: Provider, coins: int, most: int) -> Sequence[Channel]:
        """The channels to subscribe to now: the `coins` largest coins of each currency in use and the on-chain topics
        in use, no more than `most` altogether (0: no limit)."""

    async def ticks(self, provider: Provider, ticks: list[Tick]) -> None:
        """Prices in order, none with a time in the future."""

    async def announced(self, provider: Provider, row: Row) -> None:
        """An announcement."""

    async def happened(self, provider: Provider, topic: str, row: Row) -> None:
        """An on-chain event."""

    async def alive(self, provider: Provider, at_ms: int) -> None:
        """The connection works, without new data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Intervals and timeouts in seconds. `beat`: between two checks; `settled`: after data for this long a connection
    counts as good; `linger`: how long an unused connection stays open."""

    beat: float = 1.0
    settings: float = 3.0
    channels: float = 3.0
    lead: float = 12.0
    open: float = 10.0
    close: float = 1.0
    settled: float = 30.0
    linger: float = 30.0
    report: float = 60.0


@dataclass(frozen=True, slots=True)
class End:
    """How a connection ended. `settled`: it had carried data for a while. `within`: reconnect within that many seconds,
    as the provider asked."""

    error: ProviderError | None = None
    settled: bool = False
    within: float | None = None


class Link:
    """One connection. It ends when `may_continue` returns False: another process leads. `millicredits` is its cost so
    far."""

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
        may_continue: Callable[[], bool] = lambda: True,
    ) -> None:
        self.access, self.counts = access, Counter[str]()
        self.millicredits = 0
        self.heard_ms: int | None = None
        self.since_ms: int | None = None
        self.took_ms = 0  # to connect
        self.subscribed: Sequence[Channel] = ()
        self._stream, self._sink, self._sieve, self._timing = stream, sink, sieve, timing
        self._now_ms, self._clock, self._may_continue = now_ms, clock, may_continue
        self._session = stream.session(access.key.reveal())
        self._wanted: Sequence[Channel] = ()
        self._rejections: set[str] = set()
        self._first_data: float | None = None
        self._opened = self._heard = self._data = self._subscribed_at = self._priced = 0.0

    def want(self, channels: Sequence[Channel]) -> None:
        """Subscribe to exactly these, with the next beat."""
        self._wanted = channels

    async def run(self) -> End:
        """Connect, exchange messages until the connection ends, and return how it ended."""
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
            await self._subscribe(socket)
            while True:
                message = await socket.recv()
                now = self._now_ms()
                self._heard, self.heard_ms = self._clock(), now
                end = await self._handle(self._session.receive(message, now), now)
                await self._send(socket, self._session.pending())
                if end:
                    return end
        except ConnectionClosed as closed:
            return self._end(close_error(closed, self.access, self._stream))
        except TimeoutError:
            return self._end(_SEND_TIMEOUT)

    async def _handle(self, events: Sequence[Event], now: int) -> End | None:
        ticks: list[Tick] = []
        has_data = False
        end: End | None = None
        for event in events:
            match event:
                case Tick():
                    has_data = True
                    if (tick := self._sieve.passed(event, now)) is not None:
                        ticks.append(tick)
                case Announced(row):
                    has_data = True
                    self.counts["data"] += 1
                    await self._sink.announced(self.access.provider, row)
                case OnchainEvent(topic, row):
                    has_data = True
                    self.counts["data"] += 1
                    await self._sink.happened(self.access.provider, topic, row)
                case Alive(at):
                    await self._sink.alive(self.access.provider, now if at is None else min(at, now))
                case Dropped(why):
                    self.counts["dropped"] += 1
                    self.counts[f"dropped: {why[:60]}"] += 1
                case GoingAway(within):
                    end = End(settled=self._settled, within=within)
                case Rejected(error, fatal):
                    end = self._rejected(scrubbed(error, self.access), fatal) or end
        if ticks:
            self._data = self._clock()
            self._first_data = self._data if self._first_data is None else self._first_data
            self.counts["data"] += len(ticks)
            await self._sink.ticks(self.access.provider, ticks)
        if has_data:
            self.millicredits += self._stream.millicredits
        return end

    def _rejected(self, error: ProviderError, fatal: bool) -> End | None:
        """The end of a connection that was rejected; the rejection of a single request is logged once."""
        if fatal:
            return self._end(error)
        self.counts["refused"] += 1
        if error.message not in self._rejections and len(self._rejections) < _MOST_REJECTIONS:
            self._rejections.add(error.message)
            log.warning("stream request rejected", provider=self.access.provider.name, error=error.message)
        return None

    @property
    def _settled(self) -> bool:
        """Whether the connection has been good for a while: by its prices or, where data are rare, by its messages."""
        if self._stream.stale_seconds is None or not _coins(self.subscribed):
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
                await self._subscribe(socket)
                if not self._may_continue():
                    return End(settled=self._settled, within=0.0)
                if error := self._silence():
                    return self._end(error)
        except ConnectionClosed as closed:
            return self._end(close_error(closed, self.access, self._stream))
        except TimeoutError:
            return self._end(_SEND_TIMEOUT)

    async def _subscribe(self, socket: ClientConnection) -> None:
        wanted = self._wanted
        if wanted == self.subscribed:
            return
        if not self.subscribed:
            self._subscribed_at = self._clock()
        if not _coins(self.subscribed):
            self._priced = self._clock()
        self.subscribed = wanted
        await self._send(socket, self._session.subscribe(wanted))

    def _silence(self) -> ProviderError | None:
        """The error of a connection that is dead, or alive without data; None while it works."""
        now, stream = self._clock(), self._stream
        if not self.subscribed and "listings" not in stream.brings:
            return None  # without a subscription no data are due
        if now - max(self._heard, self._subscribed_at) > stream.silence_seconds:
            return Unavailable(f"no message for {stream.silence_seconds:g} s")
        coins, stale = _coins(self.subscribed), stream.stale_seconds
        if stale is None or not coins or now - max(self._data, self._priced) <= stale:
            return None
        return Unavailable(f"no data for {stale:g} s while subscribed to {coins} coins")

    async def _send(self, socket: ClientConnection, messages: Sequence[str]) -> None:
        for message in messages:
            async with asyncio.timeout(self._timing.open):
                await socket.send(message)


def _coins(channels: Sequence[Channel]) -> int:
    """The number of coins among the channels; only their data are frequent."""
    return sum(bool(channel.coin) for channel in channels)
