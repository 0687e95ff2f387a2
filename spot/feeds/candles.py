"""The feed of candles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from providers.datasets import CANDLE_RANGES, Dataset, Row
from spot.feeds.base import Column, Feed, Params, plain_shape
from spot.feeds.params import VS_CURRENCY, CoinId, Param, Whole
from spot.query.query import Field, Fields
from spot.query.table import Derived, Table, Universe

#: Day in milliseconds.
_DAY = 86_400_000


def _candle_search(row: Row) -> str:
    return datetime.fromtimestamp(row["timestamp"] / 1000, UTC).isoformat()


def candle_table(rows: Sequence[Row]) -> Table:
    """The table of candle rows (`providers.datasets.CANDLE_FIELDS`), oldest first; search looks in the UTC times."""
    return Table(rows, "timestamp", Derived(("timestamp",), _candle_search))


def _candle_universe(table: Table, params: Params) -> Universe:
    """The last `days` days: the provider's range may be longer, and its last candle ends the range."""
    if not len(table):
        return Universe(table, np.empty(0, np.intp))
    opens = table.numbers("timestamp")
    return Universe(table, np.flatnonzero(opens > opens[-1] - params["days"] * _DAY))


_COLUMNS = (
    Column("timestamp", "time", note="when the candle opened"),
    *(Column(name, "number", "vs_currency") for name in ("open", "high", "low", "close")),
    Column("volume", "number", "vs_currency", null=True, note="as `volume_basis` says"),
)


def candle_range(days: int) -> int:
    """The shortest range of providers that covers `days` days."""
    return next(span for span in CANDLE_RANGES if span >= days)


OHLCV = Feed(
    channel="historical-ohlcv",
    purpose="candles of one coin; timestamps are opening times, volume is the rolling 24 h figure",
    params=(
        Param("coin_id", CoinId(), required=True, example="bitcoin"),
        VS_CURRENCY,
        Param("days", Whole(1, 365), 30),
    ),
    fields=Fields(
        [
            Field("timestamp", "timestamp", "number", ("x", "t", "time", "date")),
            *(Field(name, name, "number", (name[0],)) for name in ("open", "high", "low", "close", "volume")),
        ]
    ),
    datasets=lambda params: (
        Dataset("candles", params["vs_currency"], params["coin_id"], candle_range(params["days"])),
    ),
    universe=_candle_universe,
    shape=lambda _params, _extras: plain_shape("candles", _COLUMNS),
    table=candle_table,
    columns=_COLUMNS,
    meta=(
        Column("interval_ms", "integer", "ms", optional=True, note="the length of a candle"),
        Column("volume_basis", "text", optional=True, note="rolling_24h, interval or none"),
    ),
    time_field="timestamp",
)
