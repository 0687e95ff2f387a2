"""A bare ASGI application that gives answers which were made before: the whole one, or the one to `If-None-Match`."""

import json
import os
from pathlib import Path

(STATUS, _HEADERS, _BODY), (UNCHANGED, _OTHERS, _) = json.loads(Path(os.environ["BENCH_ANSWERS"]).read_text())
HEADERS, OTHERS = ([(name.encode(), value.encode()) for name, value in pairs] for pairs in (_HEADERS, _OTHERS))
BODY = _BODY.encode()


async def application(scope, _receive, send) -> None:
    """Answer one request."""
    if any(name == b"if-none-match" for name, _ in scope["headers"]):
        await send({"type": "http.response.start", "status": UNCHANGED, "headers": OTHERS})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.start", "status": STATUS, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
