"""CoinGecko's endpoints as its own Python SDK asks them: each is called, and the answer held against its models."""

from __future__ import annotations

from typing import Any, NamedTuple


class Endpoint(NamedTuple):
    """A path of the API, and the call of the SDK that asks it. `refused`: it is a paid plan's, or about data that
    Spot does not have."""

    path: str
    call: str
    arguments: dict[str, Any]
    refused: bool = False


_BITCOIN = {"id": "bitcoin"}
#: Stands for the address of a contract, which the list of coins tells.
CONTRACT = "0x"
_CONTRACT = {"id": "ethereum", "contract_address": CONTRACT}
_DAY = {"from_": "1795800000", "to": "1795886400"}

ENDPOINTS = (
    Endpoint("/ping", "ping.get", {}),
    Endpoint("/key", "key.get", {}),
    Endpoint(
        "/simple/price",
        "simple.price.get",
        {
            "ids": "bitcoin,ethereum,no-such-coin",
            "vs_currencies": "usd,eur",
            "include_market_cap": True,
            "include_24hr_vol": True,
            "include_24hr_change": True,
            "include_last_updated_at": True,
            "precision": "full",
        }
    ),
    Endpoint("/simple/price?symbols", "simple.price.get", {"symbols": "btc,eth", "vs_currencies": "usd"}),
    Endpoint(
        "/simple/token_price/{platform}",
        "simple.token_price.get_id",
        {"id": "ethereum", "contract_addresses": CONTRACT, "vs_currencies": "usd"},
    ),
    Endpoint("/simple/supported_vs_currencies", "simple.supported_vs_currencies.get", {}),
    Endpoint("/coins/list", "coins.list.get", {}),
    Endpoint("/coins/list?include_platform", "coins.list.get", {"include_platform": True}),
    Endpoint("/coins/list/new", "coins.list.get_new", {}, refused=True),
    Endpoint("/coins/markets", "coins.markets.get", {"vs_currency": "usd"}),
    Endpoint(
        "/coins/markets?sparkline",
        "coins.markets.get",
        {
            "vs_currency": "eur",
            "per_page": 250,
            "page": 2,
            "sparkline": True,
            "price_change_percentage": "1h,24h,7d,14d,30d,200d,1y",
            "order": "volume_desc",
            "locale": "en",
            "precision": "2",
        }
    ),
    Endpoint("/coins/markets?ids", "coins.markets.get", {"vs_currency": "usd", "ids": "bitcoin,ethereum"}),
    Endpoint("/coins/markets?category", "coins.markets.get", {"vs_currency": "usd", "category": "layer-1"}),
    Endpoint("/coins/{id}", "coins.get_id", _BITCOIN),
    Endpoint(
        "/coins/{id}?localization",
        "coins.get_id",
        {**_BITCOIN, "localization": False, "tickers": False, "market_data": True},
    ),
    Endpoint("/coins/{id}/tickers", "coins.tickers.get", _BITCOIN),
    Endpoint("/coins/{id}/history", "coins.history.get", {**_BITCOIN, "date": "2026-06-01"}),
    Endpoint(
        "/coins/{id}/market_chart", "coins.market_chart.get", {**_BITCOIN, "vs_currency": "usd", "days": "30"}
    ),
    Endpoint(
        "/coins/{id}/market_chart/range", "coins.market_chart.get_range", {**_BITCOIN, "vs_currency": "usd", **_DAY}
    ),
    Endpoint("/coins/{id}/ohlc", "coins.ohlc.get", {**_BITCOIN, "vs_currency": "usd", "days": "7"}),
    Endpoint(
        "/coins/{id}/ohlc/range",
        "coins.ohlc.get_range",
        {**_BITCOIN, "vs_currency": "usd", "interval": "daily", **_DAY},
        refused=True,
    ),
    Endpoint("/coins/{id}/contract/{address}", "coins.contract.get", _CONTRACT),
    Endpoint(
        "/coins/{id}/contract/{address}/market_chart",
        "coins.contract.market_chart.get",
        {**_CONTRACT, "vs_currency": "usd", "days": "7"},
    ),
    Endpoint(
        "/coins/{id}/contract/{address}/market_chart/range",
        "coins.contract.market_chart.get_range",
        {**_CONTRACT, "vs_currency": "usd", **_DAY},
    ),
    Endpoint("/coins/categories/list", "coins.categories.get_list", {}),
    Endpoint("/coins/categories", "coins.categories.get", {}),
    Endpoint("/coins/top_gainers_losers", "coins.top_gainers_losers.get", {"vs_currency": "usd"}),
    Endpoint("/search", "search.get", {"query": "bit"}),
    Endpoint("/search/trending", "search.trending.get", {}),
    Endpoint("/global", "global_.get", {}),
    Endpoint("/global/decentralized_finance_defi", "global_.decentralized_finance_defi.get", {}),
    Endpoint("/global/market_cap_chart", "global_.market_cap_chart.get", {"days": "7"}, refused=True),
    Endpoint("/exchange_rates", "exchange_rates.get", {}),
    Endpoint("/exchanges", "exchanges.get", {"per_page": 10}),
    Endpoint("/exchanges/list", "exchanges.get_list", {}),
    Endpoint("/asset_platforms", "asset_platforms.get", {}),
    Endpoint(
        "/token_lists/{platform}/all.json", "token_lists.get_all_json", {"asset_platform_id": "base"}, refused=True
    ),
    Endpoint("/nfts/list", "nfts.get_list", {}, refused=True),
    Endpoint("/derivatives", "derivatives.get", {}, refused=True),
)  # fmt: skip
