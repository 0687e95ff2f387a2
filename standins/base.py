"""The base of the stand-ins: one port for REST and WebSocket, prices of the simulated market, and faults on demand.

To write one, subclass `Standin` in a module named after the provider and call the class `standin` there::

    class Example(Standin):
        root, stream_path, ping_seconds = "/v1", "/stream", 30.0

        def answer(self, request):                 # a GET below `root`; `request.path` excludes the root
            if request.headers.get("x-api-key") != self.key:
                raise self.refusal(401, "no such key")
            return {"price": self.price("bitcoin")}    # JSON, or a Reply

        def admit(self, request): ...              # the handshake: raise self.refusal(403, "…") to reject it
        async def opened(self, peer): ...          # await peer.send({"type": "welcome"})
        async def received(self, peer, message): ...   # text or bytes
        async def pulse(self, peer): ...           # every `pulse_seconds`: await peer.data({"price": …})

        def refused(self, status, message): ...    # the body of an error, in the provider's shape

    standin = Example

`peer.send` sends messages of the protocol, `peer.data` messages with prices: only these pass through `spoil`. A
stand-in stores a peer's subscriptions in `peer.memory`. It runs in a thread of its own; the methods above are called in
its event loop and must not block. Tests may use everything without an underscore from any thread::

    standin.faults.add("/v1/prices", "status", status=503)     # or hang, truncated, oversize, nan, html, … (REST,
    standin.faults.add("/stream", "status", status=429)        # by the path without the root; or the handshake)
    standin.spoil = lambda message: [message, message]         # replaces each data message
    standin.say({"type": "nonsense"}); standin.close(1008, "too_slow"); standin.cut()
    standin.silent = True                                      # the sockets stay open, and it sends nothing
    standin.skew_ms = -90_000                                  # its times are off by that much
    standin.lies["bitcoin"] = 1.5                              # its price is that multiple of the market's
    standin.pulse_now()                                        # a pulse for all peers, whatever `pulse_seconds`
    standin.until(lambda: len(standin.messages) == 2)          # wait for messages

In a test with an event loop of its own, `await asyncio.to_thread(standin.until, …)`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from providers.sandbox.clock import Clock, wall_ms
from providers.sandbox.faults import Faults
from providers.sandbox.market import Market
from providers.sandbox.reply import Reply
from standins.faults import KINDS
from standins.running import ErrorReply, Request, ServerThread

_MOST_RECORDED = 10_000
#: Cached, since a market needs memory, and tests start many stand-ins with one seed.
_market = lru_cache(maxsize=2)(Market)


@dataclass(eq=False, slots=True)
class Peer:
    """One open WebSocket. `memory` is for the stand-in, `messages` are those received, `pulses` is a count."""

    standin: Standin
    connection: ServerConnection
    request: Request
    memory: dict[str, Any] = field(default_factory=dict)
    messages: deque[str | bytes] = field(default_factory=lambda: deque(maxlen=_MOST_RECORDED))
    pulses: int = 0

    async def send(self, message: Any) -> None:
        """Send text and bytes as they are, anything else as JSON; nothing while the stand-in is silent."""
        if not self.standin.silent:
            await self.connection.send(message if isinstance(message, str | bytes) else encoded(message))

    async def data(self, message: Any) -> None:
        """Send a message with data, after a test's `spoil`."""
        for spoilt in self.standin.spoil(message):
            await self.send(spoilt)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it with that code."""
        await self.connection.close(code, reason)


class Standin:
    """One upstream. `key` is the only key it accepts ("": any key, where the provider needs one).

    `clock` returns epoch milliseconds; `self.clock` can be set and stopped. With `pulse_seconds=0` only `pulse_now`
    pushes.
    """

    root: ClassVar[str] = ""
    stream_path: ClassVar[str | None] = None  # None: it has no stream
    has_rest: ClassVar[bool] = True
    ping_seconds: ClassVar[float | None] = None  # of WebSocket pings; a peer without a pong is disconnected
    pong_seconds: ClassVar[float] = 20.0
    max_message: ClassVar[int] = 1 << 20

    def __init__(
        self,
        *,
        key: str = "",
        seed: int = 7,
        clock: Callable[[], int] = wall_ms,
        host: str = "127.0.0.1",
        port: int = 0,
        pulse_seconds: float = 1.0,
    ) -> None:
        self.key, self.pulse_seconds = key, pulse_seconds
        self.clock = Clock(clock)
        self.market = _market(seed)
        self.faults = Faults(self.clock.now, KINDS)
        self.requests: deque[Request] = deque(maxlen=_MOST_RECORDED)
        self.peers: list[Peer] = []
        self.connections = 0  # so far
        self.lies: dict[str, float] = {}
        self.skew_ms = 0
        self.silent = False
        self.spoil: Callable[[Any], Sequence[Any]] = lambda message: (message,)
        self._address = (host, port)
        self._changed = threading.Condition()
        self._running: ServerThread | None = None

    # --- to be overridden ---------------------------------------------------------------------------------------------
    def answer(self, _request: Request) -> Any:
        """The JSON, or the Reply, for a GET below `root`. Raises `ErrorReply`."""
        raise self.refusal(404, "no such page")

    def admit(self, request: Request) -> None:
        """Accept a handshake, or raise `ErrorReply`."""

    async def opened(self, peer: Peer) -> None:
        """A connection is open."""

    async def received(self, peer: Peer, message: str | bytes) -> None:
        """A message arrived."""

    async def pulse(self, peer: Peer) -> None:
        """Push the data that are due."""

    async def closed(self, peer: Peer) -> None:
        """A connection has ended."""

    def refused(self, status: int, message: str) -> Any:
        """The body of an error response."""
        return {"status": status, "error": message}

    # --- for the methods above ----------------------------------------------------------------------------------------
    def refusal(self, status: int, message: str = "", body: Any = None, **headers: str) -> ErrorReply:
        """An error to raise: `refused(status, message)` or that body; `Retry_After="3"` for the header Retry-After."""
        spelt = {name.replace("_", "-"): value for name, value in headers.items()}
        return ErrorReply(Reply.of(self.refused(status, message) if body is None else body, status, spelt))

    def now(self) -> int:
        """Its time in epoch milliseconds: its clock's plus the skew."""
        return self.clock.now() + self.skew_ms

    def price(self, coin: str, currency: str = "usd", at: int | None = None) -> float:
        """The price of a coin of the simulated market (at that time, in epoch ms), multiplied by its `lies`. Raises
        `KeyError` for unknown coins and currencies."""
        row = np.array([self.market.index[coin]])
        moment = self.clock.now() if at is None else at
        return float(self.market.prices([moment], row, currency)[0][0]) * self.lies.get(coin, 1.0)

    def volume(self, coin: str, currency: str = "usd") -> float:
        """Its volume of the last 24 hours. Raises `KeyError` for unknown coins and currencies."""
        row = np.array([self.market.index[coin]])
        return float(self.market.volumes([self.clock.now()], row, currency)[0][0])

    # --- from a test --------------------------------------------------------------------------------------------------
    @property
    def messages(self) -> list[Any]:
        """The messages of all present peers, decoded from JSON if possible, in the order of the peers."""
        return [decoded(message) for peer in list(self.peers) for message in list(peer.messages)]

    def say(self, message: Any) -> None:
        """Send a message to all peers now."""
        self._do(lambda peer: peer.send(message))

    def pulse_now(self) -> None:
        """Push to all peers now."""
        self._do(self._pulse)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close every WebSocket with that code."""
        self._do(lambda peer: peer.close(code, reason))

    def cut(self) -> None:
        """Drop every WebSocket without a close frame."""

        async def abort(peer: Peer) -> None:
            peer.connection.transport.abort()

        self._do(abort)

    def until(self, true: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until a condition is true; it is evaluated after each event. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(true, seconds):
                raise TimeoutError(f"not true after {seconds} s; {len(self.peers)} connected")

    def _do(self, what: Callable[[Peer], Coroutine[Any, Any, None]]) -> None:
        running = self._alive()

        async def each() -> None:
            for peer in list(self.peers):
                try:
                    await what(peer)
                except ConnectionClosed:
                    continue  # it has ended already

        asyncio.run_coroutine_threadsafe(each(), running.loop).result(10)

    # --- running ------------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen, and serve in a thread. Raises `OSError` when the address is not available."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._running = ServerThread(self, socket.create_server(self._address, family=family))
        self._running.start()
        return self

    def stop(self) -> None:
        """End every connection and close the port, if it is running."""
        running, self._running = self._running, None
        if running:
            running.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._alive().port

    @property
    def url(self) -> str:
        """The base URL of its REST API; "" for none."""
        return f"http://{self._host()}{self.root}" if self.has_rest else ""

    @property
    def stream_url(self) -> str:
        """The URL of its stream; "" for none."""
        return "" if self.stream_path is None else f"ws://{self._host()}{self.stream_path}"

    def _host(self) -> str:
        host = self._address[0]
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    def _alive(self) -> ServerThread:
        if self._running is None:
            raise RuntimeError("the stand-in is not running")
        return self._running

    def note(self) -> None:
        """Make `until` evaluate its condition again."""
        with self._changed:
            self._changed.notify_all()

    # --- in the event loop --------------------------------------------------------------------------------------------
    def reply(self, request: Request, *, stream: bool = False) -> Reply | None:
        """The HTTP reply without faults; None: the handshake continues."""
        try:
            if stream:
                self._find(request)
                self.admit(request)
                return None
            content = self.answer(request)
        except ErrorReply as error:
            return error.reply
        return content if isinstance(content, Reply) else Reply.of(content)

    def _find(self, request: Request) -> None:
        if self.stream_path is None or request.path.rstrip("/") != self.stream_path.rstrip("/"):
            raise self.refusal(404, "no such stream")

    async def _pulse(self, peer: Peer) -> None:
        peer.pulses += 1
        await self.pulse(peer)

    async def _pulses(self, peer: Peer) -> None:
        while True:
            await asyncio.sleep(self.pulse_seconds)
            try:
                await self._pulse(peer)
            except ConnectionClosed:
                return

    async def converse(self, connection: ServerConnection, request: Request) -> None:
        """Serve one WebSocket to its end."""
        peer = Peer(self, connection, request)
        self.peers.append(peer)
        self.connections += 1
        self.note()
        pulses = asyncio.create_task(self._pulses(peer)) if self.pulse_seconds else None
        try:
            await self.opened(peer)
            async for message in connection:
                peer.messages.append(message)
                await self.received(peer, message)
                self.note()
        except ConnectionClosed:
            pass  # the other side disconnected without a close frame
        finally:
            if pulses:
                pulses.cancel()
            self.peers.remove(peer)
            await self.closed(peer)
            self.note()


def encoded(message: Any) -> str:
    """The message as JSON, with NaN and infinities, which are invalid."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def decoded(message: str | bytes) -> Any:
    """The message's JSON value, or the message."""
    try:
        return json.loads(message)
    except ValueError:
        return message
