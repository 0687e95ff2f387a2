"""The feed of candles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from providers.datasets import CANDLE_RANGES, Dataset, Row
from spot.feeds.base import Column, Feed, Params, Shape, plain_shape
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

_CHART_SHAPE = Shape(
    ("chart",),
    ("points",),
    lambda values: (values[0] or "null").encode(),
    None,
    lambda row, _place: {"points": orjson.loads((row["points"] or "null").encode())},
)
#: The finer chart behind the candles, for protocols that have one. It has no path of its own, and only who shows it
#: reads it from the store. Its days are a range of providers or cut from the next longer one: `chart`.
CHART = replace(
    OHLCV,
    channel="chart",
    purpose="the chart behind the candles: prices, market caps and volumes",
    universe=lambda table, _params: Universe.of_all(table),
    shape=lambda _params, _extras: _CHART_SHAPE,
    columns=(Column("points", "json", null=True, note="as in `providers.datasets.CANDLE_FIELDS`"),),
    meta=(),
)


def chart(table: Table, days: int) -> list[list[Any]]:
    """The points of the last `days` days in the provider's order: time (epoch ms), price, market cap and volume of 24
    hours, the last two or None. Of a table of candles with their points."""
    points: list[list[Any]] = table.memo(
        "chart", lambda: [point for text in table.column("points") if text for point in orjson.loads(text.encode())]
    )
    if not points or days == candle_range(days):
        return points
    first = max(at for at, *_ in points) - days * _DAY
    return [point for point in points if point[0] > first]
