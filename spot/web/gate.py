"""The door before everything: who is asking, one spelling of host and origin, health checks by any name, and which
origins may open a socket.

Pure ASGI, no session, no database. Nothing behind the door looks at addresses or headers to find out who asks.
Browsers, proxies and health checkers write hosts in ways of their own, all brought into one spelling here, so that
nothing behind the door compares texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.http.request import validate_host

from spot.clients.plans import Client
from spot.web.identification import identified
from spot.web.public import has_key_for, listed
from spot_project import hosts, logs

log = structlog.get_logger(__name__)

#: Paths that machines ask by an address, by the name of a service, or without any name. They tell nothing of the site.
HEALTH_PATHS = ("/healthz", "/readyz")
#: Headers of which any proxy sends one.
_FORWARDED = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}


def own_authority(host: str, scheme: str) -> str:
    """The `Host` header in the spelling of a browser at that page. ValueError when it is none.

    Where a proxy ends TLS, `:80` is the port on which the proxy listens behind it, and not part of the page's address.
    """
    name = hosts.authority(host, scheme)
    return name.removesuffix(":80") if scheme == "https" else name


def page_scheme(scheme: str) -> str:
    """The scheme of the site's own pages, by the scheme of a request."""
    return "https" if scheme in ("https", "wss") or (settings.SPOT_HTTPS and settings.SPOT_TRUSTED_PROXIES) else "http"


def origin_allowed(origin: str | None, host: str, scheme: str, *, has_cookie: bool) -> bool:
    """Whether a page from `origin` may talk to us as `host`.

    A browser always sends its origin: it must be our own (same scheme, host and port) or listed in
    SPOT_ALLOWED_ORIGINS. Other clients send none, which is fine unless they carry a cookie: a session is only believed
    with its origin.
    """
    if origin is None:
        return not has_cookie
    if listed(origin) or ("*" in settings.SPOT_ALLOWED_ORIGINS and settings.DEBUG):
        return True
    expected = page_scheme(scheme)
    try:
        return hosts.origin(origin) == f"{expected}://{own_authority(host, expected)}"
    except ValueError:
        return False


def host_allowed(host: str) -> bool:
    """Whether the Host header names this site: a name that resolves here by an attacker's doing is not ours."""
    try:
        name, _port = hosts.split(host)
    except ValueError:
        return False
    return validate_host(name, settings.ALLOWED_HOSTS)


class Door:
    """ASGI middleware for all requests. `is_public` tells paths of public data."""

    def __init__(self, application: Any, is_public: Callable[[str], bool]) -> None:
        self.application = application
        self._is_public = is_public

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on, with host and origin in one spelling, and with its client as `scope["spot.client"]`."""
        if scope["type"] == "http" and settings.DEBUG and not is_local(scope["client"], dict(scope["headers"])):
            await _refuse_stranger(send)
        elif scope["type"] in ("http", "websocket"):
            headers = _spelled(scope)
            logs.serve(scope)  # what is logged of a wrong key
            known = await identified(scope, dict(headers), self._is_public)
            scope = {**scope, "headers": headers, **known}
            logs.serve(scope)
            await self.application(scope, receive, send)
        else:
            await self.application(scope, receive, send)


def _spelled(scope: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if scope["type"] == "http" and scope["path"] in HEALTH_PATHS:
        return [(name, value) for name, value in headers if name != b"host"] + [(b"host", b"localhost")]
    scheme = page_scheme(scope.get("scheme", "http"))
    texts = dict(headers)
    host, origin = texts.get(b"host", b""), texts.get(b"origin")
    own = _own_host(host, scheme) if len(host) <= _LONGEST_HOST else None
    if own is None:
        return headers  # refused by name further inside
    spelled = {}
    if own != host:
        spelled[b"host"] = own
    if origin is not None and _is_own(origin, f"{scheme}://{own.decode()}"):
        spelled[b"origin"] = f"{scheme}://{own.decode()}".encode()
    return [(name, spelled.get(name, value)) for name, value in headers] if spelled else headers


_LONGEST_HOST = 1024


@lru_cache(maxsize=256)
def _own_host(host: bytes, scheme: str) -> bytes | None:
    """The host in our spelling; None when it is none."""
    try:
        return own_authority(host.decode("utf-8"), scheme).encode()
    except ValueError:
        return None


def _is_own(origin: bytes, own: str) -> bool:
    try:
        return hosts.origin(origin.decode("utf-8")) == own
    except ValueError:
        return False


def is_local(client: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request was sent on this machine, by no proxy: Django's debug pages show settings, and metrics the
    site's inside."""
    return client is not None and hosts.is_loopback(client[0]) and not _FORWARDED & headers.keys()


async def _refuse_stranger(send: Any) -> None:
    body = b"SPOT_DEBUG is on: this site answers only to its own machine, and to no proxy.\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class OriginGate:
    """ASGI middleware for WebSockets: a handshake from elsewhere gets HTTP 403 and costs nothing more, unless its key
    is for pages from there."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the connection on, or refuse it."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        scheme = scope.get("scheme", "ws")
        client: Client | None = scope.get("spot.client")
        allowed = (
            "spot.refused" in scope  # told so further inside, in words
            or origin_allowed(origin, host, scheme, has_cookie=b"cookie" in headers)
            or (client is not None and origin is not None and has_key_for(origin, client.origins))
        )
        if host_allowed(host) and allowed:
            await self.application(scope, receive, send)
            return
        log.info("socket refused", origin=(origin or "")[:200], host=host[:200])
        await receive()
        await send({"type": "websocket.close", "code": 4403})
