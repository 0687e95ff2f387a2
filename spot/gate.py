"""Who may open a socket: the origin check that stands before every feed. Pure ASGI, no session, no database."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host

log = structlog.get_logger(__name__)


def origin_allowed(origin: str | None, host: str, scheme: str, *, has_cookie: bool) -> bool:
    """Whether a page from `origin` may talk to us as `host`.

    A browser always sends its origin: it must be our own (same scheme, host and port) or listed in
    SPOT_ALLOWED_ORIGINS. Other clients send none, which is fine unless they carry a cookie: a session is only believed
    with its origin.
    """
    if origin is None:
        return not has_cookie
    allowed = settings.SPOT_ALLOWED_ORIGINS
    if origin in allowed or ("*" in allowed and settings.DEBUG):
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # a bracket that is never closed
        return False
    expected = "https" if scheme == "wss" or (settings.SPOT_HTTPS and settings.SPOT_TRUSTED_PROXIES) else "http"
    return parts.scheme == expected and parts.netloc.lower() == host.lower() != ""


def host_allowed(host: str) -> bool:
    """Whether the Host header names this site: a name that resolves here by an attacker's doing is not ours."""
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


class OriginGate:
    """ASGI middleware for WebSockets: a handshake from elsewhere gets HTTP 403 and costs nothing more."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the connection on, or refuse it."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        scheme = scope.get("scheme", "ws")
        if host_allowed(host) and origin_allowed(origin, host, scheme, has_cookie=b"cookie" in headers):
            await self.application(scope, receive, send)
            return
        log.info("socket refused", origin=(origin or "")[:200], host=host[:200])
        await receive()
        await send({"type": "websocket.close", "code": 4403})
