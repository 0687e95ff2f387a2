"""The whole lists of what providers have, for protocols that hand them out. None has a path of its own. Pure."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from providers.datasets import CATEGORIES, COINS, CURRENCIES, Dataset, Row
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.params import Choice, Param, Truth
from spot.query.jsontext import dumps
from spot.query.query import Field, Fields
from spot.query.table import Derived, Table, Universe

_BY_ID = Derived(("id",), itemgetter("id"))
_ID = Field("id", "id", "text")


def list_table(rows: Any) -> Table:
    """The table of a list's rows, found by id."""
    return Table(rows, "id", _BY_ID)


def _whole(table: Table, _params: Params) -> Universe:
    return Universe.of_all(table)


def _coin(row: Row) -> dict[str, Any]:
    platforms = {"platforms": row["platforms"] or {}} if "platforms" in row else {}
    return {"id": row["id"], "symbol": row["symbol"].lower(), "name": row["name"], **platforms}


def _coin_shape(params: Params, _extras: bool) -> Shape:
    reads = ("id", "symbol", "name", *(("platforms",) if params["platforms"] else ()))
    return Shape(
        ("coin-list", reads),
        reads,
        lambda values: dumps(_coin(dict(zip(reads, values, strict=True)))),
        None,
        lambda row, _place: _coin(row),
    )


#: A list of ids alone.
_IDS = Shape(("ids",), ("id",), lambda values: dumps(values[0]), None, lambda row, _place: row)

#: Every coin with its symbol in lower case, in the provider's order; with `platforms` the addresses by platform.
COIN_LIST = Feed(
    channel="coin-list",
    purpose="every coin there is",
    params=(Param("platforms", Truth(), False),),
    fields=Fields([_ID, Field("symbol", "symbol", "text"), Field("name", "name", "text")]),
    datasets=lambda _params: (COINS,),
    universe=_whole,
    shape=_coin_shape,
    table=list_table,
    columns=(*(Column(name, "text") for name in ("id", "symbol", "name")), Column("platforms", "json", optional=True)),
)
#: Every currency, in the provider's order.
CURRENCY_LIST = Feed(
    channel="currency-list",
    purpose="every currency there is",
    params=(),
    fields=Fields([_ID]),
    datasets=lambda _params: (CURRENCIES,),
    universe=_whole,
    shape=lambda _params, _extras: _IDS,
    table=list_table,
    columns=(Column("id", "text"),),
)
#: The coins in a category, by market cap: all of them, or the largest, as `total` in the meta of the facts tells.
MEMBER_LIST = Feed(
    channel="member-list",
    purpose="the coins in a category",
    params=(Param("category", Choice(tuple(CATEGORIES)), required=True),),
    fields=Fields([_ID]),
    datasets=lambda params: (Dataset("category", topic=params["category"]),),
    universe=_whole,
    shape=lambda _params, _extras: _IDS,
    table=list_table,
    columns=(Column("id", "text"),),
)
