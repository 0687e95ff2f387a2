"""Single coins, for protocols whose clients follow each by itself: a view of one coin each. It has no path of its own.
Pure."""

from __future__ import annotations

from typing import Any

from providers.datasets import Dataset, Row
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.coins import coin_columns, coin_fields, coin_table
from spot.feeds.params import VS_CURRENCY, CoinIds, Param
from spot.query.jsontext import dumps
from spot.query.table import Table, Universe

_COLUMNS = (
    *coin_columns("symbol", "name", "price", "market_cap", "volume_24h"),
    *coin_columns("price_change_1h", "price_change_24h", "price_change_7d"),
    Column("as_of", "time", null=True),
    Column("stale", "boolean", null=True),
)
_READS = tuple({"as_of": "last_updated"}.get(column.name, column.name) for column in _COLUMNS)
_NAMES = tuple(column.name for column in _COLUMNS)


def _cells(row: Row, _place: int) -> dict[str, Any]:
    return {name: row[column] for name, column in zip(_NAMES, _READS, strict=True)}


_SHAPE = Shape(("price",), _READS, lambda values: dumps(dict(zip(_NAMES, values, strict=True))), None, _cells)


def _universe(table: Table, params: Params) -> Universe:
    return Universe.of_keys(table, params["coin_ids"])


PRICE = Feed(
    channel="price",
    purpose="single coins, each followed by itself",
    params=(Param("coin_ids", CoinIds(most=500), required=True), VS_CURRENCY),
    fields=coin_fields(),
    datasets=lambda params: (Dataset("markets", params["vs_currency"]), Dataset("quotes", params["vs_currency"])),
    universe=_universe,
    shape=lambda _params, _extras: _SHAPE,
    table=coin_table,
    columns=_COLUMNS,
)
