"""Coins chosen by id, by name or symbol, or by rank, for protocols that hand out rows; feeds without a path. Pure.

`chosen` makes a feed of a choice and a form of rows. The views of two such feeds must never be taken for equal, so the
name of the form is among their parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from providers.datasets import Dataset
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.coins import blocks, coin_fields, coin_table, ranked
from spot.feeds.params import VS_CURRENCY, CoinIds, Param, Schema
from spot.query.jsontext import dumps
from spot.query.table import Table, Universe

#: The most coins by id of one view.
MOST_IDS = 500


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a dialect has read already."""

    allowed = "as read"

    def parse(self, _name: str, raw: object) -> Any:
        """The value."""
        return raw

    def schema(self) -> Schema:
        """Anything."""
        return {}


class Named(NamedTuple):
    """Coins by the texts of a column, in lower case; `top`: of each only the largest."""

    column: str
    texts: tuple[str, ...]
    top: bool


@dataclass(frozen=True)
class Choice:
    """How coins are chosen: the parameters, the snapshots that are needed, and the rows of their table."""

    params: tuple[Param, ...]
    datasets: Callable[[Params], tuple[Dataset, ...]]
    universe: Callable[[Table, Params], Universe]


def _market(params: Params) -> tuple[Dataset, ...]:
    return (Dataset("markets", params["vs_currency"]),)


def _market_and_quotes(params: Params) -> tuple[Dataset, ...]:
    return Dataset("markets", params["vs_currency"]), Dataset("quotes", params["vs_currency"])


def _with_ids(table: Table, params: Params) -> Universe:
    return Universe.of_keys(table, params["coin_ids"])


def _with_names(table: Table, params: Params) -> Universe:
    named: Named = params["named"]
    places = table.memo(("places", named.column), lambda: _places(table, named.column))
    found = [places.get(text, [])[: 1 if named.top else None] for text in named.texts]
    return Universe(table, np.array(sorted({place for some in found for place in some}), dtype=np.intp))


def _places(table: Table, column: str) -> dict[str, list[int]]:
    """The rows of each text of a column; those of a market by its order, so that the largest coin comes first."""
    places: dict[str, list[int]] = {}
    for place, text in enumerate(table.folded(column)):
        if text is not None:
            places.setdefault(text, []).append(place)
    return places


#: By id: `coin_ids`, also of coins that the market does not show.
BY_ID = Choice((Param("coin_ids", CoinIds(MOST_IDS), required=True),), _market_and_quotes, _with_ids)
#: By name or symbol: `named`.
BY_NAME = Choice((Param("named", Given(), required=True),), _market, _with_names)
#: By market cap: `ranks`, the places from 0, the first and the one after the last.
BY_RANK = Choice(
    (Param("ranks", Given(), required=True),),
    lambda params: blocks(params["vs_currency"], *params["ranks"]),
    lambda table, params: ranked(table, *params["ranks"]),
)
#: The largest coins, a block of them.
LARGEST = Choice((), _market, lambda table, _params: Universe.of_all(table))


def chosen(name: str, channel: str, shape: Callable[[Params, bool], Shape], choice: Choice, *more: Param) -> Feed:
    """The feed of a choice of coins, in rows of the form `name`. `channel`: the feed that a plan must have for it;
    `more`: parameters of the form."""
    return Feed(
        channel=channel,
        purpose="chosen coins in the rows of another protocol",
        params=(VS_CURRENCY, *choice.params, *more, Param("form_of", Given(), name)),
        fields=coin_fields(),
        datasets=choice.datasets,
        universe=choice.universe,
        shape=shape,
        table=coin_table,
        columns=(Column("row", "json"),),
    )


_IDS = Shape(("chosen ids",), ("id",), lambda values: dumps(values[0]), None, lambda row, _place: row)


def _ids(_params: Params, _extras: bool) -> Shape:
    return _IDS


#: Coins without rows of their own, for answers that are made of the table's columns.
COINS_BY_ID, COINS_BY_NAME, COINS_BY_RANK, LARGEST_COINS = (
    chosen("ids", "market", _ids, choice) for choice in (BY_ID, BY_NAME, BY_RANK, LARGEST)
)
