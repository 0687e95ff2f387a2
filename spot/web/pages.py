"""The HTML pages. They contain no data: the browser fills them from the feeds.

Where nobody is served without a key, pages with data are for staff who have signed in: each of their connections gets a
ticket, which takes the session and its CSRF token. While everybody is served, no page asks who has signed in.
"""

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from providers.datasets import CATEGORIES, is_coin_id
from spot.clients.book import book
from spot.clients.desk import Desk
from spot.clients.tickets import PAGE, SECONDS
from spot.codes import Refused
from spot.dialects.own import PREFIX
from spot.feeds import DUST_VOLUME_USD
from spot.feeds.namesakes import namesakes
from spot.hub.hub import Hub
from spot.hub.listed import Lists, is_listed

#: A page for an id that is a symbol suggests at most this many coins.
SUGGESTIONS = 8

#: The coins of the ticker tape for visitors without a list of their own.
TAPE = (
    "bitcoin", "ethereum", "tether", "ripple", "binancecoin", "solana", "usd-coin", "dogecoin", "tron", "cardano",
    "chainlink", "stellar", "litecoin", "avalanche-2", "polkadot", "shiba-inu", "monero", "near", "uniswap", "aptos",
)  # fmt: skip


#: The entry of `request.META` by which a template knows that its page needs tickets.
_NEEDS_TICKETS = "SPOT_NEEDS_TICKETS"


async def may_show_data(request: HttpRequest) -> bool:
    """Whether a page may show data to whoever asks for it. Has the page get tickets, where it needs some."""
    if not book.settled:
        await Desk.current().settle()
    if book.is_open:
        return True
    if not await _is_staff(request):
        return False
    request.META[_NEEDS_TICKETS] = True
    return True


async def _is_staff(request: HttpRequest) -> bool:
    user = await request.auser()
    return user.is_active and user.is_staff


def page(request: HttpRequest, template: str, facts: Mapping[str, object]) -> HttpResponse:
    """A page of this site. One that gets tickets is for one visitor, and in no cache."""
    response = render(request, template, dict(facts))
    if _NEEDS_TICKETS in request.META:
        response["Cache-Control"] = "private, no-store"
    return response


def _closed(request: HttpRequest) -> HttpResponse:
    response = render(request, "spot/closed.html", status=403)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
async def ticket(request: HttpRequest) -> HttpResponse:
    """A ticket for a page of this site that staff has opened. The middleware has checked the CSRF token."""
    if not await _is_staff(request):
        problem = {"code": "key_required", "message": "Nobody has signed in, or the sign-in has ended. Sign in again."}
        return JsonResponse(problem, status=401, headers=_UNSTORED)
    try:
        text = await Desk.current().issue(PAGE)
    except Refused as refused:
        problem = {"code": refused.code, "message": refused.message}
        return JsonResponse(problem, status=503, headers=_UNSTORED)
    return JsonResponse({"ticket": text, "expires_in": SECONDS}, headers=_UNSTORED)


_UNSTORED = {"Cache-Control": "no-store"}


@require_safe
async def dashboard(request: HttpRequest) -> HttpResponse:
    """The market on one page: tape, map, movers and table."""
    if not await may_show_data(request):
        return _closed(request)
    facts = {"tape": ",".join(TAPE), "floor": DUST_VOLUME_USD, "categories": ",".join(CATEGORIES.values())}
    return page(request, "spot/dashboard.html", facts)


@require_safe
async def coin(request: HttpRequest, coin_id: str) -> HttpResponse:
    """One coin: its price and its candles. 404 for an invalid id and for one that no list has; until the lists are
    known, the page is served and its feeds report an unknown coin."""
    if not is_coin_id(coin_id):
        raise Http404
    if coin_id != coin_id.lower():
        query = request.GET.urlencode()
        return redirect(reverse("coin", args=[coin_id.lower()]) + (f"?{query}" if query else ""), permanent=True)
    if not await may_show_data(request):
        return _closed(request)
    lists = Hub.current().lists
    if lists.coins is not None and not is_listed(coin_id, lists):
        suggestions = namesakes(coin_id, lists.coins, lists.markets)[:SUGGESTIONS]
        return render(request, "spot/no_coin.html", {"coin_id": coin_id, "suggestions": suggestions}, status=404)
    return page(request, "spot/coin.html", {"coin_id": coin_id, "name": _name(coin_id, lists)})


def _name(coin_id: str, lists: Lists) -> str:
    """The name of a coin by the first list that has it, else its id."""
    for table in (*lists.markets, lists.coins):
        if table is not None and coin_id in table.position():
            return str(table.column("name")[table.position()[coin_id]])
    return coin_id


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The sources and ages of the data, for visitors. The page reads them from `spot.web.status`."""
    return render(request, "spot/status.html")


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Crawlers may read the pages, not the feeds and the admin."""
    lines = ("User-agent: *", f"Disallow: /{PREFIX}/", "Disallow: /admin/", "Disallow: /status.json")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")


@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """The icon, for browsers that request it without reading a page."""
    return redirect(static("spot/icon.svg"))


@require_safe
def manifest(_request: HttpRequest) -> HttpResponse:
    """The web app manifest, for the home screens of phones."""
    facts = {
        "name": "Spot",
        "start_url": "/",
        "display": "standalone",
        "background_color": "#0a0c10",
        "theme_color": "#0a0c10",
        "icons": [
            {"src": static("spot/icon.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": static("spot/touch-icon.png"), "sizes": "180x180", "type": "image/png"},
        ],
    }
    return JsonResponse(facts, content_type="application/manifest+json")
