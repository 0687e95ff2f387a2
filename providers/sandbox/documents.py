"""The further paths of the API: one coin, its markets and its past, exchanges, categories, searches. All but prices is
invented: names of exchanges and platforms are real ones, so that clients meet what they know."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from providers.currencies import COINS, PER_USD, SUPPORTED
from providers.sandbox import charts
from providers.sandbox.coins import DAY_MS
from providers.sandbox.errors import ApiError
from providers.sandbox.market import WINDOWS, Market, Quotes
from providers.sandbox.noise import fraction, key
from providers.sandbox.places import EXCHANGES, PLATFORMS, links, platforms
from providers.sandbox.rows import Rows, amount, iso, percent, points, price

if TYPE_CHECKING:
    from providers.sandbox.answers import ApiCall

_MOST_TICKERS = 100
_PICTURE = "https://sandbox.invalid/none.png"


class Documents:
    """The documents of one market; `paths` has the form of each path, and what makes its body."""

    def __init__(self, market: Market, rows: Rows, members: Mapping[str, set[str]]) -> None:
        self._market, self._rows, self._members = market, rows, members
        self._by_address = {
            (platform, address.lower()): coin.id
            for coin in market.coins
            for platform, address in platforms(coin).items()
        }
        forms: list[tuple[str, Callable[..., tuple[Any, dict[str, str]] | Any]]] = [
            (r"/global/decentralized_finance_defi", self._defi),
            (r"/search", self._search),
            (r"/search/trending", self._trending),
            (r"/exchange_rates", self._rates),
            (r"/exchanges", self._exchanges),
            (r"/exchanges/list", lambda _call: [{"id": id_, "name": name} for id_, name, *_ in EXCHANGES]),
            (r"/asset_platforms", self._platforms),
            (r"/coins/categories", self._categories),
            (r"/coins/categories/list", lambda _call: [{"category_id": n, "name": _title(n)} for n in sorted(members)]),
            (r"/simple/token_price/([^/]+)", self._token_price),
            (r"/coins/([^/]+)/contract/([^/]+)", self._contract),
            (r"/coins/([^/]+)/contract/([^/]+)/market_chart(/range)?", self._contract_chart),
            (r"/coins/([^/]+)/tickers", self._tickers),
            (r"/coins/([^/]+)/history", self._history),
            (r"/coins/([^/]+)/market_chart/range", self._range),
            (r"/coins/([^/]+)", self._coin),
        ]
        self.paths = [(re.compile(form), make) for form, make in forms]

    # --- one coin -----------------------------------------------------------------------------------------------------
    def _row(self, coin_id: str) -> int:
        if coin_id not in self._market.index:
            raise ApiError("unknown_coin")
        return self._market.index[coin_id]

    def _at(self, platform: str, address: str) -> str:
        if (coin := self._by_address.get((platform, address.lower()))) is None:
            raise ApiError("unknown_coin")
        return coin

    def _maps(self, row: int, quotes: Quotes) -> dict[str, Any]:
        """The market data in every currency, of which the market has one rate each."""
        [entry] = self._rows.page(quotes, [row], rehypothecated=True, precision="full")
        rates = {currency: self._rate(currency, quotes.at) for currency in SUPPORTED}

        def money(value: float | None, plain: Callable[[float], float | None]) -> dict[str, float | None]:
            return {} if value is None else {currency: plain(value * rate) for currency, rate in rates.items()}

        def same(value: Any) -> dict[str, Any]:
            return {} if value is None else dict.fromkeys(rates, value)

        prices = ("current_price", "high_24h", "low_24h", "ath", "atl")
        amounts = ("market_cap", "total_volume", "fully_diluted_valuation")
        alike = ("ath_change_percentage", "ath_date", "atl_change_percentage", "atl_date")
        scalars = (
            "price_change_24h", "price_change_percentage_24h", "market_cap_change_24h", "market_cap_rank",
            "market_cap_change_percentage_24h", "market_cap_rank_with_rehypothecated", "total_supply", "max_supply",
            "circulating_supply", "roi", "last_updated",
        )  # fmt: skip
        changes = {window: percent(float(quotes.changes[window][row])) for window in WINDOWS}
        return {
            **{name: money(entry[name], price) for name in prices},
            **{name: money(entry[name], amount) for name in amounts},
            **{name: same(entry[name]) for name in alike},
            **{name: entry[name] for name in scalars},
            **{f"price_change_percentage_{window}": value for window, value in changes.items() if window != "1h"},
            **{f"price_change_percentage_{window}_in_currency": same(value) for window, value in changes.items()},
            "price_change_percentage_60d": None,
            "price_change_percentage_60d_in_currency": {},
            "price_change_24h_in_currency": money(entry["price_change_24h"], price),
            "market_cap_change_24h_in_currency": money(entry["market_cap_change_24h"], amount),
            "market_cap_change_percentage_24h_in_currency": same(entry["market_cap_change_percentage_24h"]),
            "max_supply_infinite": entry["max_supply"] is None,
            "outstanding_supply": entry["circulating_supply"],
            "outstanding_token_value_usd": entry["market_cap"],
            "total_value_locked": None,
            "mcap_to_tvl_ratio": None,
            "fdv_to_tvl_ratio": None,
            "market_cap_fdv_ratio": None,
        }

    def _rate(self, currency: str, at: int) -> float:
        return float(self._market.rates(currency, np.array([at]))[0])

    def _coin(self, call: ApiCall, coin_id: str) -> dict[str, Any]:
        row = self._row(coin_id)
        coin, quotes, at = (
            self._market.coins[row],
            self._market.quotes(call.now, "usd"),
            platforms(self._market.coins[row]),
        )
        data = self._maps(row, quotes)
        names = [name for name, ids in sorted(self._members.items()) if coin_id in ids]
        body: dict[str, Any] = {
            "id": coin.id,
            "symbol": coin.symbol,
            "name": coin.name,
            "web_slug": coin.id,
            "asset_platform_id": next(iter(at), None),
            "platforms": at or {"": ""},
            "detail_platforms": {
                platform: {"decimal_place": 6 if platform == "solana" else 18, "contract_address": address}
                for platform, address in at.items()
            } or {"": {"decimal_place": None, "contract_address": ""}},
            "block_time_in_minutes": 10 if coin.kind == "bitcoin" else 0,
            "hashing_algorithm": "SHA-256" if coin.kind == "bitcoin" else None,
            "categories": [_title(name) for name in names],
            "preview_listing": False,
            "public_notice": None,
            "additional_notices": [],
            "has_supply_breakdown": False,
            "description": {"en": f"{coin.name} in a simulated market: all figures are invented."},
            "links": links(),
            "image": dict.fromkeys(("thumb", "small", "large"), _PICTURE),
            "country_origin": "",
            "genesis_date": None,
            "sentiment_votes_up_percentage": None,
            "sentiment_votes_down_percentage": None,
            "watchlist_portfolio_users": key(coin.id, "watched") % 1_000_000,
            "market_cap_rank": data["market_cap_rank"],
            "market_cap_rank_with_rehypothecated": data["market_cap_rank_with_rehypothecated"],
            "status_updates": [],
            "last_updated": data["last_updated"],
        }  # fmt: skip
        if call.params.get("localization", "true").lower() != "false":
            body["localization"] = {"en": coin.name, "de": coin.name}
        if call.on("include_categories_details"):
            body["categories_details"] = [{"id": name, "name": _title(name)} for name in names]
        if call.params.get("market_data", "true").lower() != "false":
            if call.on("sparkline"):
                data["sparkline_7d"] = {"price": self._market.sparkline(row, quotes)}
            body["market_data"] = data
        if call.params.get("tickers", "true").lower() != "false":
            body["tickers"] = self._tickers_of(row, quotes)[:_MOST_TICKERS]
        return body

    def _contract(self, call: ApiCall, platform: str, address: str) -> dict[str, Any]:
        body = self._coin(call, self._at(platform, address))
        return {"contract_address": body["platforms"][platform], **body}

    def _tickers_of(self, row: int, quotes: Quotes) -> list[dict[str, Any]]:
        coin, dollars = self._market.coins[row], float(quotes.price[row])
        volume, at = float(quotes.volume[row]), iso(int(quotes.updated[row]))[:19] + "+00:00"
        rates = {currency: self._rate(currency, quotes.at) for currency in ("btc", "eth", "usd")}
        shares = [fraction(coin.id, exchange, "share") for exchange, *_ in EXCHANGES]
        made = []
        for (exchange, name, *_), share in zip(EXCHANGES, shares, strict=True):
            traded = volume * share / sum(shares)
            made.append({
                "base": coin.symbol.upper(),
                "target": "USDT",
                "market": {"name": name, "identifier": exchange, "has_trading_incentive": False},
                "last": price(dollars),
                "volume": amount(traded / dollars),
                "converted_last": {currency: price(dollars * rate) for currency, rate in rates.items()},
                "converted_volume": {currency: amount(traded * rate) for currency, rate in rates.items()},
                "trust_score": None,
                "bid_ask_spread_percentage": round(0.01 + share / 50, 6),
                "timestamp": at,
                "last_traded_at": at,
                "last_fetch_at": at,
                "is_anomaly": False,
                "is_stale": False,
                "trade_url": "https://sandbox.invalid/",
                "token_info_url": None,
                "coin_id": coin.id,
                "target_coin_id": "tether",
                "coin_mcap_usd": amount(float(quotes.market_cap[row])) or 0,
            })  # fmt: skip
        return sorted(made, key=lambda ticker: -(ticker["volume"] or 0))

    def _tickers(self, call: ApiCall, coin_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        row, wanted = self._row(coin_id), call.listed("exchange_ids")
        every = self._tickers_of(row, self._market.quotes(call.now, "usd"))
        chosen = [one for one in every if not wanted or one["market"]["identifier"] in wanted]
        start = (call.number("page", 1) - 1) * _MOST_TICKERS
        body = {"name": self._market.coins[row].name, "tickers": chosen[start : start + _MOST_TICKERS]}
        return body, {"total": str(len(chosen)), "per-page": str(_MOST_TICKERS)}

    # --- its past -----------------------------------------------------------------------------------------------------
    def _history(self, call: ApiCall, coin_id: str) -> dict[str, Any]:
        row, text = self._row(coin_id), call.need("date")
        try:
            form = "%Y-%m-%d" if re.fullmatch(r"\d{4}-.*", text) else "%d-%m-%Y"
            at = int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            raise ApiError("bad_date") from None
        if at < call.now - 366 * DAY_MS and not call.paid:
            raise ApiError("too_old")
        coin, places = self._market.coins[row], np.array([row])
        dollars = float(self._market.prices([at], places)[0, 0])
        figures = {
            "current_price": dollars,
            "market_cap": dollars * float(np.nan_to_num(self._market.supply[row])),
            "total_volume": float(self._market.volumes([at], places)[0, 0]),
        }
        rates = {currency: self._rate(currency, at) for currency in SUPPORTED}
        body: dict[str, Any] = {"id": coin.id, "symbol": coin.symbol, "name": coin.name}
        if call.params.get("localization", "true").lower() != "false":
            body["localization"] = {"en": coin.name, "de": coin.name}
        return body | {
            "image": dict.fromkeys(("thumb", "small"), _PICTURE),
            "market_data": {
                name: {currency: value * rate for currency, rate in rates.items()} for name, value in figures.items()
            },
            "public_interest_stats": {"alexa_rank": None, "bing_matches": None},
        }

    def _range(self, call: ApiCall, coin_id: str) -> dict[str, Any]:
        currency = call.need("vs_currency").lower()
        start, end = (_seconds(call.need(name)) * 1000 for name in ("from", "to"))
        row = self._row(coin_id)
        if currency not in SUPPORTED:
            raise ApiError("unknown_currency")
        if start < call.now - 366 * DAY_MS and not call.paid:
            raise ApiError("too_old")
        days = max(1, math.ceil((end - start) / DAY_MS))
        stamps = charts.points(
            self._market, coin_id, days, min(call.now, end), daily=call.params.get("interval") == "daily"
        )
        stamps, places = stamps[(stamps >= start) & (stamps <= end)], np.array([row])
        prices = self._market.prices(stamps, places, currency)[0]
        volumes = self._market.volumes(stamps, places, currency)[0]
        caps = prices * np.nan_to_num(self._market.supply[places])
        series = {"prices": prices, "market_caps": caps, "total_volumes": volumes}
        return {name: points(stamps, values) for name, values in series.items()}

    def _contract_chart(self, call: ApiCall, platform: str, address: str, part: str | None) -> dict[str, Any]:
        coin_id = self._at(platform, address)
        if part:
            return self._range(call, coin_id)
        days = 365 if call.need("days") == "max" else call.number("days", 1)
        span = {"from": str(call.now // 1000 - days * 86_400), "to": str(call.now // 1000)}
        return self._range(type(call)({**call.params, **span}, call.now, call.paid), coin_id)

    # --- many coins ---------------------------------------------------------------------------------------------------
    def _token_price(self, call: ApiCall, platform: str) -> dict[str, Any]:
        addresses, wanted = call.need("contract_addresses").split(","), call.need("vs_currencies").lower().split(",")
        body: dict[str, Any] = {}
        quotes = [self._market.quotes(call.now, currency) for currency in wanted if currency in SUPPORTED]
        extras = (
            ("include_market_cap", "_market_cap", lambda one: one.market_cap),
            ("include_24hr_vol", "_24h_vol", lambda one: one.volume),
            ("include_24hr_change", "_24h_change", lambda one: one.changes["24h"]),
        )
        for address in addresses:
            coin = self._by_address.get((platform, address.strip().lower()))
            if coin is None:
                continue
            row = self._market.index[coin]
            entry = body.setdefault(address.strip().lower() if address.startswith("0x") else address.strip(), {})
            for one in quotes:
                entry[one.currency] = price(float(one.price[row]), call.precision)
                entry |= {
                    one.currency + name: price(float(of(one)[row]), "full")
                    for switch, name, of in extras
                    if call.on(switch)
                }
            if call.on("include_last_updated_at") and quotes:
                entry["last_updated_at"] = int(quotes[0].updated[row]) // 1000
        return body

    def _search(self, call: ApiCall) -> dict[str, Any]:
        text, quotes = call.need("query").lower(), self._market.quotes(call.now, "usd")
        order = np.argsort(-np.nan_to_num(quotes.market_cap), kind="stable")
        coins = [(int(row), self._market.coins[int(row)]) for row in order]
        found = [(row, coin) for row, coin in coins if text in f"{coin.name} {coin.symbol} {coin.id}".lower()]
        return {
            "coins": [
                {
                    "id": coin.id,
                    "name": coin.name,
                    "api_symbol": coin.id,
                    "symbol": coin.symbol.upper(),
                    "market_cap_rank": int(quotes.rank[row]) or None,
                    "thumb": _PICTURE,
                    "large": _PICTURE,
                }
                for row, coin in found[:25]
            ],
            "exchanges": [
                {"id": id_, "name": name, "market_type": "spot", "thumb": _PICTURE, "large": _PICTURE}
                for id_, name, *_ in EXCHANGES
                if text in name.lower()
            ],
            "icos": [],
            "categories": [{"id": name, "name": _title(name)} for name in sorted(self._members) if text in name],
            "nfts": [],
        }

    def _trending(self, call: ApiCall) -> dict[str, Any]:
        quotes = self._market.quotes(call.now, "usd")
        order = np.argsort(np.where(quotes.rank > 0, -np.nan_to_num(quotes.changes["24h"]), np.inf), kind="stable")[:15]
        bitcoin = self._rate("btc", call.now)
        items = []
        for score, row in enumerate(map(int, order)):
            coin, dollars = self._market.coins[row], float(quotes.price[row])
            cap, volume = float(quotes.market_cap[row]), float(quotes.volume[row])
            change = percent(float(quotes.changes["24h"][row]), 12) or 0.0
            items.append({
                "id": coin.id,
                "coin_id": key(coin.id, "number") % 100_000,
                "name": coin.name,
                "symbol": coin.symbol.upper(),
                "market_cap_rank": int(quotes.rank[row]),
                **dict.fromkeys(("thumb", "small", "large"), _PICTURE),
                "slug": coin.id,
                "price_btc": dollars * bitcoin,
                "score": score,
                "data": {
                    "price": dollars,
                    "price_btc": str(dollars * bitcoin),
                    "price_change_percentage_24h": dict.fromkeys(SUPPORTED, change),
                    "market_cap": f"${cap:,.0f}",
                    "market_cap_btc": str(cap * bitcoin),
                    "total_volume": f"${volume:,.0f}",
                    "total_volume_btc": str(volume * bitcoin),
                    "sparkline": "https://sandbox.invalid/none.svg",
                    "content": None,
                },
            })  # fmt: skip
        return {"coins": [{"item": item} for item in items], "nfts": [], "categories": []}

    def _categories(self, call: ApiCall) -> list[dict[str, Any]]:
        quotes, made = self._market.quotes(call.now, "usd"), []
        for name, ids in self._members.items():
            rows = sorted(
                (self._market.index[id_] for id_ in ids), key=lambda row: -np.nan_to_num(quotes.market_cap[row])
            )
            caps, changes = np.nan_to_num(quotes.market_cap[rows]), np.nan_to_num(quotes.changes["24h"][rows])
            cap, before = float(caps.sum()), float((caps / (1 + changes / 100)).sum())
            made.append({
                "id": name,
                "name": _title(name),
                "market_cap": cap,
                "market_cap_change_24h": (cap / before - 1) * 100 if before else 0.0,
                "content": "",
                "top_3_coins_id": [self._market.coins[row].id for row in rows[:3]],
                "top_3_coins": [_PICTURE] * len(rows[:3]),
                "volume_24h": float(np.nan_to_num(quotes.volume[rows]).sum()),
                "updated_at": iso(call.now),
            })  # fmt: skip
        return sorted(made, key=lambda one: -one["market_cap"])

    # --- the rest -----------------------------------------------------------------------------------------------------
    def _exchanges(self, call: ApiCall) -> tuple[list[dict[str, Any]], dict[str, str]]:
        size = min(call.number("per_page", 100), 250)
        start = (call.number("page", 1) - 1) * size
        rows = [
            {
                "id": id_,
                "name": name,
                "year_established": year,
                "country": country,
                "description": "",
                "url": "https://sandbox.invalid/",
                "image": _PICTURE,
                "has_trading_incentive": False,
                "trust_score": 10,
                "trust_score_rank": rank,
                "trade_volume_24h_btc": round(1e5 * (0.5 + fraction(id_, call.now // DAY_MS)) / rank, 4),
            }
            for rank, (id_, name, country, year) in enumerate(EXCHANGES, 1)
        ]
        return rows[start : start + size], {"total": str(len(rows)), "per-page": str(size)}

    def _platforms(self, call: ApiCall) -> list[dict[str, Any]]:
        return [
            {
                "id": id_,
                "chain_identifier": chain,
                "name": name,
                "shortname": "",
                "native_coin_id": native,
                "image": dict.fromkeys(("thumb", "small", "large"), _PICTURE),
            }
            for id_, (name, chain, native) in PLATFORMS.items()
            if call.params.get("filter") != "nft" or id_ != "tron"
        ]

    def _rates(self, call: ApiCall) -> dict[str, Any]:
        bitcoin = self._rate("btc", call.now)
        kinds = {
            **dict.fromkeys(COINS, "crypto"),
            **dict.fromkeys(PER_USD, "fiat"),
            "xau": "commodity",
            "xag": "commodity",
        }
        return {
            "rates": {
                currency: {
                    "name": currency.upper(),
                    "unit": currency.upper(),
                    "value": round(self._rate(currency, call.now) / bitcoin, 8),
                    "type": kinds[currency],
                }
                for currency in SUPPORTED
            }
        }

    def _defi(self, call: ApiCall) -> dict[str, Any]:
        quotes = self._market.quotes(call.now, "usd")
        rows = sorted(self._market.index[id_] for id_ in self._members["decentralized-finance-defi"])
        caps = np.nan_to_num(quotes.market_cap)
        cap, ether = float(caps[rows].sum()), float(caps[self._market.index["ethereum"]])
        top = max(rows, key=lambda row: caps[row])
        return {
            "data": {
                "defi_market_cap": str(cap),
                "eth_market_cap": str(ether),
                "defi_to_eth_ratio": str(cap / ether * 100),
                "trading_volume_24h": str(float(np.nan_to_num(quotes.volume)[rows].sum())),
                "defi_dominance": str(cap / float(caps[quotes.rank > 0].sum()) * 100),
                "top_coin_name": self._market.coins[top].name,
                "top_coin_defi_dominance": float(caps[top]) / cap * 100,
            }
        }


def _title(category: str) -> str:
    return category.replace("-", " ").title()


def _seconds(text: str) -> int:
    """A time in epoch seconds, given so or as an ISO date. Raises `ApiError`."""
    try:
        return (
            int(float(text))
            if re.fullmatch(r"[0-9.]{1,16}", text)
            else int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
        )
    except ValueError:
        raise ApiError("bad_date") from None
