"""Common to all public data over HTTP: which pages may read them (CORS), and how many requests a client may send.

The allowance is counted here for the request itself; what one question costs more is taken where that is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from spot.clients import limits
from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.own import PREFIX
from spot.web.answers import Headers, Response
from spot.web.documents import DOCUMENTS
from spot.web.gate import listed
from spot.web.headers import EXPOSED

_PATHS = (f"/{PREFIX}/", "/status.json", "/currencies.json", "/coins.json", *DOCUMENTS)
#: Refusals with which any of these paths may answer.
PUBLIC_ERRORS = ("too_many_requests", "overloaded", "body_refused")
#: Headers that programs send along; a browser asks first whether it may.
_SENT = b"Accept, Accept-Language, Cache-Control, Content-Type, If-None-Match, Pragma, X-Requested-With"
#: For how long a browser need not ask again, in seconds; none takes more than two hours.
_REMEMBER_SECONDS = b"7200"


def is_public(path: str) -> bool:
    """Whether the path is one of public data, which are shared with other pages and counted."""
    return path.startswith(_PATHS)


def sharing_headers(origin: str | None) -> Headers:
    """The headers that let a page of that origin read the answer: none unless the operator has allowed it."""
    if not origin or not listed(origin):
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
        raise Refused(
            "too_many_requests",
            f"Too many requests from this address; try again in {wait} s. "
            f"At most {client.plan.requests_per_minute} a minute, and new questions count for several.",
            wait=wait,
        )


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
