"""An ASGI application that says what the server made of a request.

`python -m tests.ops.probe_app uvicorn|daphne [proxy]` prints its port, then serves. The path decides: /hang never
answers, /denied refuses a handshake with 429, /close-N closes a socket with code N; any other answers with what the
server knew, and echoes messages.
"""

import asyncio
import json
import sys
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spot.server import listening


def facts(scope: dict[str, Any]) -> str:
    names = ("path", "scheme", "client")
    known = {name: scope.get(name) for name in names}
    return json.dumps({**known, "query": scope["query_string"].decode(), "draining": listening.draining.is_set()})


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
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": facts(scope).encode(), "more_body": False})


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
    await send({"type": "websocket.send", "text": facts(scope)})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


if __name__ == "__main__":
    server, *proxy = sys.argv[1:]
    listening.HEAD_SECONDS = listening.BODY_SECONDS = 1
    listener = listening.listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    listening.serve(server, ProxyHeadersMiddleware(application, "127.0.0.1") if proxy else application, listener)
