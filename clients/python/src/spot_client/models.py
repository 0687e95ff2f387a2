"""Types of what the feeds are asked and answer.

Written by `python -m clients.generate` from the server's declarations: change those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import NotRequired

Feed = Literal[
    "market",
    "coin-heatmap",
    "ticker-tape",
    "top-gainers",
    "top-losers",
    "most-active",
    "historical-ohlcv",
    "listings",
    "onchain",
]
ErrorCode = Literal[
    "bad_message",
    "unknown_field",
    "bad_value",
    "missing_field",
    "body_refused",
    "unknown_coin",
    "unknown_currency",
    "unknown_feed",
    "not_acceptable",
    "upgrade_required",
    "key_required",
    "bad_key",
    "key_revoked",
    "key_expired",
    "bad_ticket",
    "forbidden_origin",
    "forbidden_network",
    "forbidden_channel",
    "too_many_attempts",
    "out_of_credits",
    "plan_changed",
    "too_many_datasets",
    "too_many_queries",
    "too_many_messages",
    "too_many_requests",
    "too_many_connections",
    "overloaded",
    "unavailable",
]
Scalar = str | float | bool | None


#: Operators of a condition.
Tests = TypedDict(
    "Tests",
    {
        "eq": Scalar,
        "ne": Scalar,
        "gt": Scalar,
        "gte": Scalar,
        "lt": Scalar,
        "lte": Scalar,
        "in": Sequence[Scalar],
        "nin": Sequence[Scalar],
        "contains": Scalar,
        "startswith": Scalar,
    },
    total=False,
)
Filters = Mapping[str, Scalar | Sequence[Scalar] | Tests]
#: What a parameter may be; None clears it.
Value = Scalar | Sequence[str] | Filters | datetime


class Stream(TypedDict):
    """A stream that keeps prices fresh between polls."""

    source: str
    label: str
    url: str | None
    coins: int  # coins
    as_of: int  # epoch ms


class Dispute(TypedDict):
    """A streamed price that is held back."""

    id: str
    source: str
    price: float | None  # vs_currency
    shown: float | None  # vs_currency
    percent: float  # %


class Missing(TypedDict):
    """Why a coin is not in the answer."""

    code: Literal["unknown_coin", "no_price", "unavailable"]
    message: str


class Head(TypedDict):
    """The envelope around the rows."""

    type: str
    channel: str
    seq: int
    epoch: str
    version: int
    as_of: int | None  # epoch ms
    fetched_at: int  # epoch ms
    max_age_ms: int
    source: str
    source_label: str
    source_url: str | None
    simulated: bool
    stale: bool
    total: int
    page: int
    pages: int
    universe: NotRequired[int]  # coins
    streams: NotRequired[list[Stream]]
    disputed: NotRequired[list[Dispute]]
    params: dict[str, Any]
    missing: NotRequired[dict[str, Missing]]
    interval_ms: NotRequired[int]  # ms
    volume_basis: NotRequired[str]


class MarketParams(TypedDict):
    """Parameters of `market`; None counts as not given."""

    vs_currency: NotRequired[str | None]
    per_page: NotRequired[int | None]
    sparkline: NotRequired[bool | None]
    price_change_percentage: NotRequired[Sequence[Literal["1h", "24h", "7d", "14d", "30d", "200d", "1y"]] | str | None]
    columns: NotRequired[
        Sequence[
            Literal[
                "market_cap_rank",
                "category",
                "high_24h",
                "low_24h",
                "fully_diluted_valuation",
                "circulating_supply",
                "max_supply",
                "ath",
            ]
        ]
        | str
        | None
    ]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]


#: A row of `market`.
MarketRow = TypedDict(
    "MarketRow",
    {
        "id": str,
        "Row": int,
        "Logo": str,
        "Symbol": str,
        "Name": str,
        "Price": float | None,  # vs_currency
        "24h Change (%)": NotRequired[float | None],  # %
        "Market Cap": float | None,  # vs_currency
        "24h Volume": float | None,  # vs_currency
        "7d Chart": NotRequired[list[float | None] | None],  # vs_currency
        "1h Change (%)": NotRequired[float | None],  # %
        "7d Change (%)": NotRequired[float | None],  # %
        "14d Change (%)": NotRequired[float | None],  # %
        "30d Change (%)": NotRequired[float | None],  # %
        "200d Change (%)": NotRequired[float | None],  # %
        "1y Change (%)": NotRequired[float | None],  # %
        "Rank": NotRequired[int | None],
        "Category": NotRequired[str | None],
        "24h High": NotRequired[float | None],  # vs_currency
        "24h Low": NotRequired[float | None],  # vs_currency
        "FDV": NotRequired[float | None],  # vs_currency
        "Circulating Supply": NotRequired[float | None],  # coins
        "Max Supply": NotRequired[float | None],  # coins
        "ATH": NotRequired[float | None],  # vs_currency
        "as_of": int | None,  # epoch ms
        "stale": bool | None,
    },
)


class CoinHeatmapParams(TypedDict):
    """Parameters of `coin-heatmap`; None counts as not given."""

    vs_currency: NotRequired[str | None]
    per_page: NotRequired[int | None]
    page: NotRequired[int | None]
    price_change_percentage: NotRequired[Sequence[Literal["24h"]] | str | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page_size: NotRequired[int | None]


class CoinHeatmapRow(TypedDict):
    """A row of `coin-heatmap`."""

    size: float | None  # vs_currency
    content: str
    symbol: str
    price_change_24h: float | None  # %
    market_cap: float | None  # vs_currency
    color: str
    id: str
    name: str
    logo: str
    category: str | None
    price: float | None  # vs_currency
    market_cap_rank: int | None
    volume_24h: float | None  # vs_currency
    high_24h: float | None  # vs_currency
    low_24h: float | None  # vs_currency
    price_change_1h: float | None  # %
    price_change_7d: float | None  # %
    price_change_14d: float | None  # %
    price_change_30d: float | None  # %
    price_change_200d: float | None  # %
    price_change_1y: float | None  # %
    as_of: int | None  # epoch ms
    stale: bool | None


class TickerTapeParams(TypedDict):
    """Parameters of `ticker-tape`; None counts as not given."""

    coin_ids: Sequence[str] | str
    vs_currency: NotRequired[str | None]
    price_change_percentage: NotRequired[Sequence[Literal["24h"]] | str | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]


class TickerTapeRow(TypedDict):
    """A row of `ticker-tape`."""

    logo: str
    name: str
    price: float | None  # vs_currency
    symbol_pair: str
    change_pct_24h: float | None  # %
    id: str
    symbol: str
    category: str | None
    market_cap: float | None  # vs_currency
    market_cap_rank: int | None
    volume_24h: float | None  # vs_currency
    high_24h: float | None  # vs_currency
    low_24h: float | None  # vs_currency
    price_change_1h: float | None  # %
    price_change_24h: float | None  # %
    price_change_7d: float | None  # %
    price_change_14d: float | None  # %
    price_change_30d: float | None  # %
    price_change_200d: float | None  # %
    price_change_1y: float | None  # %
    as_of: int | None  # epoch ms
    stale: bool | None


class TopGainersParams(TypedDict):
    """Parameters of `top-gainers`; None counts as not given."""

    vs_currency: NotRequired[str | None]
    per_page: NotRequired[int | None]
    price_change_percentage: NotRequired[Sequence[Literal["1h", "24h", "7d", "14d", "30d", "200d", "1y"]] | str | None]
    min_volume: NotRequired[float | None]
    min_market_cap: NotRequired[float | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]


class TopGainersRow(TypedDict):
    """A row of `top-gainers`."""

    rank: int
    name: str
    logo: str
    symbol: str
    price: float | None  # vs_currency
    market_cap: float | None  # vs_currency
    volume_24h: float | None  # vs_currency
    price_change_1h: float | None  # %
    price_change_24h: float | None  # %
    price_change_7d: float | None  # %
    price_change_14d: float | None  # %
    price_change_30d: float | None  # %
    price_change_200d: float | None  # %
    price_change_1y: float | None  # %
    id: str
    category: str | None
    market_cap_rank: int | None
    high_24h: float | None  # vs_currency
    low_24h: float | None  # vs_currency
    as_of: int | None  # epoch ms
    stale: bool | None
    last_updated: int | None  # epoch ms


class TopLosersParams(TypedDict):
    """Parameters of `top-losers`; None counts as not given."""

    vs_currency: NotRequired[str | None]
    per_page: NotRequired[int | None]
    price_change_percentage: NotRequired[Sequence[Literal["1h", "24h", "7d", "14d", "30d", "200d", "1y"]] | str | None]
    min_volume: NotRequired[float | None]
    min_market_cap: NotRequired[float | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]


class TopLosersRow(TypedDict):
    """A row of `top-losers`."""

    rank: int
    name: str
    logo: str
    symbol: str
    price: float | None  # vs_currency
    market_cap: float | None  # vs_currency
    volume_24h: float | None  # vs_currency
    price_change_1h: float | None  # %
    price_change_24h: float | None  # %
    price_change_7d: float | None  # %
    price_change_14d: float | None  # %
    price_change_30d: float | None  # %
    price_change_200d: float | None  # %
    price_change_1y: float | None  # %
    id: str
    category: str | None
    market_cap_rank: int | None
    high_24h: float | None  # vs_currency
    low_24h: float | None  # vs_currency
    as_of: int | None  # epoch ms
    stale: bool | None
    last_updated: int | None  # epoch ms


class MostActiveParams(TypedDict):
    """Parameters of `most-active`; None counts as not given."""

    vs_currency: NotRequired[str | None]
    per_page: NotRequired[int | None]
    price_change_percentage: NotRequired[Sequence[Literal["1h", "24h", "7d", "14d", "30d", "200d", "1y"]] | str | None]
    min_volume: NotRequired[float | None]
    min_market_cap: NotRequired[float | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]


class MostActiveRow(TypedDict):
    """A row of `most-active`."""

    rank: int
    name: str
    logo: str
    symbol: str
    price: float | None  # vs_currency
    market_cap: float | None  # vs_currency
    volume_24h: float | None  # vs_currency
    price_change_1h: float | None  # %
    price_change_24h: float | None  # %
    price_change_7d: float | None  # %
    price_change_14d: float | None  # %
    price_change_30d: float | None  # %
    price_change_200d: float | None  # %
    price_change_1y: float | None  # %
    id: str
    category: str | None
    market_cap_rank: int | None
    high_24h: float | None  # vs_currency
    low_24h: float | None  # vs_currency
    as_of: int | None  # epoch ms
    stale: bool | None
    last_updated: int | None  # epoch ms


class HistoricalOhlcvParams(TypedDict):
    """Parameters of `historical-ohlcv`; None counts as not given."""

    coin_id: str
    vs_currency: NotRequired[str | None]
    days: NotRequired[int | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]
    start_time: NotRequired[float | str | datetime | None]
    end_time: NotRequired[float | str | datetime | None]
    time_field: NotRequired[str | None]


class HistoricalOhlcvRow(TypedDict):
    """A row of `historical-ohlcv`."""

    timestamp: int  # epoch ms
    open: float  # vs_currency
    high: float  # vs_currency
    low: float  # vs_currency
    close: float  # vs_currency
    volume: float | None  # vs_currency


class ListingsParams(TypedDict):
    """Parameters of `listings`; None counts as not given."""

    cex: NotRequired[Sequence[str] | str | None]
    type: NotRequired[Sequence[str] | str | None]
    ticker: NotRequired[Sequence[str] | str | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]
    start_time: NotRequired[float | str | datetime | None]
    end_time: NotRequired[float | str | datetime | None]
    time_field: NotRequired[str | None]


class ListingsRow(TypedDict):
    """A row of `listings`."""

    id: str
    exchange: str
    type: str
    title: str
    tickers: list[str]
    published_at: int | None  # epoch ms
    detected_at: int | None  # epoch ms
    received_at: int  # epoch ms
    source: str


class OnchainParams(TypedDict):
    """Parameters of `onchain`; None counts as not given."""

    channel: Literal[
        "token_agg_event",
        "transaction",
        "liquidity_event",
        "kline",
        "token_metric",
        "pool_metric",
        "unique_trader",
        "holders_metrics",
        "holder_wallet_update",
    ]
    platform_id: int
    address: str
    interval: NotRequired[str | None]
    filters: NotRequired[Filters | None]
    search: NotRequired[str | None]
    sort_by: NotRequired[str | None]
    sort_order: NotRequired[Literal["asc", "desc"] | None]
    page: NotRequired[int | None]
    page_size: NotRequired[int | None]
    start_time: NotRequired[float | str | datetime | None]
    end_time: NotRequired[float | str | datetime | None]
    time_field: NotRequired[str | None]


class OnchainRow(TypedDict):
    """A row of `onchain`."""

    id: str
    at: int  # epoch ms
    data: Any
