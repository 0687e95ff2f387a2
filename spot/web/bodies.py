"""Bodies of requests: bounded in size and time where a handler reads them, refused unread where none does."""

from __future__ import annotations

import asyncio
from typing import Any

from spot.codes import Refused

#: A body has to come within so many seconds.
_SECONDS = 10.0


class DisconnectedError(Exception):
    """The client went away before its request was whole."""


def check_body(headers: dict[bytes, bytes], most: int) -> None:
    """Refuse a body by its headers: any where nothing is read (`most` is 0), else one above `most` bytes. Raises
    `Refused`."""
    length = headers.get(b"content-length", b"0").strip(b"0 ")
    if not most and (b"transfer-encoding" in headers or length):
        raise Refused("body_refused", "This request may have no body: send its parameters in the query string.")
    if most and length and (not length.isdigit() or int(headers[b"content-length"]) > most):
        raise _too_large(most)


async def read_body(receive: Any, most: int) -> bytes:
    """The body of a request: at most `most` bytes within ten seconds; none where `most` is 0. Raises `Refused`, and
    `DisconnectedError` when the client has gone away."""
    if not most:
        return b""  # before a timer is set: nearly all requests are such
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(_SECONDS):
            while more:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise DisconnectedError
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                more = event.get("more_body", False)
                if size > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Refused("body_refused", f"The body did not come within {_SECONDS:g} s.") from None
    return b"".join(parts)


def _too_large(most: int) -> Refused:
    return Refused("body_refused", f"The body may have at most {most:,} bytes.")
