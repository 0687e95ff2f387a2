"""CoinMarketCap's and CoinGecko's sockets for measuring: a client's coins stand in the address, and frames have equal
lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from bench.coins import CABLE_BYTES, LATEST_BYTES, NAMES, followed
from spot.dialects.base import Follow, Opening, Route, Subscribe
from spot.dialects.coingecko import stream as coingecko
from spot.dialects.coinmarketcap import stream as coinmarketcap
from spot.dialects.prices import Prices
from spot.dialects.values import Page, Value
from spot.feeds.view import view_of


@dataclass(frozen=True)
class Latest(coinmarketcap.LatestPrice):
    """CoinMarketCap's, without a welcome and acknowledgements; blanks behind prices."""

    def write(self, value: Value) -> bytes | None:
        """The price."""
        payload = super().write(value) if isinstance(value, Page) else None
        return payload and payload.ljust(LATEST_BYTES)


@dataclass(frozen=True)
class Cable(coingecko.SimplePrice):
    """CoinGecko's, without a welcome and pings; blanks behind prices."""

    heartbeat_seconds: ClassVar[float] = 0

    def write(self, value: Value) -> bytes | None:
        """The price."""
        payload = super().write(value) if isinstance(value, Page) else None
        return payload and payload.ljust(CABLE_BYTES)


def _latest(client: int) -> Iterator[Subscribe]:
    for name in followed(client):
        number = 1 + NAMES.index(name)
        yield Subscribe(number, view_of(coinmarketcap.FEED, {"coin_ids": name, "crypto_id": number}, 0))


def _cable(client: int) -> Iterator[Subscribe]:
    for name in followed(client):
        yield Subscribe(name, view_of(coingecko.FEED, {"coin_ids": name}, 0))


def _route(path: str, dialect: Prices, wishes: Callable[[int], Iterator[Subscribe]]) -> Route:
    return Route(path, lambda query, *_: Opening(dialect, (Follow(tuple(wishes(int(query)))),)), dialect)


ROUTES = (_route("coinmarketcap", Latest(), _latest), _route("coingecko", Cable(), _cable))
