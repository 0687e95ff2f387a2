"""A real consumer behind the real routes, the real hub and a real Redis, driven in this process."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Self

from channels.testing import ApplicationCommunicator

from providers.datasets import LISTINGS, Dataset, Fetched
from spot import snapshots
from spot.clients.desk import Desk
from spot.hub.hub import Hub
from spot_project.asgi import application
from tests.spot import contract
from tests.spot.rows import COINS, CURRENCIES, ONCHAIN_TOPIC, USD, candles, events, fetched, listings, market

PREFIX = "/tzone_apis/services/spot/ws/"
PATIENCE = 8.0
KNOWN = (*(row["id"] for row in market(20)), "rare")


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run a story in a loop of its own, with a hub that is gone afterwards."""

    async def told() -> None:
        try:
            await story
        finally:
            await Hub.current().aclose()
            if (desk := Desk._of_loop.get(asyncio.get_running_loop())) is not None:
                await desk.aclose()

    asyncio.run(told())


async def put(dataset: Dataset, rows: list[dict[str, Any]], interval: float = 60.0, **facts: Any) -> int:
    """Store a snapshot as a worker does."""
    made: Fetched = fetched(dataset, rows, **facts)
    return await asyncio.to_thread(snapshots.save, made, interval)


async def put_lists(currencies: tuple[str, ...] = ("usd", "eur"), coins: tuple[str, ...] = KNOWN, **facts: Any) -> None:
    """Store the lists that names are judged by."""
    await put(CURRENCIES, [{"id": name} for name in currencies], 86_400, **facts)
    await put(COINS, [{"id": name, "symbol": name, "name": name} for name in coins], 86_400, **facts)


async def put_market(count: int = 10, shift: float = 0.0, **facts: Any) -> None:
    """Store the lists and a market in dollars."""
    await put_lists(**facts)
    await put(USD, market(count, shift), **facts)


async def put_everything() -> None:
    """Store something for every feed."""
    await put_market(30)
    await put(Dataset("candles", "usd", "bitcoin", 30), candles(48, end=1719882000000))
    await put(LISTINGS, listings(20))
    await put(ONCHAIN_TOPIC, events(5))


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


class Socket:
    """A client. `async with Socket("market", "page=2") as socket: await socket.frame()`."""

    def __init__(
        self,
        feed: str,
        query: str | bytes = "",
        *,
        path: str | None = None,
        headers: dict[str, str] | None = None,
        address: str = "192.0.2.1",
        subprotocols: list[str] | None = None,
        denying: bool = False,
    ) -> None:
        named = {"host": "localhost", **(headers or {})}
        self.scope = {
            "type": "websocket",
            "path": path or PREFIX + feed,
            "query_string": query if isinstance(query, bytes) else query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
            "client": (address, 50_000),
            "scheme": "ws",
            "subprotocols": subprotocols or [],
            "extensions": {"websocket.http.response": {}} if denying else {},
        }
        self._check = contract.frames_of(
            self.scope["path"], self.scope["query_string"], tuple(self.scope["subprotocols"])
        )
        self.accepted: dict[str, Any] | None = None
        self.frames: list[Any] = []

    async def __aenter__(self) -> Self:
        self._app = ApplicationCommunicator(application, self.scope)
        await self._app.send_input({"type": "websocket.connect"})
        first = await self._app.receive_output(PATIENCE)
        self.accepted = first if first["type"] == "websocket.accept" else None
        self.refused = first if self.accepted is None else None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._app.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._app.wait(PATIENCE)

    async def text(self, patience: float = PATIENCE) -> str:
        """The next frame as it came. Raises `Closed`."""
        event = await self._app.receive_output(patience)
        if event["type"] == "websocket.close":
            raise Closed(event["code"], event.get("reason", ""))
        if event.get("text") is None:
            self.frames.append(event["bytes"])
            return str(event["bytes"], "utf-8")
        self._check(event["text"])
        self.frames.append(event["text"])
        return event["text"]

    @property
    def status(self) -> int:
        """The HTTP status of a refused handshake."""
        assert self.refused is not None
        return int(self.refused["status"])

    async def body(self) -> bytes:
        """The body of an HTTP answer to a refused handshake."""
        return bytes((await self._app.receive_output(PATIENCE))["body"])

    async def frame(self, patience: float = PATIENCE) -> Any:
        """The next frame, parsed."""
        return json.loads(await self.text(patience))

    async def next(self, kind: str) -> Any:
        """The next frame of that type, whatever comes before it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self.frame()
                if isinstance(frame, dict) and frame.get("type") == kind:
                    return frame

    async def closed(self) -> int:
        """The code the server closes with, whatever comes before it."""
        return (await self.close()).code

    async def close(self) -> Closed:
        """The server's close, whatever comes before it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.text()
                except Closed as closed:
                    return closed

    async def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        return await self._app.receive_nothing(seconds, 0.02)

    async def send(self, message: object) -> None:
        """Send JSON, or text as it stands."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self._app.send_input({"type": "websocket.receive", "text": text})

    async def send_bytes(self, payload: bytes) -> None:
        """Send a binary frame."""
        await self._app.send_input({"type": "websocket.receive", "bytes": payload})
