"""The stream for measuring: its subscriptions stand in the address, and single coins have frames of equal length."""

from __future__ import annotations

from dataclasses import dataclass

from bench.coins import PRICE_BYTES, followed
from spot.dialects.base import Follow, Opening, Route, Subscribe
from spot.dialects.stream import Stream
from spot.dialects.values import Opened, Page, Value
from spot.feeds import MARKET
from spot.feeds.price import PRICE
from spot.feeds.view import view_of


@dataclass(frozen=True)
class Measured(Stream):
    """The stream without a welcome; blanks behind the frames of single coins."""

    def write(self, value: Value) -> bytes | None:
        """The stream's message."""
        payload = None if isinstance(value, Opened) else super().write(value)
        is_price = isinstance(value, Page) and value.answer.view.feed is PRICE
        return payload.ljust(PRICE_BYTES) if payload is not None and is_price else payload


def _market(query_string: bytes, _subprotocols: tuple[str, ...], depth: int) -> Opening:
    """`/stream?ID&…`: one subscription to the market, with that id."""
    number, _, query = query_string.decode().partition("&")
    params = dict(pair.split("=", 1) for pair in query.split("&"))
    view = view_of(MARKET, params, depth)
    return Opening(Measured(), (Follow((Subscribe(view.key, view, tag=int(number)),), tag=int(number)),))


def _prices(query_string: bytes, _subprotocols: tuple[str, ...], depth: int) -> Opening:
    """`/prices?CLIENT`: that client's coins, one subscription each."""
    views = [view_of(PRICE, {"coin_ids": name}, depth) for name in followed(int(query_string))]
    return Opening(Measured(), (Follow(tuple(Subscribe(view.key, view, tag=1) for view in views), tag=1),))


ROUTES = (Route("stream", _market, Measured()), Route("prices", _prices, Measured()))
