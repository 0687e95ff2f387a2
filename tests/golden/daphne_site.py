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


def main(clock: str) -> None:
    hold_the_clock(clock)
    import django

    django.setup()
    from spot.server import listening

    application = listening.asgi_application("spot_project.asgi.application", [])
    listener = listening.listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    listening.serve("daphne", with_beginnings(application), listener)


if __name__ == "__main__":
    main(sys.argv[1])
