"""Many views on one socket, in asyncio: `Stream`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from anyio import move_on_after
from typing_extensions import Self

from spot_client.address import Server
from spot_client.errors import SpotError, Unreachable
from spot_client.following import Tail, Tasks, Watch
from spot_client.multiplex import Multiplexer
from spot_client.page import Clock
from spot_client.protocol import ANSWER_SECONDS, Follow
from spot_client.retrying import Pace
from spot_client.signatures import AsyncViews
from spot_client.sockets import Socket, dialled, pause_after

_PING = '{"id": "ping", "method": "ping"}'
#: Bytes of a message that the server counts as one more.
_COST_BYTES = 4096


class Stream(AsyncViews):
    """Many views over one socket: `watch` and `tail` are those of a client, and share the connection. It opens with the
    first view, and ends with the last one, with `aclose()`, or with the client.

    After a lost connection, views go on after the page or event that they had."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._tasks = Tasks()
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._views = 0
        self._lost: SpotError | None = None  # why the last connection has ended
        self._again_at = 0.0  # the time of the next try, by the monotonic clock
        self._attempt = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Stream({self._server.url!r})"

    async def aclose(self) -> None:
        """End the connection, and with it all views."""
        self._closed = True
        await self._tasks.end_all()

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        return Watch(self, feed, params, self._clock, self._tasks)

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        return Tail(self, feed, params, self._clock, self._tasks, last=last, since=since)

    # --- what views call ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def line(self, follow: Follow) -> AsyncIterator[_Line]:
        """The part of the connection that is for one view. Raises `SpotError`."""
        self._views += 1
        try:
            connection = await self._connected()
            resume = follow.resume()
            params = follow.dial()
            if resume:
                follow.resumed()
            line = _Line(connection)
            connection.join(line, follow.feed, params, resume)
            try:
                yield line
            finally:
                connection.leave(line)
        finally:
            self._views -= 1
            if not self._views and self._task is not None:
                self._tasks.end(self._task)
                self._connection = self._task = None

    def pause(self, feed: str, error: SpotError, attempt: int) -> float:
        """Seconds until the next try: after a lost connection, that of all views is at the same time."""
        if error is self._lost:
            return max(0.0, self._again_at - time.monotonic())
        return pause_after(feed, error, attempt)

    # --- the connection ----------------------------------------------------------------------------------------------

    async def _connected(self) -> _Connection:
        if self._closed:
            raise Unreachable("The stream is closed.", retry=False)
        if self._connection is None:
            self._connection = _Connection(self._server, self._clock)
            self._task = self._tasks.start(self._run(self._connection))
        connection = self._connection
        await connection.opened.wait()
        if connection.error is not None:
            raise connection.error
        return connection

    async def _run(self, connection: _Connection) -> None:
        error: SpotError = Unreachable("The stream is closed.", retry=False)
        try:
            await connection.run()
        except SpotError as failure:
            error = failure
            attempt = 0 if connection.has_heard else self._attempt
            self._attempt = attempt + 1
            self._lost, self._again_at = error, time.monotonic() + pause_after("stream", error, attempt)
        finally:
            if self._connection is connection:
                self._connection = self._task = None
            connection.end(error)


class _Line:
    """The part of a connection that is for one view; it looks like a feed's own socket."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._waiting: asyncio.Queue[dict[str, Any] | SpotError] = asyncio.Queue()

    async def send(self, message: str) -> None:
        """Send a message as a feed's own socket takes it."""
        self._connection.say(self, json.loads(message))

    async def recv(self) -> dict[str, Any]:
        """The next frame. Raises `SpotError` when the view or the connection has ended."""
        frame = await self._waiting.get()
        if isinstance(frame, SpotError):
            self._waiting.put_nowait(frame)
            raise frame
        return frame

    def take(self, frame: dict[str, Any]) -> None:
        """A frame has come."""
        self._waiting.put_nowait(frame)

    def end(self, error: SpotError) -> None:
        """No frame comes any more."""
        self._waiting.put_nowait(error)


class _Connection:
    """One connection of a stream. `opened` is set once views may join it, or once it has ended: `error` says why."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.opened = asyncio.Event()
        self.error: SpotError | None = None
        self.has_heard = False  # whether the server has answered anything but the handshake
        self._server = server
        self._clock = clock
        self._lines: list[_Line] = []
        self._views = Multiplexer(clock)
        self._news = asyncio.Event()  # something is to be sent
        self._pace = Pace(1.0)
        self._silence = ANSWER_SECONDS  # seconds without a frame after which the server is pinged
        self._pinged_ms: float | None = None

    # --- views -------------------------------------------------------------------------------------------------------

    def join(self, line: _Line, feed: str, params: Mapping[str, Any], resume: Mapping[str, Any]) -> None:
        """Follow a view."""
        self._lines.append(line)
        self._views.join(line, feed, params, resume)
        self._news.set()

    def leave(self, line: _Line) -> None:
        """Follow it no longer."""
        self._lines.remove(line)
        self._views.leave(line)
        self._news.set()

    def say(self, line: _Line, message: dict[str, Any]) -> None:
        """Take a message of a view: a ping, a resync, or other parameters."""
        action = message.get("action")
        if action == "ping":
            self._views.ping(line)
        elif action == "resync":
            self._views.resync(line)
        else:
            self._views.change(line, message)
        self._news.set()

    def end(self, error: SpotError) -> None:
        """The connection has ended."""
        self.error = error
        self.opened.set()
        for line in self._lines:
            line.end(error)

    # --- the socket --------------------------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Stay connected. Raises `SpotError` when the connection ends."""
        async with dialled(self._server, "stream") as socket:
            writing = asyncio.create_task(self._write(socket))
            try:
                while True:
                    await self._hear(socket)
            finally:
                writing.cancel()

    async def _hear(self, socket: Socket) -> None:
        text = None
        try:
            with move_on_after(ANSWER_SECONDS if self._pinged_ms else self._silence):
                text = await socket.recv()
        except SpotError as closed:
            if self._views.refused is not None:  # the error before the close says more than its code
                raise self._views.refused from closed
            raise
        if text is not None:
            self._take(text)
        elif self._pinged_ms:
            raise Unreachable("The server has stopped answering.")
        else:
            self._pinged_ms = time.time() * 1000
            await socket.send(_PING)

    def _take(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
            kind = frame["type"]
            if kind == "welcome":
                self._pace = Pace(float(frame["messages_per_second"]))
                self._silence = frame["ping_interval_ms"] / 1000
                self.opened.set()
            elif kind == "pong" and self._pinged_ms:
                self._clock.learn(frame["ts"], self._pinged_ms, time.time() * 1000)
            elif kind != "drain":
                self.has_heard = True
                self._views.heard(frame)
                self._news.set()
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable("The server sends frames that are not those of Spot's stream.") from error
        self._pinged_ms = None
        if self._views.refused is not None and self._views.refused.code == "too_many_messages":
            raise self._views.refused  # nobody knows which message was not heard

    async def _write(self, socket: Socket) -> None:
        """Send what views want, no faster than the server allows."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._views.outgoing:
                cost = 1 + len(self._views.outgoing[0]) // _COST_BYTES
                await asyncio.sleep(self._pace.wait(time.monotonic(), cost))
                await socket.send(self._views.outgoing.popleft())
