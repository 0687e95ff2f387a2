"""A server whose every word a test gives: frames of the envelope over a WebSocket, and answers over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

Answer = tuple[int, Any, dict[str, str]]
Story = Callable[["Peer"], Awaitable[None]]


def head(kind: str, seq: int, **changes: Any) -> dict[str, Any]:
    """The envelope of a frame whose data are as fresh as can be."""
    now = int(time.time() * 1000)
    made = {
        "type": kind, "channel": "listings", "seq": seq, "epoch": "e", "version": seq, "as_of": now, "fetched_at": now,
        "max_age_ms": 60_000, "source": "acme", "source_label": "Acme", "source_url": None, "simulated": False,
        "stale": False, "total": 1, "page": 1, "pages": 1,
    }  # fmt: skip
    return made | changes


def snapshot(seq: int, *ids: str, **changes: Any) -> dict[str, Any]:
    """A whole page of rows with these ids."""
    return head("snapshot", seq, params={}, data=[{"id": one, "price": seq} for one in ids], **changes)


class Peer:
    """One connection of a client, from the server's side. Pings are answered by `heard`."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.path = socket.request.path if socket.request else ""

    async def tell(self, *frames: dict[str, Any]) -> None:
        """Send frames."""
        for frame in frames:
            await self.socket.send(json.dumps(frame))

    async def heard(self) -> dict[str, Any]:
        """The next message that is no ping."""
        async for text in self.socket:
            message: dict[str, Any] = json.loads(text)
            if message != {"action": "ping"}:
                return message
            await self.tell({"type": "pong", "ts": int(time.time() * 1000)})
        raise AssertionError("the client has gone")

    async def close(self, code: int) -> None:
        """End the connection."""
        await self.socket.close(code)

    async def stay(self) -> None:
        """Keep the connection until the client ends it."""
        await self.socket.wait_closed()


class Scripted:
    """What was asked of the server: each connection's headers, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Headers] = []


@contextlib.asynccontextmanager
async def scripted(
    *stories: Story, answers: tuple[tuple[int, Any, dict[str, str]], ...] = ()
) -> AsyncIterator[Scripted]:
    """A server that answers its first requests by `answers` (status, JSON, headers), and then plays one story for each
    connection. What fails in a story fails the test."""
    waiting, made = list(answers), Scripted()
    failures: list[Exception] = []
    plays = iter(stories)

    def answer(_socket: ServerConnection, request: Request) -> Response | None:
        made.asked.append(request.headers)
        if not waiting:
            return None
        status, body, headers = waiting.pop(0)
        text = json.dumps(body).encode()
        fields = Headers({"Content-Type": "application/json", "Content-Length": str(len(text)), "Connection": "close"})
        fields.update(headers)
        return Response(status, HTTPStatus(status).phrase, fields, text)

    async def play(socket: ServerConnection) -> None:
        try:
            await next(plays)(Peer(socket))
        except Exception as failure:
            failures.append(failure)
            raise

    async with serve(play, "127.0.0.1", 0, process_request=answer) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(20):
            yield made
    assert not failures
