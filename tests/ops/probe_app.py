"""An ASGI application that says what the server made of a request.

`python -m tests.ops.probe_app uvicorn|daphne [proxy]` prints its port, then serves. With `--fd` it serves on a socket
that it inherits, and with `--broken FILE` it ends at once where the file exists. The path decides: /hang never answers,
/slow after a second, /events goes on for ever, /flood and /events-flood send more than a kernel takes for half a
second, /denied refuses a handshake with 429, /close-N closes a socket with code N; any other answers with what the
server knew, and echoes messages.
"""

import asyncio
import contextlib
import json
import os
import socket as sockets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spot.processes.supervisor import READY
from spot.server import listening

FLOOD = "x" * 4_000_000
#: The floods that the server has taken from the application.
HANDED: list[str] = []
PREPARED = asyncio.Event()


def facts(scope: dict[str, Any]) -> str:
    names = ("path", "scheme", "client")
    known = {name: scope.get(name) for name in names}
    ours: dict[str, object] = {"draining": listening.draining.is_set(), "pid": os.getpid(), "handed": len(HANDED)}
    ours["prepared"] = PREPARED.is_set()
    return json.dumps({**known, "query": scope["query_string"].decode(), **ours})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await socket(scope, receive, send)
    else:
        await page(scope, receive, send)


async def page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/hang":
        await asyncio.sleep(3600)
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    if scope["path"].endswith("flood"):
        headers = [(b"content-type", b"text/event-stream")] if scope["path"] == "/events-flood" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await flood(send, {"type": "http.response.body", "body": FLOOD.encode(), "more_body": True})
    if scope["path"] == "/events":
        await events(scope, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": facts(scope).encode(), "more_body": False})


async def flood(send: Any, message: dict[str, Any]) -> None:
    """Send as much in half a second as the server takes, and then nothing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            for _ in range(50):
                await send(message)
                HANDED.append(message["type"])
    await asyncio.sleep(3600)


async def events(scope: dict[str, Any], send: Any) -> None:
    """Server-sent events as `spot.web.sse` writes them."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    if chunks := scope.get("extensions", {}).get("spot.chunks"):
        await chunks["open"]().gone.wait()
    await asyncio.sleep(3600)


async def socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/denied":
        assert "websocket.http.response" in scope["extensions"]
        headers = [(b"retry-after", b"7"), (b"content-type", b"application/json")]
        await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b'{"code": "no"}'})
        return
    await send({"type": "websocket.accept"})
    if scope["path"].startswith("/close-"):
        await send({"type": "websocket.close", "code": int(scope["path"].removeprefix("/close-"))})
        return
    if scope["path"] == "/flood":
        await flood(send, {"type": "websocket.send", "text": FLOOD})
    await send({"type": "websocket.send", "text": facts(scope)})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def prepare() -> None:
    """What an application does before it serves, which takes a moment."""
    await asyncio.sleep(0.3)
    PREPARED.set()


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("proxy", nargs="?")
    parser.add_argument("--fd", type=int)
    parser.add_argument("--ready", type=int)
    parser.add_argument("--broken", type=Path)
    options = parser.parse_args()
    if options.broken and options.broken.exists():
        sys.exit(3)
    if options.fd is None:
        listening.HEAD_SECONDS = listening.BODY_SECONDS = listening.ANSWER_SECONDS = 1
        listener = listening.listen("127.0.0.1", 0)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
    else:
        listener = sockets.socket(fileno=options.fd)
    wrapped: Any = ProxyHeadersMiddleware(application, "127.0.0.1") if options.proxy else application
    steps = listening.Steps(prepare, ready=lambda: options.ready and os.write(options.ready, READY) and None)
    listening.serve(options.server, wrapped, listener, steps)
