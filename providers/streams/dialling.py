"""The only outbound WebSockets of the project: the handshake, and what its failures and a close mean.

Like `client`, it follows no redirect, because a redirect would take the key along; it reaches this machine directly,
whatever proxy the environment names; and it lets no library log what goes over the wire. What goes wrong leaves as a
`ProviderError` without the key.
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

#: The largest message that is read, decompressed, in bytes; a price is some hundred.
MAX_BYTES = 1024 * 1024
#: Messages read ahead of us; past it the provider has to wait.
_AHEAD = 256
_USER_AGENT = "Spot/0.1 (self-hosted market-data gateway)"
#: At DEBUG the library writes headers and messages, keys and all, so it gets a logger that never is.
_LIBRARY = logging.getLogger("providers.streams.dialling.library")
_LIBRARY.setLevel(logging.WARNING)
_TOO_BIG, _NO_CLOSE_FRAME = 1009, 1006


class _Direct(connect):
    """Stays at the address that it was given."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """No redirect is one."""
        return exc


async def dial(access: Access, stream: Stream, *, open_seconds: float, close_seconds: float) -> ClientConnection:
    """An open connection to the access's stream. ProviderError when there is none to be had.

    Our own pings are off: watching for silence finds a dead connection as well, and some providers count messages.
    """
    if problem := stream_url_problem(access.stream_url):
        raise Unreachable(f"the stream URL is wrong: {problem}", permanent=True)
    if not (access.key.reveal().isascii() and access.key.reveal().isprintable()):
        raise Unauthorized("the key holds characters that cannot be sent")
    query = f"?{urlencode(stream.query)}" if stream.query else ""
    try:
        return await _Direct(
            access.stream_url + query,
            additional_headers=stream.headers(access.key.reveal()),
            user_agent_header=_USER_AGENT,
            proxy=None if _local(access.stream_url) else True,
            open_timeout=open_seconds,
            close_timeout=close_seconds,
            ping_interval=None,
            max_size=MAX_BYTES,
            max_queue=_AHEAD,
            logger=_LIBRARY,
        )
    except (OSError, InvalidHandshake, InvalidURI) as foreign:  # a timeout is an OSError
        failure = _failure(foreign, access, stream)
    raise scrubbed(failure, access)


def _failure(foreign: Exception, access: Access, stream: Stream) -> ProviderError:
    where = urlsplit(access.stream_url).netloc
    if isinstance(foreign, InvalidStatus):
        error = stream.refused(foreign.response.status_code, bytes(foreign.response.body or b""))
        if error.retry_after is None:
            error.retry_after = retry_after(foreign.response.headers.get("Retry-After", ""))
        return error
    if isinstance(foreign, TimeoutError):
        return Unreachable(f"{where}: no connection in time")
    if isinstance(foreign, InvalidHandshake):
        return Unavailable(f"{where} answered, but not as a WebSocket")
    return Unreachable(f"no connection to {where}: refused, no such name, or no TLS")


def ending(closed: ConnectionClosed, access: Access, stream: Stream) -> ProviderError | None:
    """What the end of a connection means; None: nothing wrong, connect again."""
    ours_first = closed.sent is not None and closed.rcvd_then_sent is not True
    if ours_first and closed.sent is not None and closed.sent.code != 1000:
        what = f"longer than {MAX_BYTES} bytes" if closed.sent.code == _TOO_BIG else "that is none"
        return BadPayload(f"a message came {what}")
    code = closed.rcvd.code if closed.rcvd else _NO_CLOSE_FRAME
    error = stream.closed(code, closed.rcvd.reason if closed.rcvd else "")
    if error is None and code == _NO_CLOSE_FRAME:
        return Unavailable("the connection was cut")
    return None if error is None else scrubbed(error, access)


def scrubbed(error: ProviderError, access: Access) -> ProviderError:
    """The error without the key, should somebody have echoed it."""
    error.message = scrub(error.message, access)
    error.args = (error.message,)
    return error


def _local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
