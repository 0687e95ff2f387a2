"""The data of each endpoint, as Python: the functions that the source document names.

Each gives exactly what a socket on its feed shows first, from the shared snapshot of its currency, which is fetched
when there is none or when it is due. They are synchronous: for tasks, commands and notebooks; sockets never call them.

Every function raises `Refused` (a `ValueError` that names the parameter and what is allowed) for bad parameters, and
`providers.errors.ProviderError` (with `permanent` and `retry_after`, in seconds) when nothing could be fetched and
nothing is stored. Prices and caps are in `vs_currency`; changes are percentages (2.34 means 2.34 %); what the provider
does not know is None. Source: CoinGecko's `/coins/markets`, `/coins/{id}/ohlc` and `/coins/{id}/market_chart`, or
whichever provider stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.conf import settings

from providers.datasets import Dataset, Row
from spot import snapshots
from spot.feeds import FEEDS
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from spot.ingest import tasks
from spot.query.columns import Columns
from spot.query.query import ws_apply_filters
from spot.snapshots import Snapshot, now_ms

__all__ = [
    "get_coin_heatmap_data",
    "get_coin_market_data",
    "get_historical_ohlcv",
    "get_ticker_tape_data",
    "list_most_active",
    "list_top_gainers",
    "list_top_losers",
    "ws_apply_filters",
]


def get_coin_market_data(
    vs_currency: str = "usd",
    per_page: int = 250,
    sparkline: bool = True,
    price_change_percentage: str = "24h,7d",
) -> dict[str, Any]:
    """The market table: `{"headers": [...], "rows": [[...], ...]}`, `per_page` (1-500) coins by market cap.

    Columns: Row, Logo, Symbol, Name, Price, 24h Change (%), Market Cap, 24h Volume, 7d Chart (168 hourly prices, oldest
    first; left out without `sparkline`), then one per other window of `price_change_percentage`, in its order.
    """
    return _data("market", locals())


def get_coin_heatmap_data(vs_currency: str = "usd", per_page: int = 250, page: int = 1) -> list[Row]:
    """Tiles: dicts of size (the market cap), content ("BTC 2.34%"), symbol, price_change_24h, market_cap and color
    (green above 0, red below, gray at 0 or unknown), for the `page`-th `per_page` (1-500) coins by market cap."""
    return _data("coin-heatmap", locals())


def get_ticker_tape_data(coin_ids: Sequence[str] | str, vs_currency: str = "usd") -> list[Row]:
    """The coins of a ticker tape, in the order asked for: dicts of logo, symbol_pair ("BTC/USD"), price, change_pct_24h
    and name. `coin_ids`: 1 to 50 provider ids, as a list or comma-separated."""
    coin_ids = coin_ids if isinstance(coin_ids, str) else list(coin_ids)
    return _data("ticker-tape", locals())


def list_top_gainers(
    vs_currency: str = "usd",
    per_page: int = 10,
    price_change_percentage: str = "24h",
    min_volume: float | None = None,
    min_market_cap: float = 0,
) -> list[Row]:
    """The `per_page` (1-250) coins of the fetched universe that gained most over the FIRST window of
    `price_change_percentage`: dicts of rank, name, logo, symbol, price, market_cap, volume_24h and one price_change_*
    per window. Coins without a value are left out; `min_volume` is 50,000 US dollars' worth unless given."""
    return _data("top-gainers", locals())


def list_top_losers(
    vs_currency: str = "usd",
    per_page: int = 10,
    price_change_percentage: str = "24h",
    min_volume: float | None = None,
    min_market_cap: float = 0,
) -> list[Row]:
    """As `list_top_gainers`, for the coins that lost most."""
    return _data("top-losers", locals())


def list_most_active(
    vs_currency: str = "usd",
    per_page: int = 10,
    price_change_percentage: str = "24h",
    min_volume: float | None = None,
    min_market_cap: float = 0,
) -> list[Row]:
    """As `list_top_gainers`, by 24 h volume; `min_volume` is 0 unless given."""
    return _data("most-active", locals())


def get_historical_ohlcv(coin_id: str, vs_currency: str = "usd", days: int = 30) -> list[Row]:
    """The last `days` (1-365) days of a coin: dicts of timestamp (the candle's OPEN, epoch ms), open, high, low, close
    and volume (the rolling 24 h figure at its close, not the candle's own), oldest first. Candles are 30 minutes long
    for 1 day, 4 hours up to 30 days, 4 days beyond."""
    return _data("historical-ohlcv", locals())


def _data(channel: str, params: dict[str, Any]) -> Any:
    given = {name: value for name, value in params.items() if value is not None}
    view = view_of(FEEDS[channel], given, settings.SPOT_DEPTH)
    parts = [_newest(dataset).rows for dataset in view.datasets if not dataset.traits.by_id]
    if coins := view.params.get("coin_ids", ()):
        there = {row["id"] for row in parts[0]}
        if missing := [coin for coin in coins if coin not in there]:
            quotes = view.datasets[-1]
            snapshots.want([quotes], {quotes.currency: missing})
            parts.append(_newest(quotes, missing).rows)
    table = view.feed.table(parts[0] if len(parts) == 1 else Columns.joined(parts))
    return orjson.loads(Answer(view, table).data)


def _newest(dataset: Dataset, needed: Sequence[str] = ()) -> Snapshot:
    """The stored snapshot while it is not due and has the coins needed, else a fresh one."""
    stored = snapshots.load(dataset)
    due = stored is None or not 0 <= now_ms() - stored.fetched_at <= stored.interval_ms
    answered = {row.get("id") for row in stored.rows} | set(stored.meta.get("asked", ())) if stored else set()
    if due or not answered >= set(needed):
        tasks.refresh(dataset)
        stored = snapshots.load(dataset)
    assert stored is not None
    return stored
