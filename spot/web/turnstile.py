"""Bounds on HTTP requests in progress, before every path. Pure ASGI.

A request is counted from its head to the last byte of its answer that the server has taken, so that slow readers count.
Bodies are refused unread where no handler reads them. The pages of the admin use threads and the database, which
workers share: a few are served at a time, the next wait.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from spot.clients.limits import answering
from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.sse import PATH as SSE
from spot.server.listening import TAKEN
from spot.web import compat
from spot.web.answers import refusal, write
from spot.web.bodies import check_body
from spot.web.public import sharing_headers

#: Asked by supervisors and load balancers, which must be answered when all else is full.
_HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
_WITH_BODIES = "/admin/"
#: Counted as connections, and not as requests.
_STREAMS = f"/{SSE}/"
#: Requests for the admin that are served, each with a thread and a connection to the database, and that may wait.
_AT_A_TIME, _WAITING = 8, 32


class Turnstile:
    """ASGI middleware for HTTP. `is_public` tells paths of public data, `body_bytes` the largest body that is read, by
    method and path."""

    def __init__(
        self, application: Any, is_public: Callable[[str], bool], body_bytes: Callable[[str, str], int]
    ) -> None:
        self.application = application
        self._is_public = is_public
        self._body_bytes = body_bytes
        self._admin: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self._in_admin = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve the request, or refuse it."""
        client: Client = scope["spot.client"]
        try:
            self._check_body(scope)
            if counted := self._is_counted(scope):
                answering.enter(client)
        except Refused as refused:
            await _refuse(scope, send, refused)
            return
        try:
            if scope["path"].startswith(_WITH_BODIES):
                await self._serve_admin(scope, receive, send)
            else:
                await self.application(scope, receive, send)
        finally:
            if counted:
                taken = scope.get("extensions", {}).get(TAKEN)
                if taken is None:
                    answering.leave(client)
                else:
                    taken["then"](partial(answering.leave, client))

    def _check_body(self, scope: dict[str, Any]) -> None:
        """Refuse a body that nobody reads, or one too large. Raises `Refused`."""
        path, method = scope["path"], scope["method"]
        if not path.startswith(_WITH_BODIES) or method in ("GET", "HEAD", "OPTIONS"):
            check_body(dict(scope["headers"]), self._body_bytes(method, path))

    def _is_counted(self, scope: dict[str, Any]) -> bool:
        """Whether a request takes a place. A stream takes that of a connection. A browser's question before a request
        takes none: it is answered at once, and where it is refused, the page cannot read why."""
        path: str = scope["path"]
        is_question = scope["method"] == "OPTIONS" and self._is_public(path)
        return path not in _HEALTH and not path.startswith(_STREAMS) and not is_question

    async def _serve_admin(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._in_admin >= _AT_A_TIME + _WAITING:
            await _refuse(scope, send, Refused("overloaded", "Too many pages of the admin are asked for at once."))
            return
        self._in_admin += 1
        try:
            async with self._admin.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_A_TIME)):
                await self.application(scope, receive, send)
        finally:
            self._in_admin -= 1


async def _refuse(scope: dict[str, Any], send: Any, refused: Refused) -> None:
    if (rest := compat.rest_at(scope["path"])) is not None:
        answer, sharing = compat.refusal(rest, refused), [*compat.sharing(rest)]
    else:
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        answer, sharing = refusal(refused), sharing_headers(origin)
    headers = [
        *answer.headers,
        (b"Content-Length", b"%d" % len(answer.body)),
        (b"Connection", b"close"),  # what may still come of the request is not read
        (b"Vary", answer.vary),
        *sharing,
    ]
    await write(send, answer.status, [(name.lower(), value) for name, value in headers], answer.body)
