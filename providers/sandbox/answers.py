"""The paths of the API: parameters in, a JSON body and headers out.

The rules are the provider's as documented or recorded: per_page is at most 250, category precedes ids, names and
symbols, claims on other coins (staked, wrapped) are excluded by default, and the history of the public plans ends after
365 days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from providers.currencies import SUPPORTED
from providers.sandbox import categories, charts
from providers.sandbox.coins import DAY_MS
from providers.sandbox.documents import Documents
from providers.sandbox.errors import ApiError
from providers.sandbox.market import WINDOWS, Market, Quotes
from providers.sandbox.noise import Ints
from providers.sandbox.places import platforms
from providers.sandbox.rows import Precision, Rows, points, price

MAX_PER_PAGE = 250
_ORDERS: dict[str, tuple[str, bool]] = {
    "market_cap_desc": ("market_cap", True),
    "market_cap_asc": ("market_cap", False),
    "volume_desc": ("volume", True),
    "volume_asc": ("volume", False),
}


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call: its parameters, its time, and whether the plan is paid.

    `overlap`: rows at the start of each further page that repeat the page before, as with separately cached pages.
    """

    params: dict[str, str]
    now: int
    paid: bool = False
    overlap: int = 0

    def need(self, name: str) -> str:
        """A required parameter. Raises `ApiError`."""
        if not self.params.get(name):
            raise ApiError("missing", name)
        return self.params[name]

    def on(self, name: str) -> bool:
        """Whether a switch is true."""
        return self.params.get(name, "").lower() == "true"

    def listed(self, name: str) -> list[str]:
        """The parts of a comma-separated parameter, without outer blanks."""
        return [part.strip() for part in self.params.get(name, "").split(",") if part.strip()]

    def number(self, name: str, default: int) -> int:
        """A whole number of at least one, else the default."""
        text = self.params.get(name, "")
        return int(text) if text.isdecimal() and 0 < len(text) < 10 and int(text) else default

    @property
    def precision(self) -> Precision:
        """The requested number of decimals."""
        text = self.params.get("precision", "")
        return "full" if text == "full" else int(text) if text.isdecimal() and int(text) <= 18 else None


