"""uvicorn, with its HTTP protocol mended where a public server needs it."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from spot.server import chunks, listening
from spot.server.chunks import ChunkSocket
from spot.server.flow import reset
from spot.server.frames import FrameProtocol
from spot.server.request_line import repair

HEAD_BYTES = 32_768


class SpotHttpProtocol(HttpToolsProtocol):
    """One HTTP connection: mends raw request lines, and bounds how long and how large a request may be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_line: bytes | None = b""  # what has come of it; None once the parser has begun on the request
        self.head_bytes = 0
        self.body_bytes = 0
        self.patience: float | None = None  # seconds until what is missing of a request must be there
        self.deadline: asyncio.TimerHandle | None = None
        self.answer_deadline: asyncio.TimerHandle | None = None
        self.when_taken: list[Callable[[], object]] = []
        self.lost = False
        self.chunks: ChunkSocket | None = None  # of an answer that goes on

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_within(listening.HEAD_SECONDS)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.chunks is not None:
            self.chunks.lost()
            self.chunks = None
        self._expect_nothing()
        self._answer_taken()
        self._tell_taken()
        super().connection_lost(exc)
        self._untie()

    def _untie(self) -> None:
        """Undo what refers to itself, so that the memory comes back at once: garbage is collected rarely."""
        self.parser = self.scope = self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def pause_writing(self) -> None:
        """The peer takes no more of the answer: it has a while for all of it, however it dribbles."""
        super().pause_writing()
        if self.chunks is not None:
            self.chunks.pause()
        elif self.answer_deadline is None:
            self.answer_deadline = self.loop.call_later(listening.ANSWER_SECONDS, reset, self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.chunks is not None:
            self.chunks.resume()
            return
        if self.cycle is None or self.cycle.response_complete:
            self._answer_taken()
        if self.when_taken and not self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits()
            self._tell_taken()

    def _open_chunks(self) -> ChunkSocket:
        """Hand the rest of the answer over to the application: see `spot.server.chunks`."""
        self._answer_taken()
        self.pipeline.clear()
        self.flow.resume_reading()  # uvicorn pauses for requests that came together, and would not notice the end
        self.chunks = ChunkSocket(self.transport, self.loop)
        self.chunks.open()
        return self.chunks

    @property
    def is_idle(self) -> bool:
        """Whether the connection waits for its next request, and was answered before."""
        return self.chunks is None and self.cycle is not None and self.cycle.response_complete

    def answer_last(self) -> None:
        """Let the answer in flight be the last one of the connection."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Finish what would go on for ever; uvicorn waits for other answers."""
        if self.chunks is not None:
            self.chunks.end()
        else:
            super().shutdown()

    def _call_when_taken(self, callback: Callable[[], object]) -> None:
        """Call back once the kernel has all that was written; a small answer it has after this turn of the loop."""
        self.when_taken.append(callback)
        self.loop.call_soon(self._look_what_is_taken)

    def _look_what_is_taken(self) -> None:
        if self.lost or not self.transport.get_write_buffer_size():
            self._tell_taken()
        else:  # told by `resume_writing`: what the kernel has not taken, the peer has not
            self.transport.set_write_buffer_limits(high=0)

    def _tell_taken(self) -> None:
        callbacks, self.when_taken = self.when_taken, []
        for callback in callbacks:
            callback()

    def on_response_complete(self) -> None:
        if not self.transport.get_write_buffer_size():
            self._answer_taken()
        super().on_response_complete()

    def _answer_taken(self) -> None:
        if self.answer_deadline is not None:
            self.answer_deadline.cancel()
            self.answer_deadline = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # refused already; a parser that has failed must not be fed again
        if self.chunks is not None:
            return  # nothing is answered after an answer that goes on
        self.head_bytes += len(data)
        if self.request_line is not None:
            data = self._take_request_line(data)
        if self.head_bytes > HEAD_BYTES:
            self._refuse(431, "Request head too large.")
        elif data:
            super().data_received(data)
        if self.patience is not None:
            self._set_deadline()

    def _take_request_line(self, data: bytes) -> bytes:
        """The bytes for the parser: none until the line is whole, then the mended line and what followed it."""
        if not self.request_line and self.patience is None:
            self._expect_within(listening.HEAD_SECONDS)
        self.request_line = ((self.request_line or b"") + data).lstrip(b"\r\n")
        line, newline, rest = self.request_line.partition(b"\n")
        if not newline:
            return b""
        self.request_line = b""
        return repair(line) + newline + rest

    def on_message_begin(self) -> None:
        self.request_line = None
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._expect_within(listening.BODY_SECONDS)
        self.head_bytes = self.body_bytes = 0
        self.scope["extensions"] = {
            listening.TAKEN: {"then": self._call_when_taken},
            chunks.EXTENSION: {"open": self._open_chunks},
        }
        super().on_headers_complete()
        if listening.draining.is_set():
            self.cycle.keep_alive = False  # the answer says `Connection: close`: the next request goes elsewhere

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0
        self.body_bytes += len(body)
        if self.body_bytes > listening.BODY_BYTES:
            self._refuse(413, "Request body too large.")
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._expect_nothing()
        self.request_line = b""
        self.head_bytes = 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._expect_nothing()
        super().handle_websocket_upgrade()
        self._untie()

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self.patience = seconds

    def _set_deadline(self) -> None:
        """Most requests come whole, and need no timer."""
        if self.deadline is None and self.patience is not None:
            self.deadline = self.loop.call_later(self.patience, self._refuse, 408, "Request took too long to arrive.")

    def _expect_nothing(self) -> None:
        self.patience = None
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _refuse(self, status: int, sentence: str) -> None:
        self._expect_nothing()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = sentence.encode()
            head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


class SpotServer(Server):
    """Tells the readiness page that the process is ending, and lets its sockets go one after the other."""

    def __init__(self, config: Config, steps: listening.Steps) -> None:
        super().__init__(config)
        self._steps = steps

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._steps.prepare()
        await super().startup(sockets)
        self._steps.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        listening.begin_draining()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        began = asyncio.get_running_loop().time()
        for server in self.servers:
            server.close()
        for one in self.server_state.connections:
            if isinstance(one, SpotHttpProtocol):
                one.answer_last()
        if listening.leaving.is_set():
            await self._until(lambda: not self.server_state.connections, listening.HANDOVER_SECONDS)
        await self._drain()
        passed = asyncio.get_running_loop().time() - began
        if listening.leaving.is_set():
            await self._until(self._is_nobody_idle, listening.IDLE_SECONDS - passed)
        self.config.timeout_graceful_shutdown = max(1, round(listening.grace_seconds() - passed))
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Let sockets and event streams go, each at another moment."""
        connections = self.server_state.connections
        sockets = [one for one in connections if isinstance(one, FrameProtocol) and one.drains]
        streams = [one for one in connections if isinstance(one, SpotHttpProtocol) and one.chunks is not None]
        delays = listening.drain_delays(len(sockets) + len(streams))
        for one, seconds in zip(sockets, delays, strict=False):
            one.drain(seconds)
        for stream, seconds in zip(streams, delays[len(sockets) :], strict=True):
            stream.loop.call_later(seconds, stream.shutdown)
        gone = {*sockets, *streams}
        await self._until(lambda: connections.isdisjoint(gone), max(delays, default=0) + 0.2)

    def _is_nobody_idle(self) -> bool:
        return not any(isinstance(one, SpotHttpProtocol) and one.is_idle for one in self.server_state.connections)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until the condition holds, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.force_exit and not condition():  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.02)


def without_traceback(record: logging.LogRecord) -> bool:
    """Broken frames are the client's doing: one line each, or anybody could fill the log."""
    if record.exc_info and "Invalid UTF-8" in record.getMessage():
        record.exc_info = None
    return True


def config(application: Callable[..., Any]) -> Config:
    return Config(
        application,
        loop="auto",  # uvloop
        http=SpotHttpProtocol,
        ws=FrameProtocol,
        ws_max_size=listening.INBOUND_BYTES,
        ws_ping_interval=listening.PING_SECONDS,
        ws_ping_timeout=listening.PING_SECONDS,
        ws_per_message_deflate=True,  # offered without context, see `spot.server.frames`
        lifespan="off",
        log_config=None,
        access_log=False,  # uvicorn logs whole URLs, and a key may stand in a query string
        proxy_headers=False,  # `listening.asgi_application` asks the trusted proxies, under every server
        server_header=False,
        backlog=listening.BACKLOG,
        timeout_graceful_shutdown=listening.GRACE_SECONDS,
    )


def run(application: Callable[..., Any], listener: socket.socket, steps: listening.Steps) -> None:
    """Serve until SIGTERM or SIGINT; WebSockets are closed with 1012 and answers in flight get a moment."""
    FrameProtocol.send_seconds = ChunkSocket.send_seconds = settings.SPOT_SEND_SECONDS
    errors = logging.getLogger("uvicorn.error")
    errors.setLevel(logging.WARNING)  # at INFO every socket's URL would be logged with its query string
    errors.addFilter(without_traceback)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it is done
        SpotServer(config(application), steps).run(sockets=[listener])
