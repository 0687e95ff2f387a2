"""Protocols of other vendors for single coins: the feed in their form, and which of its pages are sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from spot.dialects.base import Dialect
from spot.dialects.values import Page
from spot.feeds.base import Feed, Shape
from spot.feeds.params import Param
from spot.feeds.price import PRICE
from spot.query.jsontext import dumps

Fields = dict[str, Any]


def price_feed(
    name: str, reads: Sequence[str], fields: Callable[[tuple[Any, ...]], Fields], params: Sequence[Param] = ()
) -> Feed:
    """Single coins with the fields that `fields` makes of the columns `reads`, the price first. `name` tells their form
    from others; `params` are further ones of their views."""
    reads = tuple(reads)
    shape = Shape(
        (name,),
        reads,
        lambda values: dumps(fields(values)),
        None,
        lambda row, _place: fields(tuple(row[column] for column in reads)),
    )
    return replace(PRICE, params=(*PRICE.params, *params), shape=lambda _params, _extras: shape)


def coin_fields(page: Page) -> bytes:
    """The fields of a page's only row, as JSON without braces."""
    return page.answer.data[2:-2]


def doubts(page: Page) -> Fields:
    """Fields that no client of those protocols knows, and that stand only where they are true."""
    return {name: True for name, true in (("simulated", page.facts.simulated), ("stale", page.stale)) if true}


class Prices(Dialect):
    """A protocol of single coins. A coin without a price is not shown. Values that stay the same are sent again after
    `repeat_ms`, once there is a newer snapshot: its clients take a long silence for a broken connection."""

    numbered: ClassVar[bool] = True
    repeat_ms: ClassVar[int] = 15_000
    #: What the fields of a coin without a price begin with.
    no_price: ClassVar[bytes] = b'"p":null'

    def shows(self, page: Page) -> bool:
        """Whether there is a price, of feeds of prices."""
        if page.answer.view.feed.channel != PRICE.channel:
            return True
        fields = coin_fields(page)
        return bool(fields) and not fields.startswith(self.no_price)

    def same(self, before: Page, page: Page) -> bool:
        """Whether values and doubts are the same, and were sent lately."""
        alike = before.answer.data == page.answer.data and doubts(before) == doubts(page)
        return alike and page.now_ms - before.now_ms < self.repeat_ms
