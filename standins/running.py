"""The thread, the event loop and the listening socket of a stand-in: HTTP and WebSocket on one port."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.http11 import Response

from providers.sandbox.reply import Reply
from standins.faults import Sending, sent

if TYPE_CHECKING:
    from standins.base import Standin

#: The library logs every handshake at INFO, and at DEBUG with the key.
_log = logging.getLogger("standins")
_log.setLevel(logging.WARNING)


class ErrorReply(Exception):
    """An error response, raised by a stand-in."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Request:
    """A GET or a handshake: unquoted path without the root; parameters; lower-case headers; time by its clock."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    at: int


class ServerThread:
    """The thread and the event loop of a running stand-in."""

    def __init__(self, standin: Standin, listening: socket.socket) -> None:
        self._standin, self._socket = standin, listening
        self.port = int(listening.getsockname()[1])
        self.loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standin", daemon=True)

    def start(self) -> None:
        """Start the thread; returns when it serves."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """End every connection and the thread."""
        self.loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        standin = self._standin
        listening = serve(
            self._converse,
            sock=self._socket,
            process_request=self._asked,
            open_timeout=None,
            ping_interval=standin.ping_seconds,
            ping_timeout=standin.pong_seconds,
            close_timeout=1,
            max_size=standin.max_message,
            server_header=None,
            logger=_log,
        )
        async with listening:
            self._ready.set()
            await self._ending.wait()

    async def _converse(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        await self._standin.converse(connection, self._read(connection.request))

    def _read(self, asked: Handshake) -> Request:
        url = urlsplit(asked.path)
        headers = {name.lower(): value for name, value in asked.headers.raw_items()}
        path = url.path if _is_stream(headers) else url.path.removeprefix(self._standin.root)
        return Request(unquote(path), dict(parse_qsl(url.query)), headers, self._standin.clock.now())

    async def _asked(self, connection: ServerConnection, asked: Handshake) -> Response | None:
        """Answer a GET, or let a handshake through."""
        standin, request = self._standin, self._read(asked)
        stream = _is_stream(request.headers)
        standin.requests.append(request)
        standin.note()
        fault = standin.faults.take(request.path, request.params)
        reply = standin.reply(request, stream=stream)
        if fault:
            reply = await sent(fault, Sending(standin, connection, self._ending, reply))
        return None if reply is None else _response(reply)


def _is_stream(headers: dict[str, str]) -> bool:
    return headers.get("upgrade", "").lower() == "websocket"


def _response(reply: Reply) -> Response:
    headers = Headers({"Content-Length": str(len(reply.body)), "Connection": "close"} | reply.headers)
    return Response(reply.status, responses.get(reply.status, "Status"), headers, reply.body)
