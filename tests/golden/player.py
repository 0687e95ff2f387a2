"""Plays a scene before a clock that stands still, and writes down every byte that a client gets.

Epoch, versions and times come out the same each time, so the transcript of one commit is that of the next, or somebody
notices.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

from providers.datasets import Dataset
from spot import snapshots
from spot.hub.hub import Hub
from tests.fastpath.client import Client
from tests.fastpath.client import Closed as Ended
from tests.fastpath.gateway import Gateway
from tests.golden.scenes import DATASETS, DIALECTS, FEEDS, LISTS, MARKET, Hear, Later, Say, Step, Store, rows_at, scene
from tests.spot.rows import fetched
from tests.spot.sockets import Closed, Socket, eventually

NOW_MS = 1_795_896_014_000


class Clock:
    """The time of day, in nanoseconds, which moves when told to."""

    def __init__(self, monkeypatch: Any) -> None:
        self.now_ns = NOW_MS * 1_000_000
        monkeypatch.setattr("time.time_ns", lambda: self.now_ns)
        monkeypatch.setattr("secrets.token_hex", lambda size=32: "0" * 2 * size)

    def move(self, seconds: int) -> None:
        """Let so many seconds pass at once."""
        self.now_ns += seconds * 1_000_000_000


class Peer(Protocol):
    """A client of any kind of connection."""

    async def hear(self) -> str: ...

    async def say(self, message: Any) -> None: ...


class OfApplication:
    """A client of the application itself: what any server would be told to send."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def hear(self) -> str:
        try:
            return await self._socket.text()
        except Closed as closed:
            return f"closed {closed.code}"

    async def say(self, message: Any) -> None:
        await self._socket.send(message)


class OfServer:
    """A client on the wire."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def hear(self) -> str:
        try:
            return (await self._client.message()).decode()
        except Ended as ended:
            return f"closed {ended.code}"

    async def say(self, message: Any) -> None:
        await self._client.send(message if isinstance(message, str) else json.dumps(message))


Connect = Callable[[str, str], Any]
Begin = Callable[[str], Coroutine[Any, Any, None]]
Look = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def application(feed: str, query: str) -> AsyncIterator[Peer]:
    """A connection to the application, without a server."""
    async with Socket(feed, query) as socket:
        yield OfApplication(socket)


def server(gate: Gateway, *, finished: bool) -> Connect:
    """Connections to the product's uvicorn, which is given finished frames, or texts to frame itself."""
    return process(gate.fast if finished else gate.plain)


def process(port: int) -> Connect:
    """Connections to the web process at a port."""

    @asynccontextmanager
    async def connect(feed: str, query: str) -> AsyncIterator[Peer]:
        target = f"{feed}?{query}".removesuffix("?")
        client = await Client.open(port, quote(target, safe="/?=&%,"))
        yield OfServer(client)
        client.close()

    return connect


async def put(dataset: Dataset, rows: list[dict[str, Any]], **facts: Any) -> None:
    """Store a snapshot as a worker does."""
    await asyncio.to_thread(snapshots.save, fetched(dataset, rows, **facts), 600.0)


async def prepare(feed: str) -> None:
    """A hub that has read the lists and the feed's first snapshot, so that nothing depends on who reads first."""
    for dataset, rows in LISTS.items():
        await put(dataset, rows)
    dataset = DATASETS.get(feed, MARKET)
    await put(dataset, rows_at(feed, 0))
    hub = Hub.current()
    hub._topic(dataset).left_at = snapshots.now_ms()  # as if somebody had just looked
    await eventually(lambda: all(hub.topics[one.name].snapshot for one in (*LISTS, dataset)))


async def look() -> None:
    """Let the hub see at once that time has passed; it looks by itself once a second."""
    await Hub.current()._watch(snapshots.now_ms())


async def play(
    feed: str, dialect: str, connect: Connect, clock: Clock, begin: Begin = prepare, look: Look = look
) -> list[str]:
    """The transcript of a feed in a dialect: what was said, stored and heard, line by line."""
    await begin(feed)
    query = "&".join(part for part in (FEEDS[feed], DIALECTS[dialect]) if part)
    lines = [f"# {feed}?{query}"]
    async with connect(feed, query) as peer:
        for step in scene(feed, dialect):
            lines += await _step(step, feed, peer, clock)
            if isinstance(step, Later):
                await look()
    return lines


def line(text: str) -> str:
    """A text as one line."""
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


async def _step(step: Step, feed: str, peer: Peer, clock: Clock) -> list[str]:
    match step:
        case Hear(count):
            return [f"< {line(await peer.hear())}" for _ in range(count)]
        case Say(message):
            await peer.say(message)
            return [f"> {message if isinstance(message, str) else json.dumps(message)}"]
        case Later(seconds):
            clock.move(seconds)
            return [f"# {seconds} s later"]
        case Store(turn, source):
            await put(DATASETS.get(feed, MARKET), rows_at(feed, turn), source=source)
            return [f"# stored: {turn}, from {source}"]


async def refusal(address: str, connect: Connect, begin: Begin = prepare) -> list[str]:
    """The transcript of an address that is refused."""
    await begin("market")
    feed, _, query = address.partition("?")
    lines = [f"# {address}"]
    async with connect(feed, query) as peer:
        while not lines[-1].startswith("< closed"):
            lines.append(f"< {line(await peer.hear())}")
    return lines
