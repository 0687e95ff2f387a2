"""What is played: one feed in one dialect from the first frame to the goodbye, and addresses that are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from providers.datasets import LISTINGS, Dataset
from tests.spot.rows import COINS, CURRENCIES, ONCHAIN_TOPIC, USD, Row, candles, events, listings, market

CHART = Dataset("candles", "usd", "bitcoin", 30)
DIALECTS = {"plain": "", "status": "status=1", "envelope": "envelope=1", "delta": "envelope=1&delta=1"}
#: A view of each feed that fills a line, not a screen.
FEEDS = {
    "market": "page_size=2&sparkline=false",
    "coin-heatmap": "page_size=2",
    "ticker-tape": "coin_ids=ethereum,bitcoin,nosuchcoin",
    "top-gainers": "per_page=2&min_volume=0",
    "top-losers": "per_page=2&min_volume=0",
    "most-active": "per_page=2",
    "historical-ohlcv": "coin_id=bitcoin&page_size=2",
    "listings": "page_size=2",
    "onchain": "channel=kline&platform_id=14&address=0xAb5801a7&interval=1m&page_size=2",
}
DATASETS = {"historical-ohlcv": CHART, "listings": LISTINGS, "onchain": ONCHAIN_TOPIC}
REFUSED = (
    "market?per_page=501",
    "market?filters={",
    'market?filters={"nosuch":1}',
    "market?sort_by=nosuch",
    "market?bogus=1",
    "market?delta=1",
    "market?search=%ff",
    "market?vs_currency=xyz",
    "market?envelope=1&page=-1",
    "coin-heatmap?page=5",
    "ticker-tape",
    "ticker-tape?coin_ids=nosuchcoin",
    "historical-ohlcv",
    "historical-ohlcv?coin_id=../..",
    "historical-ohlcv?coin_id=bitc",
    "historical-ohlcv?coin_id=bitcoin&days=366",
    "historical-ohlcv?coin_id=bitcoin&start_time=2&end_time=1",
    "onchain?channel=nosuch&platform_id=1&address=0xAb5801a7",
    "nosuchfeed",
)


@dataclass(frozen=True)
class Store:
    """A worker stores a newer snapshot of the feed's dataset."""

    turn: int
    source: str = "acme"


@dataclass(frozen=True)
class Say:
    """The client says something."""

    message: Any


@dataclass(frozen=True)
class Later:
    """The clock moves on, so that the data are stale."""

    seconds: int = 7200


@dataclass(frozen=True)
class Hear:
    """So many frames come."""

    count: int = 1


Step = Store | Say | Later | Hear


def rows_at(feed: str, turn: int) -> list[Row]:
    """The rows of a feed's dataset in its `turn`-th snapshot: most change, some do not."""
    match feed:
        case "historical-ohlcv":
            return [row | {"close": row["close"] + turn * (n % 2)} for n, row in enumerate(candles(4))]
        case "listings":
            return listings(8)[3 - turn :]  # one more, the newest
        case "onchain":
            return events(8)[3 - turn :]
    rows = [row | {"stale": False} for row in market(6, shift=turn * 1.5)]
    return rows if turn % 2 == 0 else [rows[1], rows[0], *rows[2:]]


def scene(feed: str, dialect: str) -> list[Step]:
    """The steps of one feed in one dialect."""
    told = dialect != "plain"  # of status
    enveloped = dialect in ("envelope", "delta")
    tape = feed == "ticker-tape" and not enveloped
    return [
        Hear(2 if tape else 1),
        Store(1),
        Hear(),
        Say({"page": 2} if feed != "ticker-tape" else {"search": "bit"}),
        Hear(),
        Say({"sort_by": "nosuch"}),
        Hear(),
        Say({"bogus": 1}),
        Hear(),
        Say("not json"),
        Hear(),
        Say({"action": "ping"}),
        Hear(),
        Say({"action": "export", "format": "csv"}),
        Hear(),
        Say({"action": "resync"}),
        Hear(),
        Store(2, source="umbrella"),
        Hear(2 if enveloped else 1),
        Later(),
        Hear((1 if enveloped else 0) + (1 if told else 0)),
        Store(3, source="umbrella"),
        Hear((1 if told else 0) + 1),
    ]


LISTS = {
    CURRENCIES: [{"id": "usd"}, {"id": "eur"}],
    COINS: [{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in market(6)],
}
MARKET = USD
