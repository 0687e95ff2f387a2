"""What all public data over HTTP have in common, as Django middleware: who may read them from another page (CORS), and
how many requests an address may send.

The allowance is counted here for the request itself; what one question costs more is taken where that is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

from spot.clients import limits
from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.documented import error
from spot.dialects.own import PREFIX
from spot.snapshots import now_ms
from spot.web.gate import listed

METHODS = "GET, HEAD, OPTIONS"
_PATHS = (f"/{PREFIX}/", "/status.json", "/currencies.json", "/coins.json")
_EXPOSED = (
    "ETag", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Content-Disposition",
    "X-Spot-Source", "X-Spot-Version", "X-Spot-As-Of", "X-Spot-Fetched-At", "X-Spot-Age-Ms", "X-Spot-Stale",
    "X-Spot-Simulated", "X-Spot-Total", "X-Spot-Missing",
)  # fmt: skip
#: What programs send along; a browser asks first whether it may.
_SENT = "Accept, Accept-Language, Cache-Control, Content-Type, If-None-Match, Pragma, X-Requested-With"
#: For how long a browser need not ask again, in seconds; none takes more than two hours.
_REMEMBER_SECONDS = 7200


def is_public(path: str) -> bool:
    """Whether the path is one of public data, which are shared with other pages and counted."""
    return path.startswith(_PATHS)


def sharing_headers(origin: str | None) -> dict[str, str]:
    """The headers that let a page of that origin read the answer: none unless the operator has allowed it."""
    if not origin or not listed(origin):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": ", ".join(_EXPOSED)}


def refusal(refused: Refused) -> HttpResponse:
    """A refusal as an HTTP answer: the same JSON as on a socket, and when to try again."""
    response = HttpResponse(error(refused), content_type="application/json", status=refused.fact.status)
    response["Cache-Control"] = "no-store"
    if (seconds := refused.retry_after(now_ms())) is not None:
        response["Retry-After"] = str(seconds)
    return response


def charge(client: Client, cost: float) -> None:
    """Take the cost of a request from the client's allowance. Raises `Refused`."""
    if wait := limits.requests.wait(client, cost):
        raise Refused(
            "too_many_requests",
            f"Too many requests from this address; try again in {wait} s. "
            f"At most {client.plan.requests_per_minute} a minute, and new questions count for several.",
            wait=wait,
        )
    limits.requests.take(client, cost)


@async_only_middleware
def middleware(get_response: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> object:
    """Share and count requests for public data; all others pass."""

    async def serve(request: HttpRequest) -> HttpResponse:
        if not is_public(request.path_info):
            return await get_response(request)
        if request.method == "OPTIONS":
            return _options(request)
        client: Client = request.scope["spot.client"]  # type: ignore[attr-defined]
        try:
            charge(client, 1)
            response = await get_response(request)
        except Refused as refused:
            response = refusal(refused)
        _tell_balance(response, client)
        return _share(request, response)

    return serve


def _options(request: HttpRequest) -> HttpResponse:
    """What a browser asks before it sends a header of the page's own."""
    response = HttpResponse(status=204, headers={"Allow": METHODS, "Content-Length": "0"})
    if sharing_headers(request.headers.get("Origin")):
        response["Access-Control-Allow-Methods"] = METHODS
        response["Access-Control-Allow-Headers"] = _SENT
        response["Access-Control-Max-Age"] = str(_REMEMBER_SECONDS)
    return _share(request, response)


def _share(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    for name, value in sharing_headers(request.headers.get("Origin")).items():
        response[name] = value
    patch_vary_headers(response, ["Origin"])
    return response


def _tell_balance(response: HttpResponse, client: Client) -> None:
    if balance := limits.requests.balance(client):
        response["RateLimit-Limit"] = str(balance.limit)
        response["RateLimit-Remaining"] = str(balance.remaining)
        response["RateLimit-Reset"] = str(balance.reset)
