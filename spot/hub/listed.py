"""Which currencies and coins exist: what a client names, held against the providers' own lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spot.codes import Refused
from spot.feeds.namesakes import unknown_coins, why
from spot.query.table import Table


class Lists(NamedTuple):
    """The lists that are there: None while one has never come. `markets` are the blocks of all markets, largest coins
    first."""

    currencies: Table | None
    coins: Table | None
    markets: Sequence[Table]


class Verdict(NamedTuple):
    """`settled`: whether everything named could be looked up. `unknown`: why there is no such coin, by the id that the
    client gave."""

    settled: bool
    unknown: Mapping[str, str]


def judge(params: Mapping[str, Any], lists: Lists) -> Verdict:
    """Look up the currency and the coins of a feed's parameters.

    A list of coins is served as far as its coins are known: the others are in `unknown`. Raises `Refused` for an
    unknown currency, and when no coin is known at all.
    """
    if "vs_currency" not in params:
        return Verdict(True, {})
    _check_currency(params["vs_currency"], lists.currencies)
    field = "coin_id" if "coin_id" in params else "coin_ids"
    coins = [params["coin_id"]] if field == "coin_id" else list(params.get(field, ()))
    absent = [coin for coin in coins if not is_listed(coin, lists)]
    if not absent:
        return Verdict(lists.currencies is not None, {})
    if lists.coins is None:
        return Verdict(False, {})
    if len(absent) == len(coins):
        raise unknown_coins(field, absent, lists.coins, lists.markets)
    return Verdict(lists.currencies is not None, {coin: why(coin, lists.coins, lists.markets) for coin in absent})


def _check_currency(currency: str, currencies: Table | None) -> None:
    if currencies is not None and currency not in currencies.position():
        known = ", ".join(sorted(currencies.keys))
        raise Refused(
            "unknown_currency",
            f"vs_currency: {currency!r} is not quoted. Currencies: {known}.",
            "vs_currency",
            known,
        )


def is_listed(coin: str, lists: Lists) -> bool:
    """Whether the list of coins or a market has that id."""
    return any(coin in table.position() for table in (lists.coins, *lists.markets) if table is not None)
