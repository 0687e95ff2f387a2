"""The product's web process inside a test's event loop, so that a test can see what only the process knows."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import uvloop
from uvicorn import Server

from providers.datasets import Dataset
from spot import snapshots
from spot.clients.limits import admission
from spot.hub.hub import Hub
from spot.server import listening
from spot.server import uvicorn as spot_uvicorn
from spot.server.frames import FrameProtocol
from spot_project.asgi import application
from tests.fastpath.client import PATIENCE, Client
from tests.spot.rows import COINS, CURRENCIES, USD, Row, fetched, market


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run a story in an event loop of the kind that serves, with a hub that is gone afterwards."""

    async def told() -> None:
        try:
            await story
        finally:
            await Hub.current().aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(told())


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  what it waits for has no event
            await asyncio.sleep(0.005)


async def put(dataset: Dataset, rows: list[Row], interval: float = 600.0, **facts: Any) -> int:
    """Store a snapshot as a worker does; its version."""
    return await asyncio.to_thread(snapshots.save, fetched(dataset, rows, **facts), interval)


async def put_lists() -> None:
    """Store the lists that names are judged by."""
    await put(CURRENCIES, [{"id": "usd"}], 86_400)
    await put(COINS, [{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in market(30)], 86_400)


async def put_market(count: int, shift: float = 0.0) -> int:
    """Store a market in dollars; its version."""
    return await put(USD, market(count, shift))


def small_buffers(listener: socket.socket) -> None:
    """Let the kernel keep as little as it can for the connections that are accepted, so that few bytes fill it."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


class Gateway:
    """An application behind the product's uvicorn, on two ports: `plain` hides the extension for finished frames."""

    def __init__(self, app: Any = application) -> None:
        self._app = app
        self._listeners = [listening.listen("127.0.0.1", 0), listening.listen("127.0.0.1", 0)]
        self.fast, self.plain = (listener.getsockname()[1] for listener in self._listeners)
        config = spot_uvicorn.config(self)
        config.load()
        self.server = Server(config)
        self.server.lifespan = config.lifespan_class(config)
        self.clients: list[Client] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["server"][1] == self.plain:
            scope = {**scope, "extensions": {}}
        await self._app(scope, receive, send)

    async def client(self, target: str, offer: str = "", *, plain: bool = False, **options: Any) -> Client:
        """A client, closed at the end of the story."""
        made = await Client.open(self.plain if plain else self.fast, target, offer, **options)
        self.clients.append(made)
        return made

    @property
    def sockets(self) -> list[FrameProtocol]:
        """The connections that are WebSockets."""
        return [one for one in self.server.server_state.connections if isinstance(one, FrameProtocol)]

    def connection(self, client: Client) -> FrameProtocol:
        """The server's side of a client."""
        address = client.peer.getsockname()
        return next(one for one in self.sockets if one.transport.get_extra_info("peername") == address)

    def idle(self) -> bool:
        """Whether nothing is left of any connection."""
        state = self.server.server_state
        return not (state.connections or state.tasks or Hub.current().groups or len(admission))

    async def forget(self) -> None:
        """Close the clients, and wait until nothing is left of them."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        await eventually(self.idle)

    async def settled(self, version: int, dataset: Dataset = USD) -> None:
        """Wait until the hub has handed out that version, if anybody looks at the dataset."""
        hub = Hub.current()
        topic = hub.topics.get(dataset.name)
        if topic is not None:
            await eventually(lambda: topic.version >= version and not hub._publishing.locked())

    async def start(self, *, small: bool = False) -> None:
        for listener in self._listeners:
            if small:
                small_buffers(listener)
        logging.getLogger("uvicorn.error").addFilter(spot_uvicorn.without_traceback)
        await self.server.startup(sockets=self._listeners)

    async def stop(self) -> None:
        for client in self.clients:
            client.close()
        await self.server.shutdown(sockets=self._listeners)


@contextlib.asynccontextmanager
async def gateway(app: Any = application, *, small: bool = False) -> AsyncIterator[Gateway]:
    """A gateway that must be idle once its clients are gone. `small`: the kernel keeps little for its sockets."""
    made = Gateway(app)
    await made.start(small=small)
    try:
        yield made
    finally:
        try:
            await made.forget()
        finally:
            await made.stop()


def alive(kind: type) -> int:
    """How many objects of a class there are."""
    return sum(type(one) is kind for one in gc.get_objects())


def no_tracebacks(caplog: Any) -> bool:
    """Whether nothing that was logged carries one; tasks that failed unseen included."""
    gc.collect()
    sys.stdout.flush()
    return not [record for record in caplog.records if record.exc_info]
