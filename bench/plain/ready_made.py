"""A bare ASGI application that gives answers which were made before: the whole one, or the one to `If-None-Match`."""

import json
import os
from pathlib import Path

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def _answer(status: int, headers: list[list[str]], body: str) -> Answer:
    return status, [(name.encode(), value.encode()) for name, value in headers], body.encode("latin-1")


#: By target: an answer, and that to who has it.
ANSWERS = {
    target.encode(): (_answer(*whole), _answer(*unchanged))
    for target, (whole, unchanged) in json.loads(Path(os.environ["BENCH_ANSWERS"]).read_text()).items()
}


async def application(scope, _receive, send) -> None:
    """Answer one request."""
    query = scope["query_string"]
    whole, unchanged = ANSWERS[scope["raw_path"] + b"?" + query if query else scope["raw_path"]]
    known = any(name == b"if-none-match" for name, _ in scope["headers"])
    status, headers, body = unchanged if known else whole
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
