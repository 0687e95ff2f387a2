"""The table of feeds: the data, parameters and row shapes of each. Pure.

One `Feed` is one declaration; its routes, validation, HTTP twin, documentation row and contract tests follow from it.
The row shapes of the first seven are exactly those of the source document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.datasets import Kind, Row
from spot.codes import Refused, bad_value
from spot.feeds.base import Feed, Shape
from spot.feeds.candles import OHLCV, candle_range, candle_table
from spot.feeds.coins import HEATMAP, MARKET, TAPE, coin_table
from spot.feeds.events import LISTINGS_FEED, ONCHAIN, listing_table, onchain_table
from spot.feeds.lists import list_table
from spot.feeds.movers import ACTIVE, DUST_VOLUME_USD, GAINERS, LOSERS
from spot.query.table import Table

__all__ = [
    "ACTIVE", "DUST_VOLUME_USD", "FEEDS", "GAINERS", "HEATMAP", "LISTINGS_FEED", "LOSERS", "MARKET", "OHLCV", "ONCHAIN",
    "TAPE", "Feed", "Shape", "candle_range", "coin_table", "parse_params", "table_of",
]  # fmt: skip

_ALL = (MARKET, HEATMAP, TAPE, GAINERS, LOSERS, ACTIVE, OHLCV, LISTINGS_FEED, ONCHAIN)
FEEDS: dict[str, Feed] = {feed.channel: feed for feed in _ALL}

#: The tables of kinds of dataset; other kinds have coins.
_TABLES: dict[Kind, Callable[[Sequence[Row]], Table]] = {
    "candles": candle_table,
    "listings": listing_table,
    "onchain": onchain_table,
    "currencies": list_table,
    "coins": list_table,
    "category": list_table,
    "document": list_table,
}


def table_of(kind: Kind, rows: Sequence[Row]) -> Table:
    """The table of a dataset of that kind."""
    return _TABLES.get(kind, coin_table)(rows)


def parse_params(feed: Feed, raw: Mapping[str, object], depth: int) -> dict[str, Any]:
    """The upstream parameters of a feed from a client's values, with defaults. Raises `Refused`.

    `depth` is the number of coins by market cap that heatmap pages may reach.
    """
    params = {}
    for param in feed.params:
        value = raw.get(param.name)
        if value is not None:
            params[param.name] = param.parse(value)
        elif param.required:
            raise Refused("missing_field", f"{param.name} is required: {param.allowed}.", param.name, param.allowed)
        else:
            params[param.name] = param.default
    if feed.own_page:
        if raw.get("page_size") is not None:
            params["page"] = 1
        last = max(1, depth // params["per_page"])
        if depth and params["page"] > last:
            raise bad_value(
                "page",
                f"1 to {last} with per_page={params['per_page']}: the market reaches {depth} coins here",
                params["page"],
            )
    return params
