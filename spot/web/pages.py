"""The HTML pages. They contain no data: the browser fills them from the feeds."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from providers.datasets import CATEGORIES, is_coin_id
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


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """The market on one page: tape, map, movers and table."""
    facts = {"tape": ",".join(TAPE), "floor": DUST_VOLUME_USD, "categories": ",".join(CATEGORIES.values())}
    return render(request, "spot/dashboard.html", facts)


@require_safe
async def coin(request: HttpRequest, coin_id: str) -> HttpResponse:
    """One coin: its price and its candles. 404 for an invalid id and for one that no list has; until the lists are
    known, the page is served and its feeds report an unknown coin."""
    if not is_coin_id(coin_id):
        raise Http404
    if coin_id != coin_id.lower():
        query = request.GET.urlencode()
        return redirect(reverse("coin", args=[coin_id.lower()]) + (f"?{query}" if query else ""), permanent=True)
    lists = Hub.current().lists
    if lists.coins is not None and not is_listed(coin_id, lists):
        suggestions = namesakes(coin_id, lists.coins, lists.markets)[:SUGGESTIONS]
        return render(request, "spot/no_coin.html", {"coin_id": coin_id, "suggestions": suggestions}, status=404)
    return render(request, "spot/coin.html", {"coin_id": coin_id, "name": _name(coin_id, lists)})


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
