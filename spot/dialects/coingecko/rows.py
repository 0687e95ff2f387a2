"""Rows of coins as CoinGecko writes them, as feeds without a path of their own. Pure.

Prices have the digits that the provider gave them; `precision` rounds them further. Changes that upstream gives and
rows do not hold follow from those that they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from providers.datasets import BLOCK, Dataset
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.coins import coin_fields, coin_table
from spot.feeds.params import VS_CURRENCY, CoinIds, Param, Schema
from spot.query.jsontext import dumps
from spot.query.table import Table, Universe

#: The most coins by id of one view.
MOST_IDS = 500


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that the dialect has read already."""

    allowed = "as read"

    def parse(self, _name: str, raw: object) -> Any:
        """The value."""
        return raw

    def schema(self) -> Schema:
        """Anything."""
        return {}


class Form(NamedTuple):
    """How rows are written: decimals of prices (None: as they are), price-change windows, and the extras by name."""

    precision: int | None = None
    windows: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


class Named(NamedTuple):
    """Coins by symbol or name, in lower case; `top`: of each only the largest."""

    column: str
    texts: tuple[str, ...]
    top: bool


_FORM = Param("form", _Given(), Form())


def rounded(value: float | None, decimals: int | None) -> float | None:
    """A price with at most so many decimals."""
    return value if value is None or decimals is None else round(value, decimals)


