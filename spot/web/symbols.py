"""Coins by symbol, for protocols that name them so.

A symbol is no identity: several coins may have it. The largest by market cap is meant; of coins outside the market's
first block, whose caps are not compared, only one that has its symbol alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.conf import settings

from providers.datasets import Dataset
from spot.clients.plans import Client
from spot.dialects.documented import Documented
from spot.feeds import MARKET
from spot.feeds.namesakes import namesakes
from spot.feeds.view import view_of
from spot.hub.hub import Hub
from spot.query.table import Table
from spot.web.waiting import current

_MARKET = Dataset("markets", "usd")


async def coins_with(symbols: Iterable[str], client: Client) -> dict[str, str]:
    """The ids of the coins with these symbols, by symbol as given; a symbol that means no coin is left out. Waits for
    the market where nobody has looked at it yet. Raises `Refused` when there is none."""
    largest, others = _by_symbol(await _market(client)), Hub.current().lists.coins
    found = {}
    for symbol in symbols:
        folded = symbol.casefold()
        if (coin := largest.get(folded)) is None and others is not None:
            candidates = namesakes(folded, others)
            coin = candidates[0][0] if len(candidates) == 1 else None
        if coin is not None:
            found[symbol] = coin
    return found


async def _market(client: Client) -> Table:
    topic = Hub.current().topics.get(_MARKET.name)
    if topic is not None and topic.table is not None:
        return topic.table
    anybody = replace(client, plan=replace(client.plan, channels=frozenset()))  # its plan need not have the market
    update = await current(view_of(MARKET, {"page_size": 1}, settings.SPOT_DEPTH), Documented(), anybody)
    return update.answer.table


def _by_symbol(market: Table) -> dict[str, str]:
    """The largest coin of each symbol."""

    def make() -> dict[str, str]:
        found: dict[str, str] = {}
        for symbol, coin in zip(market.values("symbol"), market.keys, strict=True):
            if symbol:
                found.setdefault(symbol.casefold(), coin)
        return found

    return market.memo("largest by symbol", make)
