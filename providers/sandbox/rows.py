"""The market as rows of the API: dictionaries with the provider's names and rounding."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from providers.sandbox.coins import DAY_MS, LEVEL_AT, SPREADS
from providers.sandbox.market import Market, Quotes
from providers.sandbox.noise import Floats, fraction

Precision = int | None | str  # None: the provider's own rounding; "full": none; else decimals
# The decimals of prices below each bound, as in the provider's responses.
_DECIMALS = ((1e-10, 16), (1e-8, 14), (1e-6, 12), (0.05, 8), (1.0, 6), (1.1, 3), (10_000.0, 2))
# Well-known all-time highs and lows in USD.
_RECORDS = {
    "bitcoin": (126_080.0, 67.81),
    "ethereum": (4946.05, 0.432979),
    "ripple": (3.65, 0.00268621),
    "binancecoin": (1369.99, 0.0398177),
    "solana": (293.31, 0.500801),
    "dogecoin": (0.731578, 0.0000869),
    "cardano": (3.09, 0.01925275),
}


def price(value: float, precision: Precision = None) -> float | None:
    """A price as the API writes it; None for NaN."""
    if math.isnan(value) or precision == "full":
        return None if math.isnan(value) else value
    if isinstance(precision, int):
        return round(value, precision)
    decimals = next((count for bound, count in _DECIMALS if abs(value) < bound), 0)
    return round(value, decimals) if decimals else round(value)


def amount(value: float) -> float | None:
    """A sum of money or a supply as the API writes it: whole unless it is small; None for NaN."""
    if math.isnan(value):
        return None
    return round(value) if abs(value) >= 100_000 else round(value, 2) if abs(value) >= 1 else round(value, 10)


def percent(value: float, decimals: int = 5) -> float | None:
    """A percentage; None for NaN."""
    return None if math.isnan(value) else round(value, decimals)


def difference(value: float, precision: Precision = None) -> float | None:
    """A price's change as the API writes it: with more decimals than the price itself."""
    return price(value, (2 if abs(value) >= 1 else 8 if abs(value) >= 1e-3 else 16) if precision is None else precision)


def iso(at_ms: int) -> str:
    """Epoch milliseconds as the API writes times."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Rows:
    """Makes the rows of one market; it caches the constants of each coin."""

    def __init__(self, market: Market) -> None:
        self._market = market
        level = market.prices([LEVEL_AT])[:, 0]
        climbs = [self._climb(coin.kind, fraction(market.seed, coin.id, "ath")) for coin in market.coins]
        falls = [self._climb(coin.kind, fraction(market.seed, coin.id, "atl")) for coin in market.coins]
        self._ath, self._atl = level * np.exp(climbs), level * np.exp(-2 * np.array(falls))
        for coin_id, (high, low) in _RECORDS.items():
            self._ath[market.index[coin_id]], self._atl[market.index[coin_id]] = high, low
        ages = [int(fraction(coin.id, "record") * 1500) * DAY_MS for coin in market.coins]
        self._dates = [LEVEL_AT - 200 * DAY_MS - age for age in ages]

    @staticmethod
    def _climb(kind: str, luck: float) -> float:
        return 0.01 + 0.05 * luck if kind in SPREADS else 0.4 + 2.8 * luck**2

    def page(
        self,
        quotes: Quotes,
        rows: Iterable[int],
        windows: Iterable[str] = (),
        sparkline: bool = False,
        rehypothecated: bool = False,
        precision: Precision = None,
    ) -> list[dict[str, Any]]:
        """The rows of /coins/markets for those coins, in that order."""
        entries = []
        ranks = self._ranks_of_all(quotes) if rehypothecated else {}
        for row in rows:
            entry = self._coin(quotes, row, precision)
            if rehypothecated:
                entry["market_cap_rank_with_rehypothecated"] = ranks.get(row)
            if sparkline:
                entry["sparkline_in_7d"] = {"price": self._market.sparkline(row, quotes)}
            for window in windows:
                entry[f"price_change_percentage_{window}_in_currency"] = percent(float(quotes.changes[window][row]), 12)
            entries.append(entry)
        return entries

    @staticmethod
    def _ranks_of_all(quotes: Quotes) -> dict[int, int]:
        """Ranks by market cap, with claims on other coins included."""
        valued = np.flatnonzero(~np.isnan(quotes.market_cap))
        order = valued[np.argsort(-quotes.market_cap[valued], kind="stable")]
        return {int(row): place for place, row in enumerate(order, start=1)}

    def _coin(self, quotes: Quotes, row: int, precision: Precision) -> dict[str, Any]:
        coin, now = self._market.coins[row], float(quotes.price[row])
        cap = float(quotes.market_cap[row])
        return {
            "id": coin.id,
            "symbol": coin.symbol,
            "name": coin.name,
            "image": "",
            "current_price": price(now, precision),
            "market_cap": amount(cap),
            "market_cap_rank": int(quotes.rank[row]) or None,
            "fully_diluted_valuation": amount(now * (coin.maximum or coin.total or math.nan)),
            "total_volume": amount(float(quotes.volume[row])),
            **self._day(quotes, row, now, cap, precision),
            "circulating_supply": coin.circulating,
            "total_supply": coin.total,
            "max_supply": coin.maximum,
            **self._records(quotes, row, now, precision),
            "roi": self._roi(coin.id, coin.kind),
            "last_updated": iso(int(quotes.updated[row])),
        }

    @staticmethod
    def _day(quotes: Quotes, row: int, now: float, cap: float, precision: Precision) -> dict[str, float | None]:
        """The 24 h fields; they are null together."""
        change = float(quotes.changes["24h"][row])
        before = 1 / (1 + change / 100)
        return {
            "high_24h": price(float(quotes.high[row]), precision),
            "low_24h": price(float(quotes.low[row]), precision),
            "price_change_24h": difference(now * (1 - before), precision),
            "price_change_percentage_24h": percent(change),
            "market_cap_change_24h": amount(cap * (1 - before)),
            "market_cap_change_percentage_24h": percent(change),
        }

    def _records(self, quotes: Quotes, row: int, now: float, precision: Precision) -> dict[str, Any]:
        high, low = np.fmax(quotes.high[row], now), np.fmin(quotes.low[row], now)
        ath, atl = max(float(self._ath[row]) * quotes.rate, high), min(float(self._atl[row]) * quotes.rate, low)
        return {
            "ath": price(ath, precision),
            "ath_change_percentage": percent((now / ath - 1) * 100),
            "ath_date": iso(quotes.at if ath == high else self._dates[row]),
            "atl": price(atl, precision),
            "atl_change_percentage": percent((now / atl - 1) * 100),
            "atl_date": iso(quotes.at if atl == low else self._dates[row] - 300 * DAY_MS),
        }

    @staticmethod
    def _roi(coin_id: str, kind: str) -> dict[str, Any] | None:
        luck = fraction(coin_id, "roi")
        if kind in SPREADS or luck > 0.07:
            return None
        times = round(math.exp(luck * 100 - 3), 6)
        return {"times": times, "currency": "usd", "percentage": round(times * 100, 4)}


def points(stamps: Iterable[int], values: Floats) -> list[list[float]]:
    """[stamp, value] pairs of a chart."""
    return [[stamp, value] for stamp, value in zip(map(int, stamps), values.tolist(), strict=True)]