@dataclass(frozen=True, slots=True)
class Response:
    """A body and its headers."""

    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """The API over one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._rows = Rows(market)
        self._members = categories.members(market.coins)
        self._paths: list[tuple[re.Pattern[str], Callable[..., Response]]] = [
            (re.compile(pattern), handler)
            for pattern, handler in (
                (r"/ping", self._ping),
                (r"/simple/supported_vs_currencies", self._currencies),
                (r"/simple/price", self._simple_price),
                (r"/coins/list", self._list),
                (r"/coins/markets", self._markets),
                (r"/coins/([^/]+)/ohlc", self._ohlc),
                (r"/coins/([^/]+)/market_chart", self._chart),
                (r"/global", self._global),
            )
        ]
        self._documents = Documents(market, self._rows, self._members)

    def answer(self, path: str, call: ApiCall) -> Response:
        """The response of that path (without the root). Raises `ApiError`."""
        for pattern, handler in self._paths:
            if match := pattern.fullmatch(path):
                return handler(call, *match.groups())
        for pattern, make in self._documents.paths:
            if match := pattern.fullmatch(path):
                body = make(call, *match.groups())
                return Response(*body) if isinstance(body, tuple) else Response(body)
        raise ApiError("unknown_path")

    # --- lists --------------------------------------------------------------------------------------------------------
    def _ping(self, _call: ApiCall) -> Response:
        return Response({"gecko_says": "(V3) To the Moon!"})

    def _currencies(self, _call: ApiCall) -> Response:
        return Response(SUPPORTED)

    def _list(self, call: ApiCall) -> Response:
        coins = sorted(self._market.coins, key=lambda coin: coin.id)
        rows: list[dict[str, Any]] = [{"id": coin.id, "symbol": coin.symbol, "name": coin.name} for coin in coins]
        if call.on("include_platform"):
            rows = [{**row, "platforms": platforms(coin)} for row, coin in zip(rows, coins, strict=True)]
        return Response(rows)

    # --- the market ---------------------------------------------------------------------------------------------------
    def _quotes(self, call: ApiCall, currency: str) -> Quotes:
        if currency.lower() not in SUPPORTED:
            raise ApiError("unknown_currency")
        return self._market.quotes(call.now, currency.lower())

    def _markets(self, call: ApiCall) -> Response:
        quotes = self._quotes(call, call.need("vs_currency"))
        selected = self._ordered(quotes, self._chosen(call, quotes), call.params.get("order", ""))
        size, page = min(call.number("per_page", 100), MAX_PER_PAGE), call.number("page", 1)
        start = max(0, (page - 1) * size - (call.overlap if page > 1 else 0))
        rows = self._rows.page(
            quotes,
            selected[start : start + size],
            windows=[window for window in call.listed("price_change_percentage") if window in WINDOWS],
            sparkline=call.on("sparkline"),
            rehypothecated=call.on("include_rehypothecated"),
            precision=call.precision,
        )
        return Response(rows, {"total": str(len(selected)), "per-page": str(size)})

    def _chosen(self, call: ApiCall, quotes: Quotes) -> list[int]:
        coins = self._market.coins
        if category := call.params.get("category"):
            members = self._members.get(category, set())
            return [row for row, coin in enumerate(coins) if coin.id in members]
        if ids := call.listed("ids"):
            return list(dict.fromkeys(self._market.index[id_] for id_ in ids if id_ in self._market.index))
        if names := {name.lower() for name in call.listed("names")}:
            return [row for row, coin in enumerate(coins) if coin.name.lower() in names]
        if symbols := {symbol.lower() for symbol in call.listed("symbols")}:
            rows = [row for row, coin in enumerate(coins) if coin.symbol in symbols]
            return rows if call.params.get("include_tokens") == "all" else self._largest(rows, quotes)
        return [row for row, coin in enumerate(coins) if call.on("include_rehypothecated") or not coin.hidden]

    def _largest(self, selected: Iterable[int], quotes: Quotes) -> list[int]:
        """The largest coin of each symbol."""
        ordered = self._ordered(quotes, selected, "market_cap_asc")
        return list(
            {self._market.coins[row].symbol: row for row in ordered if not np.isnan(quotes.market_cap[row])}.values()
        )

    def _ordered(self, quotes: Quotes, selected: Iterable[int], order: str) -> list[int]:
        if order in ("id_asc", "id_desc"):
            return sorted(selected, key=lambda row: self._market.coins[row].id, reverse=order == "id_desc")
        name, falling = _ORDERS.get(order, _ORDERS["market_cap_desc"])
        rows = np.array(list(selected), dtype=np.int64)
        values = getattr(quotes, name)[rows]
        # Coins without a value come last in both directions: numpy sorts NaN to the end.
        return [int(row) for row in rows[np.argsort(-values if falling else values, kind="stable")]]

    def _simple_price(self, call: ApiCall) -> Response:
        call.need("vs_currencies")
        if not any(call.params.get(name) for name in ("ids", "names", "symbols")):
            raise ApiError("missing", "ids")
        by_currency = [
            self._quotes(call, currency) for currency in call.listed("vs_currencies") if currency.lower() in SUPPORTED
        ]
        body: dict[str, dict[str, Any]] = {}
        for row in self._chosen(call, self._quotes(call, "usd")):
            entry: dict[str, Any] = body.setdefault(self._market.coins[row].id, {})
            for quotes in by_currency:
                entry |= self._quote(call, quotes, row)
            if call.on("include_last_updated_at") and by_currency:
                entry["last_updated_at"] = int(by_currency[0].updated[row]) // 1000
        return Response(body)

    @staticmethod
    def _quote(call: ApiCall, quotes: Quotes, row: int) -> dict[str, Any]:
        extras = {
            "include_market_cap": ("_market_cap", quotes.market_cap),
            "include_24hr_vol": ("_24h_vol", quotes.volume),
            "include_24hr_change": ("_24h_change", quotes.changes["24h"]),
        }
        fields: dict[str, Any] = {quotes.currency: price(float(quotes.price[row]), call.precision)}
        for switch, (suffix, values) in extras.items():
            if call.on(switch):
                fields[quotes.currency + suffix] = price(float(values[row]), "full")
        return fields

    # --- one coin -----------------------------------------------------------------------------------------------------
    def _coin_and_currency(self, call: ApiCall, coin_id: str) -> tuple[str, str]:
        currency = call.need("vs_currency").lower()
        call.need("days")
        if coin_id not in self._market.index:
            raise ApiError("unknown_coin")
        if currency not in SUPPORTED:
            raise ApiError("unknown_currency")
        return coin_id, currency

    def _ohlc(self, call: ApiCall, coin_id: str) -> Response:
        coin_id, currency = self._coin_and_currency(call, coin_id)
        if (call.params.get("interval") or call.params["days"] == "max") and not call.paid:
            raise ApiError("plan_restricted")
        days = call.number("days", 0)
        if days not in charts.CANDLES:
            raise ApiError("bad_days")
        candles = charts.candles(self._market, coin_id, currency, days, call.now)
        return Response([[close, *(price(value, call.precision) for value in prices)] for close, *prices in candles])

    def _chart(self, call: ApiCall, coin_id: str) -> Response:
        coin_id, currency = self._coin_and_currency(call, coin_id)
        days = 3650 if call.params["days"] == "max" else call.number("days", 0)
        if not days:
            raise ApiError("bad_days")
        if days > 365 and not call.paid:
            raise ApiError("too_old")
        stamps = charts.points(self._market, coin_id, days, call.now, daily=call.params.get("interval") == "daily")
        return Response(self._series(coin_id, currency, stamps))

    def _series(self, coin_id: str, currency: str, stamps: Ints) -> dict[str, list[list[float]]]:
        row = np.array([self._market.index[coin_id]])
        prices = self._market.prices(stamps, row, currency)[0]
        volumes = self._market.volumes(stamps, row, currency)[0]
        caps = prices * np.nan_to_num(self._market.supply[row])
        series = {"prices": prices, "market_caps": caps, "total_volumes": volumes}
        return {name: points(stamps, values) for name, values in series.items()}

    # --- the whole market ---------------------------------------------------------------------------------------------
    def _global(self, call: ApiCall) -> Response:
        quotes = self._quotes(call, "usd")
        counted = quotes.rank > 0
        cap, volume = float(quotes.market_cap[counted].sum()), float(quotes.volume[counted].sum())
        at = np.array([call.now])
        rates = {currency: float(self._market.rates(currency, at)[0]) for currency in SUPPORTED}
        before = np.nansum(quotes.market_cap[counted] / (1 + np.nan_to_num(quotes.changes["24h"][counted]) / 100))
        top = [int(row) for row in np.argsort(np.where(counted, -quotes.market_cap, 0))[:10]]
        shares = {self._market.coins[row].symbol: float(quotes.market_cap[row]) / cap * 100 for row in top}
        body = {
            "active_cryptocurrencies": len(self._market.coins),
            "upcoming_icos": 0,
            "ongoing_icos": 0,
            "ended_icos": 0,
            "markets": 1,
            "total_market_cap": {currency: cap * rate for currency, rate in rates.items()},
            "total_volume": {currency: volume * rate for currency, rate in rates.items()},
            "market_cap_percentage": shares,
            "market_cap_change_percentage_24h_usd": (cap / float(before) - 1) * 100,
            "volume_change_percentage_24h_usd": self._volume_change(counted, call.now),
            "updated_at": call.now // 1000,
        }
        return Response({"data": body})

    def _volume_change(self, counted: NDArray[np.bool_], now: int) -> float:
        rows = np.flatnonzero(counted)
        before, after = self._market.volumes([now - DAY_MS, now], rows).sum(axis=0).tolist()
        return (after / before - 1) * 100
