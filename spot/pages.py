"""The pages that people look at. They hold no data: the browser fills them from the sockets."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from providers.datasets import is_coin_id
from spot.feeds import DUST_VOLUME_USD

#: What the ticker tape shows as long as the visitor has no list of their own: well-known coins by their ids.
TAPE = (
    "bitcoin", "ethereum", "tether", "ripple", "binancecoin", "solana", "usd-coin", "dogecoin", "tron", "cardano",
    "chainlink", "stellar", "litecoin", "avalanche-2", "polkadot", "shiba-inu", "monero", "near", "uniswap", "aptos",
)  # fmt: skip


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """The market on one page: tape, map, movers and table."""
    return render(request, "spot/dashboard.html", {"tape": ",".join(TAPE), "floor": DUST_VOLUME_USD})


@require_safe
def coin(request: HttpRequest, coin_id: str) -> HttpResponse:
    """One coin: its price and its candles. 404 for what cannot be an id; whether the coin exists the socket says."""
    if not is_coin_id(coin_id):
        raise Http404
    return render(request, "spot/coin.html", {"coin_id": coin_id})


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Where the data come from and how old they are, for visitors: `spot.status` has the facts."""
    return render(request, "spot/status.html")
