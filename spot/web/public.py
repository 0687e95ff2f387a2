"""Common to all public data over HTTP: which pages may read them (CORS), and how many requests a client may send.

The allowance is counted here for the request itself; what one question costs more is taken where that is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from spot.clients import limits
from spot.clients.book import book
from spot.clients.plans import Client
from spot.clients.usage import usage
from spot.codes import Refused
from spot.web.answers import Headers, Response
from spot.web.headers import EXPOSED
from spot_project import hosts

#: Refusals with which any of these paths may answer.
PUBLIC_ERRORS = (
    "too_many_requests", "overloaded", "body_refused", "bad_value", "bad_message", "bad_key", "key_revoked",
    "key_expired", "bad_ticket", "forbidden_origin", "forbidden_network", "too_many_attempts", "out_of_credits",
    "unavailable",
)  # fmt: skip
#: Headers that programs send along; a browser asks first whether it may.
_SENT = (
    b"Accept, Accept-Language, Authorization, Cache-Control, Content-Type, If-None-Match, "
    b"Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, Pragma, "
    b"X-API-Key, X-Requested-With"
)
#: For how long a browser need not ask again, in seconds; none takes more than two hours.
_REMEMBER_SECONDS = b"7200"


def listed(origin: str) -> bool:
    """Whether SPOT_ALLOWED_ORIGINS has the origin."""
    try:
        return hosts.origin(origin) in settings.SPOT_ALLOWED_ORIGINS
    except ValueError:
        return False


def has_key_for(origin: str, origins: frozenset[str]) -> bool:
    """Whether pages of that origin may show the key that has these origins."""
    try:
        return bool(origins) and bool(origins & {"*", hosts.origin(origin)})
    except ValueError:
        return False


def sharing_headers(origin: str | None, client: Client | None = None) -> Headers:
    """The headers that let a page of that origin read the answer: none unless the operator has allowed it, for all or
    for the client's key. `client` is None for what is said of no data: pages that may show any key may read it."""
    if not origin:
        return []
    origins = book.origins if client is None else client.origins
    if not listed(origin) and not has_key_for(origin, origins):
        return []
    return [
        (b"Access-Control-Allow-Origin", origin.encode("latin-1")),
        (b"Access-Control-Expose-Headers", EXPOSED),
    ]


def preflight(origin: str | None, methods: Sequence[str]) -> Response:
    """The answer to a browser that asks before it sends a header of the page's own, or a body."""
    allow = ", ".join((*methods, "OPTIONS")).encode()
    headers = [(b"Content-Type", b"text/html; charset=utf-8"), (b"Allow", allow)]
    if sharing := sharing_headers(origin):
        headers += [
            *sharing,
            (b"Access-Control-Allow-Methods", allow),
            (b"Access-Control-Allow-Headers", _SENT),
            (b"Access-Control-Max-Age", _REMEMBER_SECONDS),
        ]
    return Response(204, headers)


def charge(client: Client, cost: float) -> None:
    """Take the cost of a request from the client's allowance. Raises `Refused`."""
    if wait := limits.requests.spend(client, cost):
        whose = "from this address" if client.key is None else "with this key"
        raise Refused(
            "too_many_requests",
            f"Too many requests {whose}; try again in {wait} s. "
            f"At most {client.plan.requests_per_minute} a minute, and new questions count for several.",
            wait=wait,
        )
    if client.key is not None:
        usage.charge(client.key, cost)


def balance_headers(client: Client) -> Headers:
    """The client's allowance as headers; nothing where it has no limit."""
    balance = limits.requests.balance(client)
    if balance is None:
        return []
    return [
        (b"RateLimit-Limit", b"%d" % balance.limit),
        (b"RateLimit-Remaining", b"%d" % balance.remaining),
        (b"RateLimit-Reset", b"%d" % balance.reset),
    ]
