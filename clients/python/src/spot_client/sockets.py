"""WebSockets to a server, in asyncio: how one is opened, and why it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from spot_client.address import Server
from spot_client.errors import Refused, SpotError, Unreachable, from_answer, from_close
from spot_client.protocol import ANSWER_SECONDS, Follow
from spot_client.retrying import delay

log = logging.getLogger("spot_client")

#: What a feed's own socket is asked for beside the view.
_MODES = {"envelope": 1, "delta": 1}


class Line(Protocol):
    """The connection of one view."""

    async def send(self, message: str) -> None:
        """Send a message; nothing happens when the connection has ended."""

    async def recv(self) -> str | bytes | dict[str, Any]:
        """The next frame. Raises `SpotError` when the connection has ended."""


class Carrier(Protocol):
    """What connects views to a server."""

    def line(self, follow: Follow) -> AbstractAsyncContextManager[Line]:
        """A connection for a view, until the context ends. Raises `SpotError`."""

    def pause(self, feed: str, error: SpotError, attempt: int) -> float:
        """Seconds until the next try after this error, which is logged."""


class _Straight(connect):
    """A connection that follows no redirect: the key is for the server that was named."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


@contextlib.asynccontextmanager
async def dialled(server: Server, address: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[Socket]:
    """A connection. Raises `SpotError` when there is none, and inside when it has ended."""
    try:
        async with _Straight(
            server.socket(address, params or {}),
            additional_headers=server.headers,
            max_size=None,
            open_timeout=ANSWER_SECONDS,
        ) as socket:
            yield Socket(socket)
    except InvalidStatus as error:
        answer = error.response
        body, retry_after = bytes(answer.body or b""), answer.headers.get("Retry-After")
        raise from_answer(answer.status_code, body, retry_after) from error
    except (OSError, asyncio.TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise Unreachable(f"{server.url} cannot be reached: {_words(error)}.") from error


class Socket:
    """An open connection."""

    def __init__(self, inner: ClientConnection) -> None:
        self._inner = inner

    async def send(self, message: str) -> None:
        """Send, unless the connection has ended: reading from it tells why."""
        with contextlib.suppress(ConnectionClosed):
            await self._inner.send(message)

    async def recv(self) -> str | bytes:
        """The next frame. Raises `SpotError` when the connection has ended."""
        try:
            return await self._inner.recv()
        except ConnectionClosed as error:
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
            raise from_close(code, reason) or Unreachable(f"The connection was lost ({code}).") from error


class OwnSockets:
    """Gives each view a socket of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def line(self, follow: Follow) -> AbstractAsyncContextManager[Line]:
        """A socket of the feed."""
        return dialled(self._server, follow.feed, {**follow.dial(), **_MODES})

    def pause(self, feed: str, error: SpotError, attempt: int) -> float:
        """Seconds until the next try."""
        return pause_after(feed, error, attempt)


def pause_after(what: str, error: SpotError, attempt: int) -> float:
    """Seconds until the next try, at random, and not before the time that the error names."""
    seconds = delay(attempt, (isinstance(error, Refused) and error.retry_after) or 0.0)
    log.log(logging.INFO if attempt else logging.WARNING, "%s: %s The next try is in %.1f s.", what, error, seconds)
    return seconds


def _words(error: BaseException) -> str:
    """What went wrong, in words without a full stop."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer within {ANSWER_SECONDS:g} s"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
