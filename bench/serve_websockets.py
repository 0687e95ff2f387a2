"""Python `websockets` on uvloop: the message in a file to everybody, by the library's `broadcast`, for each byte on
standard input."""

import asyncio
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int, text: str, compression: str | None) -> None:
    """Serve until standard input ends; the request's path names the group."""
    parts = text.split("0" * 19)
    groups: defaultdict[str, set[ServerConnection]] = defaultdict(set)
    ended = asyncio.Event()

    async def stay(connection: ServerConnection) -> None:
        group = groups[connection.request.path]
        group.add(connection)
        try:
            await connection.wait_closed()
        finally:
            group.remove(connection)

    def tick() -> None:
        if not os.read(0, 1):
            ended.set()
        message = f"{time.monotonic_ns():019d}".join(parts)
        for group in groups.values():
            broadcast(group, message)

    asyncio.get_running_loop().add_reader(0, tick)
    async with serve(stay, "127.0.0.1", port, compression=compression, backlog=4096):
        await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text(), sys.argv[3] if sys.argv[3:] else None))
