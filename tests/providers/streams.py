"""A stream over a loopback socket, scripted message by message: the server, the protocol, the provider and the sink."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from django.conf import settings
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from providers.access import Access
from providers.base import Call, Plan, Provider
from providers.budget import Budget, connection
from providers.errors import ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import (
    Alive,
    Announced,
    Channel,
    Dropped,
    Event,
    GoingAway,
    OnchainEvent,
    Rejected,
    Stream,
    Tick,
)
from providers.streams.link import Timing
from providers.streams.worker import StreamSettings, Worker
from providers.vault import Secret

KEY = "canary-5e6f7a8b9c0d1e2f"
BITCOIN, ETHER = Channel("btc"), Channel("eth")
QUICK = Timing(
    beat=0.01, settings=0.03, channels=0.03, lead=0.6, open=2.0, close=0.2, settled=0.2, linger=0.1, report=3600.0
)


class ScriptedSession:
    """A protocol as plain as can be: JSON objects with a `type`; what is followed is sent as a list."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._pending: list[str] = []

    def opened(self) -> list[str]:
        return [json.dumps({"hello": self.key})]

    def subscribe(self, channels: Sequence[Channel]) -> list[str]:
        return [json.dumps({"follow": [channel.coin or channel.onchain for channel in channels]})]

    def pending(self) -> list[str]:
        said, self._pending = self._pending, []
        return said

    def beat(self, now_ms: int) -> list[str]:
        return []

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        said = json.loads(message)
        match said["type"]:
            case "ticks":
                return [self._tick(one) for one in said["ticks"]]
            case "news":
                return [Announced({"id": said["id"], "title": "…"})]
            case "event":
                return [OnchainEvent("kline.1.0x12345678", {"id": said["id"], "at": 1, "data": {}})]
            case "ask":
                self._pending.append(json.dumps({"answer": said["id"]}))
                return [Alive(said.get("at"))]
            case "refuse":
                return [Rejected(Unauthorized(f"no {said.get('echo', '')}"), fatal=said["fatal"])]
            case "leave":
                return [GoingAway(said["within"])]
            case "bug":
                raise RuntimeError("a mistake of ours")
        return [Dropped("no such type")]

    def _tick(self, said: dict[str, Any]) -> Tick:
        return Tick(said["coin"], "usd", {"price": said["price"]}, said.get("at"), said.get("seq", 0))


def refused(status: int, body: bytes) -> ProviderError:
    if status == 401:
        return Unauthorized(f"wrong key: {body.decode()}")
    return RateLimited("slower") if status == 429 else Unavailable(f"answered {status}")


def closed(code: int, reason: str) -> ProviderError | None:
    if code == 4001:
        return Unauthorized(f"the key has expired: {reason}")
    return RateLimited("too much", retry_after=60.0) if code == 4029 else None


def provider(name: str = "scripted", *, channels: int = 0, **changes: Any) -> Provider:
    """A provider with a stream of that protocol; `changes` are those of its Stream."""
    facts: dict[str, Any] = {
        "session": ScriptedSession, "headers": lambda key: {"x-key": key}, "refused": refused, "closed": closed,
        "silence_seconds": 5.0, "stale_seconds": 5.0, "first_pause": 0.02, "longest_pause": 0.1,
        "brings": frozenset({"ticks"}),
    }  # fmt: skip
    plan = Plan(
        name="any",
        base_url="",
        per_minute=0,
        per_month=0,
        header="x-key",
        stream_url="ws://x.test",
        stream_channels=channels,
    )
    return Provider(
        name=name, label=name.title(), plans=(plan,), endpoints=(), explain=lambda _body: (None, ""), codes={},
        probe=lambda _plan: Call("/"), proven=lambda _payload: "", stream=Stream(**{**facts, **changes}),
    )  # fmt: skip


def access_to(one: Provider, url: str, key: str = KEY, *, per_month: int = 0) -> Access:
    return Access(one, one.plans[0], "", Secret(key), 0, per_month, stream_url=url)


