"""The feeds of movers: top gainers, top losers and most traded coins. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from providers.datasets import Dataset
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.coins import (
    COIN_META,
    EXTRAS,
    changes_on_demand,
    coin_columns,
    coin_fields,
    coin_table,
    dict_shape,
)
from spot.feeds.params import SOME_WINDOWS, VS_CURRENCY, Amount, Param, Whole
from spot.query.query import Field
from spot.query.table import Derived, Mask, Table, Universe

#: The default minimum of 24 h volume for gainers and losers, in US dollars: changes below it are noise.
DUST_VOLUME_USD = 50_000


_STATS = ("name", "logo", "symbol", "price", "market_cap", "volume_24h")


def _mover_shape(params: Params, extras: bool) -> Shape:
    windows = params["price_change_percentage"]
    changes = tuple(f"price_change_{window}" for window in windows)
    return dict_shape(("mover", windows), Derived(_STATS + changes, dict), extras, ranked=True)


def dust_volume(table: Table) -> float:
    """The default minimum of 24 h volume in the table's currency. The exchange rate is the price of the largest dollar
    coin; 0 without it."""
    index = table.position().get("tether")
    price = None if index is None else table.column("price")[index]
    return DUST_VOLUME_USD * price if price else 0.0


def _ranked(
    column: Callable[[Params], str], moved: Callable[[Any], Mask], *, descending: bool, floor: bool
) -> Callable[[Table, Params], Universe]:
    """The universe of a ranking by a column: the rows for which `moved` is true, such as a gain."""

    def universe(table: Table, params: Params) -> Universe:
        order = table.order(column(params), text=False, descending=descending)
        given = params["min_volume"]
        least = (dust_volume(table) if floor else 0.0) if given is None else given
        big_enough = _at_least(table, "volume_24h", least) & _at_least(table, "market_cap", params["min_market_cap"])
        ranked = moved(table.numbers(column(params))) & big_enough
        return Universe(table, order[ranked[order]][: params["per_page"]])

    return universe


def _at_least(table: Table, column: str, least: float) -> Any:
    return table.numbers(column) >= least if least else np.ones(len(table), np.bool_)


def _mover(
    channel: str,
    purpose: str,
    column: Callable[[Params], str],
    moved: Callable[[Any], Mask],
    *,
    descending: bool,
    floor: bool,
) -> Feed:
    least = f"{DUST_VOLUME_USD:,} US dollars' worth" if floor else "0"
    return Feed(
        channel=channel,
        purpose=purpose,
        params=(
            VS_CURRENCY,
            Param("per_page", Whole(1, 250, "coins"), 10),
            Param("price_change_percentage", SOME_WINDOWS, ("24h",)),
            Param("min_volume", Amount(), None, f"least 24 h volume, in vs_currency; {least} unless given"),
            Param("min_market_cap", Amount(), 0.0, "least market cap, in vs_currency"),
        ),
        fields=coin_fields(Field("rank", "", "position", ("row",))),
        datasets=lambda params: (Dataset("markets", params["vs_currency"]),),
        universe=_ranked(column, moved, descending=descending, floor=floor),
        shape=_mover_shape,
        table=coin_table,
        columns=(Column("rank", "integer"), *coin_columns(*_STATS), *changes_on_demand()),
        extras=(*EXTRAS, Column("last_updated", "time", null=True)),
        meta=COIN_META,
    )


def _first_window(params: Params) -> str:
    return f"price_change_{params['price_change_percentage'][0]}"


# NaN, a missing value, is neither above nor below zero.
GAINERS = _mover(
    "top-gainers",
    "coins that gained most over the first window asked for",
    _first_window,
    lambda changes: changes > 0,
    descending=True,
    floor=True,
)
LOSERS = _mover(
    "top-losers",
    "coins that lost most over the first window asked for",
    _first_window,
    lambda changes: changes < 0,
    descending=False,
    floor=True,
)
ACTIVE = _mover(
    "most-active",
    "coins by 24 h volume",
    lambda _params: "volume_24h",
    lambda volumes: ~np.isnan(volumes),
    descending=True,
    floor=False,
)
