"""The product behind daphne, in a process whose time of day a test holds: `python -m … CLOCK` prints its port.

CLOCK is a file with the time in nanoseconds, eight bytes long. A request to /_begin makes a hub that has read the lists
and the first snapshot of the feed that its query string names.
"""

from __future__ import annotations

import mmap
import secrets
import sys
import time
from typing import Any

from tests.served import serve


def hold_the_clock(path: str) -> None:
    """Take the time of day from the file."""
    with open(path, "r+b") as file:  # noqa: PTH123 - mmap wants a file number
        clock = mmap.mmap(file.fileno(), 8)
    time.time_ns = lambda: int.from_bytes(clock[:8])
    secrets.token_hex = lambda size=32: "0" * 2 * (size or 32)


def with_beginnings(application: Any) -> Any:
    """The application, and /_begin."""
    from spot.hub.hub import Hub
    from tests.golden.player import prepare

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/_begin":
            await application(scope, receive, send)
            return
        await Hub.current().aclose()
        await prepare(scope["query_string"].decode())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return serve


if __name__ == "__main__":
    hold_the_clock(sys.argv[1])
    serve("daphne", with_beginnings)