@dataclass
class Collector:
    """A sink that keeps everything. `following` is what it wants followed."""

    following: Sequence[Channel] = (BITCOIN,)
    heard: list[Tick] = field(default_factory=list)
    news: list[Any] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def channels(self, provider: Provider, coins: int, most: int) -> Sequence[Channel]:
        self.asked.append((coins, most))
        return self.following

    async def ticks(self, provider: Provider, ticks: list[Tick]) -> None:
        self.heard.extend(ticks)

    async def announced(self, provider: Provider, row: Any) -> None:
        self.news.append(row)

    async def happened(self, provider: Provider, topic: str, row: Any) -> None:
        self.news.append((topic, row))

    async def alive(self, provider: Provider, at_ms: int) -> None:
        self.signs.append(at_ms)

    @property
    def prices(self) -> list[float]:
        return [tick.values["price"] for tick in self.heard]


class Server:
    """The provider's side. `refuse` answers handshakes with (status, body, headers) while it is set; `keys` are those
    that were shown; `said` is what clients have said, `open` who is there now, `connections` how many ever were."""

    def __init__(self) -> None:
        self.refuse: tuple[int, str, dict[str, str]] | None = None
        self.keys: list[str] = []
        self.said: list[Any] = []
        self.open: list[ServerConnection] = []
        self.connections = 0
        self.greeting: list[Any] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/feed"

    def tick(self, price: float, coin: str = "btc", **more: Any) -> None:
        """Send everybody a tick."""
        self.send({"type": "ticks", "ticks": [{"coin": coin, "price": price, **more}]})

    def send(self, message: Any) -> None:
        for one in self.open:
            self._tasks.add(asyncio.get_running_loop().create_task(one.send(json.dumps(message))))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        for one in list(self.open):
            await one.close(code, reason)

    def cut(self) -> None:
        for one in list(self.open):
            one.transport.abort()

    def _admit(self, connection: ServerConnection, request: Any) -> Response | None:
        self.keys.append(request.headers.get("x-key", ""))
        if self.refuse is None:
            return None
        status, body, headers = self.refuse
        response = connection.respond(status, body)
        response.headers.update(headers)
        return response

    async def _converse(self, connection: ServerConnection) -> None:
        self.connections += 1
        self.open.append(connection)
        try:
            for message in self.greeting:
                await connection.send(json.dumps(message))
            async for message in connection:
                self.said.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.open.remove(connection)

    @asynccontextmanager
    async def listening(self):
        self._tasks: set[Any] = set()
        async with serve(self._converse, "127.0.0.1", 0, process_request=self._admit) as listener:
            self.port = listener.sockets[0].getsockname()[1]
            yield self
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(true: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for something to become true; AssertionError when it does not."""
    for _ in range(round(seconds / 0.005)):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("what was waited for did not come true")


class Stage:
    """A server, a sink, and workers of one provider."""

    def __init__(self, one: Provider, server: Server, client: redis.asyncio.Redis, sink: Collector) -> None:
        self.provider, self.server, self.client, self.sink = one, server, client, sink
        self.settings = StreamSettings([access_to(one, server.url)])
        self.workers: dict[asyncio.Task[None], Worker] = {}

    def worker(self, **options: Any) -> asyncio.Task[None]:
        """Start a worker; `options` are the Worker's."""
        facts = {"timing": QUICK, "read_settings": lambda _provider: self.settings, "jitter": lambda: 0.5, **options}
        made = Worker(self.provider, self.sink, self.client, Budget(connection()), **facts)
        task = asyncio.create_task(made.run())
        self.workers[task] = made
        return task

    async def leave(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks or self.workers:
            self.workers[task].stop()
        await asyncio.gather(*(tasks or self.workers))


def staged(story: Callable[[Stage], Any], one: Provider | None = None, sink: Collector | None = None) -> None:
    """Run a story on a stage; workers, connections and server end with it."""

    async def told() -> None:
        client = redis.asyncio.Redis.from_pool(redis.asyncio.ConnectionPool(**settings.REDIS.async_pool))
        try:
            async with Server().listening() as server:
                stage = Stage(one or provider(), server, client, sink or Collector())
                try:
                    await story(stage)
                finally:
                    await stage.leave()
        finally:
            await client.aclose()

    asyncio.run(told())
