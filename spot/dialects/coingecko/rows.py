"""Rows of coins as CoinGecko writes them. Pure.

Prices have the digits that the provider gave them; `precision` rounds them further. Changes that upstream gives and
rows do not hold follow from those that they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spot.dialects.times import iso_or_none
from spot.feeds.base import Params, Shape
from spot.feeds.chosen import BY_ID, BY_NAME, BY_RANK, Given, chosen
from spot.feeds.params import Param
from spot.query.jsontext import dumps


class Form(NamedTuple):
    """How rows are written: decimals of prices (None: as they are), price-change windows, and the extras by name."""

    precision: int | None = None
    windows: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


_FORM = Param("form", Given(), Form())


def rounded(value: float | None, decimals: int | None) -> float | None:
    """A price with at most so many decimals."""
    return value if value is None or decimals is None else round(value, decimals)


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
        "price_change_percentage_24h": rounded(day, 5),
        "market_cap_change_24h": row["market_cap_change_24h"],
        "market_cap_change_percentage_24h": row["market_cap_change_percentage_24h"],
        "circulating_supply": row["circulating_supply"],
        "total_supply": row["total_supply"],
        "max_supply": row["max_supply"],
        "ath": digits(row["ath"]),
        "ath_change_percentage": _first(row["ath_change_percentage"], _since(price, row["ath"])),
        "ath_date": iso_or_none(row["ath_date"]),
        "atl": digits(row["atl"]),
        "atl_change_percentage": _first(row["atl_change_percentage"], _since(price, row["atl"])),
        "atl_date": iso_or_none(row["atl_date"]),
        "roi": row["roi"],
        "last_updated": iso_or_none(row["last_updated"]),
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


PRICES_BY_ID, PRICES_BY_NAME = (
    chosen("coingecko price", "price", _price_shape, choice, _FORM) for choice in (BY_ID, BY_NAME)
)
MARKETS_BY_ID, MARKETS_BY_NAME, MARKETS_BY_RANK = (
    chosen("coingecko market", "market", _market_shape, choice, _FORM) for choice in (BY_ID, BY_NAME, BY_RANK)
)
