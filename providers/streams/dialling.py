"""The only outbound WebSockets of the project: the handshake; failures and closes as errors.

Like `client`, it follows no redirect, because a redirect would send the key to another host; it bypasses proxies for
loopback addresses; and it does not let the library log messages. Every failure becomes a `ProviderError` without the
key.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from providers.access import Access
from providers.base import stream_url_problem
from providers.client import retry_after, scrub
from providers.errors import BadPayload, ProviderError, Unauthorized, Unavailable, Unreachable
from providers.stream import Stream

#: The largest message accepted, in bytes after decompression; a price has some hundred.
MAX_BYTES = 1024 * 1024
#: Messages buffered before reading pauses.
_AHEAD = 256
_USER_AGENT = "Spot/0.1 (self-hosted market-data gateway)"
#: At DEBUG the library logs headers and messages with keys, so its logger is fixed at WARNING.
_LIBRARY = logging.getLogger("providers.streams.dialling.library")
_LIBRARY.setLevel(logging.WARNING)
_TOO_BIG, _NO_CLOSE_FRAME = 1009, 1006


class _Direct(connect):
    """A connection that follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Report a redirect as an error."""
        return exc


async def dial(access: Access, stream: Stream, *, open_seconds: float, close_seconds: float) -> ClientConnection:
    """Open a connection to the access's stream. Raises `ProviderError` when that fails.

    Pings of our own are off: the check for silence also detects a dead connection, and some providers count messages.
    """
    if problem := stream_url_problem(access.stream_url):
        raise Unreachable(f"the stream URL is wrong: {problem}", permanent=True)
    if not (access.key.reveal().isascii() and access.key.reveal().isprintable()):
        raise Unauthorized("the key has characters that a header cannot contain")
    query = f"?{urlencode(stream.query)}" if stream.query else ""
    try:
        return await _Direct(
            access.stream_url + query,
            additional_headers=stream.headers(access.key.reveal()),
            user_agent_header=_USER_AGENT,
            proxy=None if _is_loopback(access.stream_url) else True,
            open_timeout=open_seconds,
            close_timeout=close_seconds,
            ping_interval=None,
            max_size=MAX_BYTES,
            max_queue=_AHEAD,
            logger=_LIBRARY,
        )
    except (OSError, InvalidHandshake, InvalidURI) as cause:  # a timeout is an OSError
        error = _translated(cause, access, stream)
    raise scrubbed(error, access)


def _translated(cause: Exception, access: Access, stream: Stream) -> ProviderError:
    host = urlsplit(access.stream_url).netloc
    if isinstance(cause, InvalidStatus):
        error = stream.refused(cause.response.status_code, bytes(cause.response.body or b""))
        if error.retry_after is None:
            error.retry_after = retry_after(cause.response.headers.get("Retry-After", ""))
        return error
    if isinstance(cause, TimeoutError):
        return Unreachable(f"{host}: the connection timed out")
    if isinstance(cause, InvalidHandshake):
        return Unavailable(f"{host} did not answer as a WebSocket server")
    return Unreachable(f"cannot connect to {host}: connection refused, unknown host or TLS error")


def close_error(closed: ConnectionClosed, access: Access, stream: Stream) -> ProviderError | None:
    """The error that ended a connection; None: no error, reconnect."""
    closed_by_us = closed.sent is not None and closed.rcvd_then_sent is not True
    if closed_by_us and closed.sent is not None and closed.sent.code != 1000:
        too_long = closed.sent.code == _TOO_BIG
        return BadPayload(
            f"received a message longer than {MAX_BYTES} bytes" if too_long else "received a broken frame"
        )
    code = closed.rcvd.code if closed.rcvd else _NO_CLOSE_FRAME
    error = stream.closed(code, closed.rcvd.reason if closed.rcvd else "")
    if error is None and code == _NO_CLOSE_FRAME:
        return Unavailable("the connection was lost")
    return None if error is None else scrubbed(error, access)


def scrubbed(error: ProviderError, access: Access) -> ProviderError:
    """The error without the key, in case the provider echoed it."""
    error.message = scrub(error.message, access)
    error.args = (error.message,)
    return error


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
