"""The feeds of events: announcements of exchanges, and on-chain events. Pure.

Both show the newest first, and come by stream, not by polls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from providers.datasets import LISTINGS, ONCHAIN_CHANNELS, Dataset, Row
from spot.codes import Refused, bad_value
from spot.feeds.base import Column, Feed, Params, plain_shape
from spot.feeds.params import Choice, Names, Param, Pattern, Whole
from spot.query.jsontext import dumps
from spot.query.query import Field, Fields
from spot.query.table import Derived, Table, Universe

# --- listings --------------------------------------------------------------------------------------------------------


def _tickers(row: Row) -> str:
    return ",".join(row["tickers"])


def listing_table(rows: Sequence[Row]) -> Table:
    """The table of announcements (`providers.datasets.LISTING_FIELDS`), newest first."""

    def text(row: Row) -> str:
        return f"{row['title']} {_tickers(row)} {row['exchange']} {row['type']}"

    reads = ("title", "tickers", "exchange", "type")
    return Table(rows, "id", Derived(reads, text), {"tickers": Derived(("tickers",), _tickers)})


def _listing_universe(table: Table, params: Params) -> Universe:
    exchanges, types, tickers = (params[name] and frozenset(params[name]) for name in ("cex", "type", "ticker"))
    matches = [
        index
        for index, row in enumerate(table.rows(("exchange", "type", "tickers")))
        if (not exchanges or row["exchange"] in exchanges)
        and (not types or row["type"] in types)
        and (not tickers or not tickers.isdisjoint(ticker.lower() for ticker in row["tickers"]))
    ]
    return Universe(table, np.array(matches, dtype=np.intp))


_LISTING_COLUMNS = (
    Column("id", "text", note="the same however often and from wherever it arrives"),
    Column("exchange", "text"),
    Column("type", "text"),
    Column("title", "text", note="the exchange's own words; text, never markup"),
    Column("tickers", "texts", note="what it is about, upper case; may be empty"),
    Column("published_at", "time", null=True, note="when the exchange published it"),
    Column("detected_at", "time", null=True, note="when the provider noticed it"),
    Column("received_at", "time", note="when Spot heard of it"),
    Column("source", "text", note="the provider"),
)

LISTINGS_FEED = Feed(
    channel="listings",
    purpose="announcements of exchanges: what they list, delist and warn of; newest first",
    params=(
        Param("cex", Names("exchanges", ("binance", "upbit"))),
        Param("type", Names("types", ("spot_listing", "spot_delisting"))),
        Param("ticker", Names("tickers", ("BTC", "ETH"))),
    ),
    fields=Fields(
        [
            Field("id", "id", "text"),
            Field("exchange", "exchange", "text", ("cex", "publisher")),
            Field("type", "type", "text", ("listing_type",)),
            Field("title", "title", "text"),
            Field("tickers", "tickers", "text", ("ticker",)),
            Field("published_at", "published_at", "number"),
            Field("detected_at", "detected_at", "number"),
            Field("received_at", "received_at", "number", ("timestamp", "time")),
            Field("source", "source", "text"),
        ]
    ),
    datasets=lambda _params: (LISTINGS,),
    universe=_listing_universe,
    shape=lambda _params, _extras: plain_shape("listings", _LISTING_COLUMNS),
    table=listing_table,
    columns=_LISTING_COLUMNS,
    time_field="received_at",
    events=True,
)


# --- on-chain --------------------------------------------------------------------------------------------------------

#: The channels with intervals.
_IN_INTERVALS = ("kline", "unique_trader")
_ADDRESS = "8 to 100 letters and digits: the token's, or the pool's or the wallet's where the channel is about one"
_INTERVAL = f"such as 1m or 1h; for {' and '.join(_IN_INTERVALS)} only, and required there"


def onchain_table(rows: Sequence[Row]) -> Table:
    """The table of on-chain events (`providers.datasets.ONCHAIN_FIELDS`), newest first; search looks in all of it."""
    return Table(rows, "id", Derived(("data",), lambda row: dumps(row["data"]).decode()))


def _topic(params: Params) -> str:
    """The dataset's topic. Raises `Refused` for an interval where the channel has none, and for a missing one."""
    channel, interval, address = params["channel"], params["interval"], params["address"]
    if (channel in _IN_INTERVALS) is not bool(interval):
        if interval:
            raise bad_value("interval", f"left out: {channel} has none")
        raise Refused("missing_field", f"interval is required for {channel}: {_INTERVAL}.", "interval", _INTERVAL)
    canonical = address.lower() if address[:2].lower() == "0x" else address  # other addresses are case-sensitive
    return ".".join(filter(None, (channel, str(params["platform_id"]), canonical, interval)))


_ONCHAIN_COLUMNS = (
    Column("id", "text"),
    Column("at", "time", note="the time of the event"),
    Column("data", "json", note="the provider's payload, unchanged"),
)

#: USD Coin on the BNB chain.
_SOME_ADDRESS = "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d"
ONCHAIN = Feed(
    channel="onchain",
    purpose="the last 100 events of one on-chain channel, as its provider words them; newest first",
    params=(
        Param("channel", Choice(ONCHAIN_CHANNELS), required=True, example="transaction"),
        Param(
            "platform_id", Whole(1, 999_999_999), note="the provider's number of the chain", required=True, example="14"
        ),
        Param("address", Pattern("[A-Za-z0-9]{8,100}", _ADDRESS), required=True, example=_SOME_ADDRESS),
        Param("interval", Pattern("[0-9]{1,3}[smhdw]", _INTERVAL)),
    ),
    fields=Fields([Field("id", "id", "text"), Field("at", "at", "number", ("timestamp", "time"))]),
    datasets=lambda params: (Dataset("onchain", topic=_topic(params)),),
    universe=lambda table, _params: Universe.of_all(table),
    shape=lambda _params, _extras: plain_shape("onchain", _ONCHAIN_COLUMNS),
    table=onchain_table,
    columns=_ONCHAIN_COLUMNS,
    time_field="at",
    events=True,
)
