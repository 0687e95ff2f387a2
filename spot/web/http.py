"""HTTP for programs: feeds, health, status and lookups are answered here, from what the hub has. Pages are Django's.

Pure ASGI, beside Django's request stack and not through it, which costs two milliseconds a request. The headers that
the stack adds to every answer are taken from it once, at the start. It still answers two kinds of request: those to a
host that is not ours, and those that must come again over HTTPS.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import structlog
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from spot import dialects
from spot.clients.plans import Client
from spot.clients.protocols import PREFIX as COMPAT
from spot.clients.usage import usage
from spot.codes import Refused
from spot.dialects.batch import MAX_REQUEST
from spot.dialects.interface import Channel, Operation
from spot.dialects.own import PREFIX
from spot.dialects.rest import Rest
from spot.dialects.sse import PATH as SSE
from spot.dialects.sse import SEVERAL, interface, operation
from spot.feeds import FEEDS
from spot.snapshots import now_ms
from spot.web import batch, compat, health, lookups, mcp, metrics, sse, status, twins
from spot.web.answers import Headers, Request, Response, refusal, write
from spot.web.bodies import DisconnectedError, read_body
from spot.web.documents import DOCUMENTS, Document
from spot.web.gate import is_local
from spot.web.identification import TICKET_OPERATION, ticket
from spot.web.public import PUBLIC_ERRORS, balance_headers, charge, preflight, sharing_headers

log = structlog.get_logger(__name__)

_READING = ("GET", "HEAD")


class Handler(NamedTuple):
    """The function that answers at a path, and the methods that it takes; None: any. `operation`: its interface, for
    the documents; None: it has nothing for programs."""

    answer: Callable[[Request], Awaitable[Response]]
    methods: tuple[str, ...] | None = _READING
    operation: Operation | None = None
    #: The largest body of a POST that it reads, in bytes.
    body_bytes: int = 0


#: Pictures of coins are below it, each by the coin's id.
_LOGOS = "/logo/"
_NO_FEED = Handler(twins.no_feed, methods=None)
#: Refusals with which a health check may answer.
_HEALTH_ERRORS = ("body_refused",)
_HEALTH = {
    "/healthz": Handler(health.healthz, ("GET", "HEAD", "OPTIONS"), health.HEALTHZ),
    "/readyz": Handler(health.readyz, ("GET", "HEAD", "OPTIONS"), health.READYZ),
}
_METRICS = Handler(metrics.answer)
_PUBLIC = {
    "/status.json": Handler(status.facts, operation=status.OPERATION),
    "/currencies.json": Handler(lookups.currencies, operation=lookups.CURRENCIES_OPERATION),
    "/coins.json": Handler(lookups.coins, operation=lookups.COINS_OPERATION),
    mcp.PATH: Handler(mcp.answer, methods=("POST",), operation=mcp.OPERATION, body_bytes=mcp.BODY_BYTES),
    f"/{PREFIX}/ticket": Handler(ticket, methods=("POST",), operation=TICKET_OPERATION),
}
#: The dialects in which refusals are told at the paths of sockets.
_SOCKETS = {f"/{_route.path}{_end}": _route.refusals for _route in dialects.routes() for _end in ("", "/")}
for _end in ("", "/"):
    for _feed in FEEDS.values():
        _PUBLIC[f"/{PREFIX}/{_feed.channel}{_end}"] = Handler(
            partial(twins.answer, _feed), operation=twins.operation(_feed)
        )
        _PUBLIC[f"/{SSE}/{_feed.channel}{_end}"] = Handler(partial(sse.one, _feed), operation=operation(_feed))
    _PUBLIC[f"/{PREFIX}/batch{_end}"] = Handler(batch.answer, ("POST",), batch.OPERATION, MAX_REQUEST)
    _PUBLIC[f"/{SEVERAL}{_end}"] = Handler(sse.several, operation=operation())
    for _route in dialects.routes():
        _PUBLIC[f"/{_route.path}{_end}"] = Handler(partial(twins.upgrade_required, _route.refusals), methods=None)


def operations() -> list[tuple[str, Operation]]:
    """The operations of all paths, for the documents."""
    return [
        (path, replace(operation, errors=tuple(dict.fromkeys((*operation.errors, *errors)))))
        for handlers, errors in ((_PUBLIC, PUBLIC_ERRORS), (_HEALTH, _HEALTH_ERRORS))
        for path, handler in handlers.items()
        if (operation := handler.operation) and not path.endswith("/")
    ]


def channels() -> list[Channel]:
    """The channels of all routes, for the documents."""
    return [*(route.interface() for route in dialects.routes() if route.interface), *interface()]


for _path, _kind in DOCUMENTS.items():
    _document = Document(_kind, operations, channels)
    _PUBLIC[_path] = Handler(_document.answer, operation=_document.operation)


def is_public(path: str) -> bool:
    """Whether the path is one of public data, which are shared with other pages and counted."""
    return path in _PUBLIC or path.startswith((f"/{PREFIX}/", COMPAT))


#: A request that has waited for so long, in seconds, ends when its client goes away.
_WATCHED_AFTER = 0.1


class Http:
    """ASGI application for HTTP: programs' requests, and in `pages` those for pages."""

    def __init__(self, pages: Any) -> None:
        self._pages = pages
        self._security = {scheme: _security_headers(scheme) for scheme in ("http", "https")}
        self._only_https = settings.SECURE_SSL_REDIRECT

    @staticmethod
    def body_bytes(method: str, path: str) -> int:
        """The largest body that is read of a request, in bytes."""
        if method != "POST":
            return 0
        route = _PUBLIC.get(path) or compat.rest_at(path)
        return route.body_bytes if route is not None else 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if (route := _HEALTH.get(path)) is not None:
            answer = await _asked(route, _request(scope))
            await _send(send, method, answer, self._security[scope["scheme"]])
        elif path == metrics.PATH:
            await _send(send, method, await self._measured(scope), self._security[scope["scheme"]])
        elif path.startswith(_LOGOS) and (coin := path.removeprefix(_LOGOS)) and "/" not in coin:
            await self._serve_free(Handler(partial(lookups.logo, coin)), scope, receive, send)
        elif not is_public(path):
            await self._pages(scope, receive, send)
        elif (rest := compat.rest_at(path)) is not None and (path not in _PUBLIC or method == "OPTIONS"):
            await self._serve_foreign(rest, scope, receive, send)
        elif method == "OPTIONS":
            methods = _PUBLIC.get(path, _NO_FEED).methods or _READING
            answer = preflight(_request(scope).header(b"origin"), methods)
            await _send(send, method, answer, [(b"Vary", answer.vary)])
        else:
            await self._serve_public(scope, receive, send)

    async def _measured(self, scope: dict[str, Any]) -> Response:
        """The metrics, to those who may read them; without a token only by a name of this site, which no page of
        another has."""
        request = _request(scope)
        if settings.SPOT_METRICS_TOKEN:
            return metrics.check_token(request) or await _asked(_METRICS, request)
        if is_local(scope.get("client"), request.headers) and _is_ours(request, scope):
            return await _asked(_METRICS, request)
        return metrics.NOT_FROM_HERE

    async def _serve_free(self, route: Handler, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Parts of the site's own pages: they cost nothing, and no other site reads them."""
        request = _request(scope)
        if self._is_for_pages(request, scope):
            await self._pages(scope, receive, send)
        elif (answer := await self._answer(route, request, scope, receive)) is not None:
            await _send(send, request.method, answer, self._security[scope["scheme"]])

    async def _serve_public(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Public data: paid for, and shared with other pages."""
        path, request = scope["path"], _request(scope)
        wrong: Refused | None = scope.get("spot.refused")
        sharing: Sequence[tuple[bytes, bytes]] = (
            compat.sharing(rest)  # of a vendor whose sockets are at this path
            if (rest := compat.rest_at(path)) is not None
            else sharing_headers(request.header(b"origin"), None if wrong else request.client)
        )
        try:
            if wrong is not None:
                raise wrong
            if request.client.key is not None:
                usage.request(request.client.key)
            charge(request.client, 1)
        except Refused as refused:
            refused_answer = refusal(refused)
            if (socket := _SOCKETS.get(path)) is not None:
                status, body = socket.http_refusal(refused, now_ms())
                refused_answer = refused_answer._replace(status=status, body=body)
            more = [*balance_headers(request.client), *sharing, (b"Vary", refused_answer.vary)]
            await write(send, refused_answer.status, [*refused_answer.headers, *more], refused_answer.body)
            return
        route = _PUBLIC.get(path) or (_NO_FEED if path.startswith((f"/{PREFIX}/", COMPAT)) else None)
        if route is None or self._is_for_pages(request, scope):
            await self._pages(scope, receive, _sharing(send, request.client, sharing))
            return
        answer = await self._answer(route, request, scope, receive)
        if answer is not None:
            more = [
                *self._security[scope["scheme"]],
                *balance_headers(request.client),
                *sharing,
                (b"Vary", answer.vary),
            ]
            if answer.stream is not None:
                await answer.stream.serve(scope, receive, send, [*answer.headers, *more])
                return
            if request.client.key is not None:
                usage.answer(request.client.key, len(answer.body))
            await _send(send, request.method, answer, more)

    async def _serve_foreign(self, rest: Rest, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Another vendor's protocol: paid for as all public data, shared with every page, refused in its words."""
        request = _request(scope)
        client, more = request.client, [*compat.sharing(rest)]
        if request.method == "OPTIONS":
            await _send(send, request.method, compat.preflight(rest), more)
            return
        if self._is_for_pages(request, scope):
            await self._pages(scope, receive, send)
            return
        try:
            if (wrong := scope.get("spot.refused")) is not None:
                raise wrong
            if client.key is not None:
                usage.request(client.key)
            charge(client, 1)
            handler = Handler(partial(compat.answer, rest, scope["path"]), methods=None)
            answer = await self._answer(handler, request, scope, receive, partial(compat.refusal, rest))
        except Refused as refused:
            answer = compat.refusal(rest, refused)
        if answer is not None:
            if client.key is not None:
                usage.answer(client.key, len(answer.body))
            more += [*self._security[scope["scheme"]], *balance_headers(client), (b"Vary", answer.vary)]
            await _send(send, request.method, answer, more)

    def _is_for_pages(self, request: Request, scope: dict[str, Any]) -> bool:
        """Whether Django answers: the request must come again over HTTPS, or is for another site."""
        return (self._only_https and scope["scheme"] != "https") or not _is_ours(request, scope)

    async def _answer(
        self,
        route: Handler,
        request: Request,
        scope: dict[str, Any],
        receive: Any,
        refuse: Callable[[Refused], Response] = refusal,
    ) -> Response | None:
        """The handler's answer, a refusal where it has none; None when the client has gone away."""
        answer: Response | None = None
        try:
            request.body = await read_body(receive, self.body_bytes(request.method, scope["path"]))
            with _until_gone(receive):
                answer = await _asked(route, request)
        except Refused as refused:
            answer = refuse(refused)
        except DisconnectedError:
            pass
        except Exception:  # with the headers of all others, or pages of other sites could not read it
            log.exception("request failed", path=scope["path"])
            answer = refuse(Refused("unavailable", "This site failed to answer; try again in a few seconds."))
        return answer


def _request(scope: dict[str, Any]) -> Request:
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers[name] = value if name not in headers else headers[name] + b"," + value
    client: Client = scope["spot.client"]
    return Request(scope["method"], scope["query_string"], headers, client)


async def _asked(route: Handler, request: Request) -> Response:
    if route.methods is not None and request.method not in route.methods:
        allow = ", ".join(route.methods).encode()
        return Response(405, [(b"Content-Type", b"text/html; charset=utf-8"), (b"Allow", allow)])
    return await route.answer(request)


async def _send(send: Any, method: str, answer: Response, more: Headers) -> None:
    headers = [*answer.headers, *more, (b"Content-Length", b"%d" % len(answer.body))]
    await write(send, answer.status, headers, b"" if method == "HEAD" else answer.body)


def _sharing(send: Any, client: Client, sharing: Sequence[tuple[bytes, bytes]]) -> Any:
    """Adds to an answer of Django's what all public answers have."""

    async def share(event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            vary = [value for name, value in event["headers"] if name.lower() == b"vary"]
            others = [(name, value) for name, value in event["headers"] if name.lower() != b"vary"]
            added = [(b"Vary", b", ".join([*vary, b"Origin"])), *balance_headers(client), *sharing]
            event = {**event, "headers": [*others, *added]}
        await send(event)

    return share


# --- what Django decides ----------------------------------------------------------------------------------------------


def _security_headers(scheme: str) -> Headers:
    """The headers that the site's middleware adds to every answer over that scheme."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "scheme": scheme}
    request, response = ASGIRequest(scope, io.BytesIO()), HttpResponse()
    for middleware in (SecurityMiddleware, CSPMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _request: response).process_response(request, response)
    del response["Content-Type"]
    return [(name.encode(), value.encode()) for name, value in response.items()]


def _is_ours(request: Request, scope: dict[str, Any]) -> bool:
    """Whether Django would take the request's host for one of this site's names."""
    host = request.header(b"host")
    if host is None:
        name, port = scope["server"]
        host = name if port == (443 if scope["scheme"] == "https" else 80) else f"{name}:{port}"
    return len(host) < 1000 and _is_allowed(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=1024)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    name, _port = split_domain_port(host)
    return bool(name) and validate_host(name, allowed)


# --- clients that go away ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _until_gone(receive: Any) -> Iterator[None]:
    """End what is done within when the client goes away meanwhile. Most of it is done before anybody looks."""
    task, watch = asyncio.current_task(), None
    assert task is not None

    async def look() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    def begin() -> None:
        nonlocal watch
        watch = asyncio.create_task(look())

    timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER, begin)
    try:
        yield
    except asyncio.CancelledError:
        if watch is None or not watch.done() or task.uncancel():
            raise
    finally:
        timer.cancel()
        if watch is not None:
            watch.cancel()
