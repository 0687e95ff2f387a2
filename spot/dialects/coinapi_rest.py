"""CoinAPI's exchange rates over REST, version 1, for programs that ask for them: https://docs.coinapi.io. Pure.

Assets are named by symbols: of several coins with one symbol the largest is meant. A rate comes from the market in the
currency that is asked for, or by way of dollars from two prices of one moment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from spot.codes import Refused, bad_value
from spot.dialects.rest import Pages, Parameters, Reading, Reply, Rest, pages_of, retry_headers
from spot.dialects.times import to_100_ns
from spot.dialects.values import Page
from spot.feeds.chosen import COINS_BY_NAME, LARGEST_COINS, Named
from spot.feeds.view import View, view_of
from spot.query.jsontext import dumps

_ASSET = re.compile(r"[A-Za-z0-9_.$-]{1,40}")
_CURRENCY = re.compile(r"[A-Za-z0-9]{2,10}")
_NO_DATA = "You requested specific single item that we don't have at this moment."
_READS = ("symbol", "price", "last_updated")


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_100_ns(at_ms)


def _asset(text: str) -> str:
    if not _ASSET.fullmatch(text):
        raise bad_value("asset_id", "a symbol such as BTC", text)
    return text.upper()


def _view(depth: int, currency: str, symbols: Sequence[str]) -> View:
    named = Named("symbol", tuple(symbol.casefold() for symbol in symbols), top=True)
    return view_of(COINS_BY_NAME, {"vs_currency": currency.lower(), "named": named}, depth)


def _prices(page: Page) -> dict[str, tuple[float, int | None]]:
    """Price and time by symbol."""
    answer = page.answer
    rows = answer.table.rows(_READS, answer.page.indices.tolist())
    return {row["symbol"].upper(): (row["price"], row["last_updated"]) for row in reversed(rows) if row["price"]}


def _rate(time: int | None, base: str, quote: str, rate: float) -> Reply:
    told = {"time": _time(time), "asset_id_base": base, "asset_id_quote": quote, "rate": rate}
    return Reply(dumps(told))


def _pair(base: str, quote: str, depth: int) -> Reading:
    """The rate of two assets: in the quote's market if there is one, or the other way round, or by way of dollars."""

    def direct(pages: Pages) -> Reply | Reading:
        if isinstance(pages[0], Refused) and pages[0].code == "unknown_currency":
            return Reading((_view(depth, "usd", (base, quote)),), cross)
        prices = _prices(pages_of(pages)[0])
        if base in prices:
            price, time = prices[base]
            return _rate(time, base, quote, price)
        return other_way()

    def other_way() -> Reply | Reading:
        return Reading((_view(depth, base, (quote,)),), inverse) if _CURRENCY.fullmatch(base) else _nothing()

    def inverse(pages: Pages) -> Reply:
        prices = {} if isinstance(pages[0], Refused) and not pages[0].fact.retry else _prices(pages_of(pages)[0])
        if quote not in prices:
            return _nothing()
        price, time = prices[quote]
        return _rate(time, base, quote, 1 / price)

    def cross(pages: Pages) -> Reply | Reading:
        prices = _prices(pages_of(pages)[0])
        if base not in prices:
            return other_way()
        if quote not in prices:
            return _nothing()
        (price, time), (unit, unit_time) = prices[base], prices[quote]
        times = [one for one in (time, unit_time) if one is not None]
        return _rate(min(times, default=None), base, quote, price / unit)

    if _CURRENCY.fullmatch(quote):
        return Reading((_view(depth, quote, (base,)),), direct)
    return Reading((_view(depth, "usd", (base, quote)),), cross)


def _nothing() -> Reply:
    """The answer of CoinAPI where it knows no rate."""
    return Reply(dumps({"error": _NO_DATA}), 550)


def _all(base: str, parameters: Parameters, depth: int) -> Reading:
    """The rates of an asset in dollars and in the other coins that are held."""
    wanted = {text.upper() for text in parameters.items("filter_asset_id")}
    view = view_of(LARGEST_COINS, {"vs_currency": "usd"}, depth)
    return Reading((view,), partial(_write_all, base, wanted, parameters.truth("invert")))


def _write_all(base: str, wanted: set[str], inverted: bool, pages: Pages) -> Reply:
    prices: dict[str, tuple[float, int | None]] = {**_prices(pages_of(pages)[0]), "USD": (1.0, None)}
    if base not in prices:
        return _nothing()
    price, time = prices[base]
    rates: list[dict[str, Any]] = [
        {"time": _time(time), "asset_id_quote": quote, "rate": unit / price if inverted else price / unit}
        for quote, (unit, _time_of_it) in prices.items()
        if quote != base and (not wanted or quote in wanted)
    ]
    return Reply(dumps({"asset_id_base": base, "rates": rates}))


class CoinApiRest(Rest):
    """Exchange rates, below the same root as the stream."""

    name = "coinapi"
    root = "compat/coinapi"
    key_headers = ("X-CoinAPI-Key",)
    key_parameters = ("apikey",)
    sent = key_headers

    def read(self, path: tuple[str, ...], query_string: bytes, depth: int) -> Reading:
        """The reading of one path."""
        parameters = Parameters(query_string)
        match path:
            case ("v1", "exchangerate", base):
                return _all(_asset(base), parameters, depth)
            case ("v1", "exchangerate", base, quote):
                return _pair(_asset(base), _asset(quote), depth)
        raise Refused("unknown_feed", "There is no endpoint at this path. There is: /v1/exchangerate/{base}[/{quote}].")

    def refuse(self, refused: Refused, now_ms: int) -> Reply:
        """A refusal in CoinAPI's form."""
        return Reply(dumps({"error": refused.message}), refused.fact.status, retry_headers(refused, now_ms))


RESTS = (CoinApiRest(),)
