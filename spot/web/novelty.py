"""The views that a client may have, through any door: whether its plan has the feed, and the cost in calls to
providers of data that nobody looks at yet. Each client may ask for so many of them an hour."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.conf import settings

from spot.clients import limits
from spot.clients.payments import payments
from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.feeds.view import View
from spot.hub.hub import Hub

#: The cost of each: a currency is polled for minutes, a chart is fetched once, coins are fetched together.
_CURRENCY, _BLOCK, _DATASET, _COIN = 10.0, 3.0, 1.0, 0.2


def check_channel(client: Client, view: View) -> None:
    """Raise `Refused` unless the client's plan has the view's feed."""
    channels = client.plan.channels
    if channels and view.feed.channel not in channels:
        allowed = ", ".join(sorted(channels))
        message = f"This plan does not have the feed {view.feed.channel}. It has: {allowed}."
        raise Refused("forbidden_channel", message, allowed=allowed)


@contextlib.contextmanager
def admitted(client: Client, view: View, dialect: Dialect) -> Iterator[None]:
    """Charge the client for what the view is the first to ask for; not when it does not exist. Raises `Refused`, also
    where `check_channel` does."""
    check_channel(client, view)
    hub = Hub.current()
    if (view.key, dialect) in hub.groups:
        yield
        return
    items = _items(hub, view)
    cost = sum(items.values())
    if wait := limits.novelties.wait(client, cost):
        raise Refused(
            "too_many_datasets",
            f"This address has asked for much that nobody else looks at; try again in {wait} s. Each currency, chart, "
            "topic or coin that is new here counts.",
            wait=wait,
        )
    limits.novelties.take(client, cost)
    payments.pay(client.id, items)
    try:
        yield
    except Refused as refused:
        if not refused.fact.retry:  # what does not exist costs no call
            limits.novelties.take(client, -cost)
            payments.pay_back(client.id, items)
        raise


def _items(hub: Hub, view: View) -> dict[str, float]:
    """The data that are new, and their cost."""
    items: dict[str, float] = {}
    for dataset in view.datasets:
        topic = hub.topics.get(dataset.name)
        if (topic is not None and topic.groups) or dataset.traits.daily:  # lists are fetched whoever asks
            continue
        if dataset.traits.coins and dataset.block == 1:
            items[f"currency {dataset.currency}"] = _CURRENCY
        else:
            items[dataset.name] = _BLOCK if dataset.traits.market else _DATASET
    if coins := _extra_coins(hub, view):  # one call brings them all
        items |= dict.fromkeys((f"coin {coin}" for coin in coins), max(_COIN, _DATASET / len(coins)))
    pinned = {f"currency {currency}" for currency in settings.SPOT_PINNED_CURRENCIES}
    pinned |= {f"coin {coin}" for coin in settings.SPOT_PINNED_COINS}
    return {item: cost for item, cost in items.items() if item not in pinned and not payments.is_paid(item)}


def _extra_coins(hub: Hub, view: View) -> list[str]:
    """Coins of a tape that are not in the market's snapshot, and that nobody else has asked for."""
    coins = view.params.get("coin_ids", ())
    markets, quotes = (hub.topics.get(dataset.name) for dataset in view.datasets) if coins else (None, None)
    if markets is None or markets.table is None:
        return []
    watched = quotes.coins(0) if quotes is not None else {}
    return [coin for coin in coins if coin not in markets.table.position() and coin not in watched]