def iso(at_ms: int | None) -> str | None:
    """A time as CoinGecko writes it."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- /simple/price ----------------------------------------------------------------------------------------------------

#: The fields that a switch adds: the ending of their names, and the column.
EXTRAS = {
    "include_market_cap": ("_market_cap", "market_cap"),
    "include_24hr_vol": ("_24h_vol", "volume_24h"),
    "include_24hr_change": ("_24h_change", "price_change_24h"),
}


def _price_shape(params: Params, _extras: bool) -> Shape:
    """The fields of one currency, without the braces around them, since a coin has those of several."""
    form: Form = params["form"]
    currency = params["vs_currency"]
    chosen = [EXTRAS[name] for name in form.extras if name in EXTRAS]
    names = (currency, *(currency + ending for ending, _column in chosen))
    reads = ("price", *(column for _ending, column in chosen))

    def encode(values: tuple[Any, ...]) -> bytes:
        return dumps(dict(zip(names, (rounded(values[0], form.precision), *values[1:]), strict=True)))[1:-1]

    return Shape(("coingecko price", names, form.precision), reads, encode, None, lambda row, _place: row)


# --- /coins/markets ---------------------------------------------------------------------------------------------------

_BEFORE_CHART = (
    "id", "symbol", "name", "logo", "price", "market_cap", "market_cap_rank", "fully_diluted_valuation", "volume_24h",
    "high_24h", "low_24h", "price_difference_24h", "price_change_24h", "market_cap_change_24h",
    "market_cap_change_percentage_24h", "circulating_supply", "total_supply", "max_supply", "ath",
    "ath_change_percentage", "ath_date", "atl", "atl_change_percentage", "atl_date", "roi", "last_updated",
)  # fmt: skip


def _first(given: float | None, derived: float | None) -> float | None:
    return derived if given is None else given


def _change(now: float | None, percent: float | None) -> float | None:
    """The absolute change that has led to a value by so many percent."""
    if now is None or percent is None or percent <= -100:
        return None
    change = now - now / (1 + percent / 100)
    return round(change, 2 if abs(change) >= 1 else 8 if abs(change) >= 1e-3 else 16)


def _since(now: float | None, record: float | None) -> float | None:
    """The distance of a price from a record, in percent."""
    return None if now is None or not record else round((now - record) / record * 100, 5)


def market_row(row: Mapping[str, Any], precision: int | None = None) -> dict[str, Any]:
    """A row of `/coins/markets` without what is there on demand."""
    price, day = row["price"], row["price_change_24h"]

    def digits(value: float | None) -> float | None:
        return rounded(value, precision)

    return {
        "id": row["id"],
        "symbol": row["symbol"].lower(),
        "name": row["name"],
        "image": row["logo"] or "",
        "current_price": digits(price),
        "market_cap": row["market_cap"],
        "market_cap_rank": row["market_cap_rank"],
        "fully_diluted_valuation": row["fully_diluted_valuation"],
        "total_volume": row["volume_24h"],
        "high_24h": digits(row["high_24h"]),
        "low_24h": digits(row["low_24h"]),
        "price_change_24h": digits(_first(row["price_difference_24h"], _change(price, day))),
        "price_change_percentage_24h": day,
        "market_cap_change_24h": row["market_cap_change_24h"],
        "market_cap_change_percentage_24h": row["market_cap_change_percentage_24h"],
        "circulating_supply": row["circulating_supply"],
        "total_supply": row["total_supply"],
        "max_supply": row["max_supply"],
        "ath": digits(row["ath"]),
        "ath_change_percentage": _first(row["ath_change_percentage"], _since(price, row["ath"])),
        "ath_date": iso(row["ath_date"]),
        "atl": digits(row["atl"]),
        "atl_change_percentage": _first(row["atl_change_percentage"], _since(price, row["atl"])),
        "atl_date": iso(row["atl_date"]),
        "roi": row["roi"],
        "last_updated": iso(row["last_updated"]),
    }


def _market_shape(params: Params, _extras: bool) -> Shape:
    form: Form = params["form"]
    chart = "sparkline" in form.extras
    changes = tuple(f"price_change_{window}" for window in form.windows)
    reads = (*_BEFORE_CHART, *changes, *(("sparkline",) if chart else ()))
    written = tuple(f"price_change_percentage_{window}_in_currency".encode() for window in form.windows)

    def encode(values: tuple[Any, ...]) -> bytes:
        row = dict(zip(reads, values, strict=True))
        parts = [dumps(market_row(row, form.precision))[:-1]]
        if chart:
            parts += [b',"sparkline_in_7d":{"price":', _chart(row["sparkline"]), b"}"]
        parts += [b',"%b":%b' % (name, dumps(row[column])) for name, column in zip(written, changes, strict=True)]
        return b"".join((*parts, b"}"))

    return Shape(("coingecko market", form), reads, encode, None, lambda row, _place: row)


def _chart(points: Any) -> bytes:
    return str(points).encode() if isinstance(points, str) else dumps(points or [])


# --- which coins ------------------------------------------------------------------------------------------------------


def _by_id(table: Table, params: Params) -> Universe:
    position = table.position()
    return Universe(table, np.array([position[coin] for coin in params["coin_ids"] if coin in position], dtype=np.intp))


def _by_name(table: Table, params: Params) -> Universe:
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


def _blocks(params: Params) -> tuple[Dataset, ...]:
    start, end = params["ranks"]
    blocks = range(start // BLOCK + 1, (end - 1) // BLOCK + 2)
    return tuple(Dataset("markets", params["vs_currency"], block=block) for block in blocks)


def _by_rank(table: Table, params: Params) -> Universe:
    start, end = params["ranks"]
    before = start // BLOCK * BLOCK
    return Universe(table, np.arange(start - before, max(start - before, min(end - before, len(table))), dtype=np.intp))


def _feed(
    channel: str,
    shape: Callable[[Params, bool], Shape],
    chosen: tuple[Param, ...],
    datasets: Callable[[Params], tuple[Dataset, ...]],
    universe: Callable[[Table, Params], Universe],
) -> Feed:
    return Feed(
        channel=channel,
        purpose="coins as CoinGecko writes them",
        params=(VS_CURRENCY, *chosen, _FORM),
        fields=coin_fields(),
        datasets=datasets,
        universe=universe,
        shape=shape,
        table=coin_table,
        columns=(Column("row", "json"),),
    )


def _market_and_quotes(params: Params) -> tuple[Dataset, ...]:
    return Dataset("markets", params["vs_currency"]), Dataset("quotes", params["vs_currency"])


_IDS = (Param("coin_ids", CoinIds(MOST_IDS), required=True),)
_NAMED = (Param("named", _Given(), required=True),)
#: The places by market cap, from 0: the first, and the one after the last.
_RANKS = (Param("ranks", _Given(), required=True),)

PRICES_BY_ID = _feed("price", _price_shape, _IDS, _market_and_quotes, _by_id)
PRICES_BY_NAME = _feed(
    "price", _price_shape, _NAMED, lambda params: (Dataset("markets", params["vs_currency"]),), _by_name
)
MARKETS_BY_RANK = _feed("market", _market_shape, _RANKS, _blocks, _by_rank)
MARKETS_BY_ID = _feed("market", _market_shape, _IDS, _market_and_quotes, _by_id)
MARKETS_BY_NAME = _feed(
    "market", _market_shape, _NAMED, lambda params: (Dataset("markets", params["vs_currency"]),), _by_name
)
