"""The product behind uvicorn or daphne in a process of its own, and an echo at /echo: `python -m … SERVER`."""

from __future__ import annotations

import sys
from typing import Any

from tests.served import serve


def with_echo(application: Any) -> Any:
    """The application, and a socket at /echo that sends back what it hears."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket" or scope["path"] != "/echo":
            await application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})

    return answer


if __name__ == "__main__":
    serve(sys.argv[1], with_echo)
