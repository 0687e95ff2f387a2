"""HTTP requests to the whole ASGI application, driven in this process: what a server would be told to send."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from spot_project import asgi
from tests.spot import contract

ADDRESS = "192.0.2.1"


class Response:
    """An answer: its status, its headers by name in any case, and the body as a client would read it."""

    def __init__(self, events: list[dict[str, Any]], method: str) -> None:
        start, *rest = events
        self.status_code: int = start["status"]
        self.headers: dict[str, str] = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        self._values = {name.lower(): value for name, value in self.headers.items()}
        assert len(self._values) == len(start["headers"]), "a header came twice"
        bare = method == "HEAD" or self.status_code in (204, 304)
        self.content = b"" if bare else b"".join(event.get("body", b"") for event in rest)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def get(self, name: str, default: str | None = None) -> str | None:
        """The header of that name."""
        return self._values.get(name.lower(), default)

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.content)


def scope_of(
    target: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    address: str = ADDRESS,
    scheme: str = "http",
    place: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request as a server hands it on; `target` is a path with its query string. `place` goes before what follows
    from that: a path may have a question mark of its own."""
    path, _, query = target.partition("?")
    named = {"host": "localhost"} | {name.lower(): value for name, value in (headers or {}).items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": scheme,
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        "client": (address, 50_000),
        "server": ("127.0.0.1", 8000),
        **(place or {}),
    }


async def ask(target: str, method: str = "GET", *, application: Any = None, body: bytes = b"", **more: Any) -> Response:
    """The answer to one request; `more` as in `scope_of`."""
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    events: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else await asyncio.Future()

    async def send(event: dict[str, Any]) -> None:
        events.append(event)

    if body:
        more["headers"] = {"content-length": str(len(body)), **(more.get("headers") or {})}
    scope = scope_of(target, method, **more)
    await (application or asgi.application)(scope, receive, send)
    response = Response(events, method.upper())
    if "Content-Encoding" not in response:
        kind = response.get("Content-Type") or ""
        contract.check_answer(scope["path"], scope["query_string"], response.status_code, kind, response.content)
    return response


def fresh_application() -> Any:
    """The application as a process makes it that starts with the present settings."""
    return importlib.reload(asgi).application
