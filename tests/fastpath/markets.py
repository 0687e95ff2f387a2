"""Arbitrary views, and markets that move arbitrarily."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from spot.dialects.base import Dialect
from spot.dialects.own import read_address
from spot.feeds import FEEDS
from spot.feeds.view import View
from tests.spot.rows import Row, market

OWN = {
    "market": ["", "sparkline=true", "price_change_percentage=1h,7d&sparkline=false", "per_page=9"],
    "coin-heatmap": ["", "per_page=7&page=2", "price_change_percentage=24h"],
    "ticker-tape": ["coin_ids=solana", "coin_ids=bitcoin,ethereum,monero"],
    "top-gainers": ["", "per_page=5&min_volume=0", "price_change_percentage=7d,24h"],
    "top-losers": ["", "min_market_cap=1000000"],
    "most-active": ["", "per_page=3"],
    "historical-ohlcv": ["coin_id=bitcoin&days=30", "coin_id=bitcoin&days=21&time_field=timestamp"],
}
COIN_FILTERS = [{"price": {"gt": 3000}}, {"symbol": ["btc", "ETH"]}, {"name": {"contains": "e"}, "price": {"lte": 1e5}}]
CANDLE_FILTERS = [{"close": {"gte": 110}}, {"timestamp": {"gt": 0}}]
DIALECTS = ["", "status=1", "envelope=1", "envelope=1&delta=1", "envelope=1&delta=1"]
#: What clients say in between: changes, replies, nonsense.
WORDS: list[dict[str, Any]] = [
    {"search": "e"},
    {"search": None, "page_size": 4},
    {"page": 2, "page_size": 5},
    {"page": 0},
    {"nonsense": 1},
    {"action": "export", "format": "csv"},
    {"action": "resync"},
]


@st.composite
def targets(draw: st.DrawFn, feeds: tuple[str, ...] = tuple(OWN), dialects: tuple[str, ...] = tuple(DIALECTS)) -> str:
    """A feed with a query string."""
    feed = draw(st.sampled_from(feeds))
    candles = feed == "historical-ohlcv"
    own = draw(st.sampled_from(OWN[feed]))
    view = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "filters": st.sampled_from(CANDLE_FILTERS if candles else COIN_FILTERS).map(json.dumps),
                "search": st.sampled_from(["2024", "x"] if candles else ["b", "COIN", "e", "straße"]),
                "sort_by": st.sampled_from(["close", "volume"] if candles else ["price", "name", "market_cap"]),
                "sort_order": st.sampled_from(["asc", "desc"]),
                "page_size": st.sampled_from([1, 3, 10]),
            },
        )
    )
    if "sort_by" not in view:
        view.pop("sort_order", None)
    if "page=" not in own and "page_size" in view:
        view["page"] = draw(st.sampled_from([1, 2]))
    parts = [own, draw(st.sampled_from(dialects)), *(f"{name}={quote(str(value))}" for name, value in view.items())]
    return f"{feed}?{'&'.join(part for part in parts if part)}"


def asked(target: str) -> tuple[View, Dialect]:
    """The view that a target asks for, and its dialect."""
    feed, _, query = target.partition("?")
    return read_address(FEEDS[feed], query.encode(), 1000)


class Moment(NamedTuple):
    """A market at one time: coins come, go, change, lose values, or stay as they were."""

    count: int
    shift: float
    seed: int
    facts: dict[str, Any]

    @property
    def rows(self) -> list[Row]:
        chance = random.Random(self.seed)
        rows = market(self.count, self.shift)
        for row in rows:
            if chance.random() < 0.2:
                row["price"] = chance.choice([None, 0.0, 1e-9, 5e15, chance.random()])
            if chance.random() < 0.1:
                row["name"] = chance.choice(["Straße", "🚀 Moon", 'quo"te', "null\x00byte", "=cmd"])
        return [row for row in rows if chance.random() > 0.1] or rows


def moments() -> st.SearchStrategy[Moment]:
    """Markets and the facts of their snapshots."""
    facts: list[dict[str, Any]] = [{}, {}, {"age_ms": 3_600_000}, {"source": "umbrella"}]
    return st.builds(
        Moment,
        st.sampled_from([3, 12, 12, 30]),
        st.sampled_from([0.0, 0.0, 1.5, -2.25]),
        st.integers(0, 20),
        st.sampled_from(facts),
    )
