"""The query side: decode a snapshot, evaluate a query, encode its page; ours, a list of dicts, numpy without memory."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from bench import market
from bench.straightforward import cells, select
from providers.datasets import BLOCK
from spot.dialects.envelope import Envelope
from spot.dialects.own import read_address
from spot.dialects.values import Delta, Facts, Page
from spot.feeds import FEEDS, Feed
from spot.feeds.answer import Answer
from spot.feeds.view import View
from spot.query.columns import Columns
from spot.query.query import Query, parse_query
from spot.query.table import Table, Universe

SIZES = (500, 5000, 20_000)
MARKET = FEEDS["market"]
Row = dict[str, Any]


def measured(call: Callable[[int], object], seconds: float = 0.3, least: int = 5) -> float:
    """Median microseconds of a call, which is given the number of its turn."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < least or (time.perf_counter() < end and len(taken) < 20_000):
        start = time.perf_counter_ns()
        call(len(taken))
        taken.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(taken)


def parameters(number: int, count: int) -> dict[str, Any]:
    """A query for a page of 20 coins; each number has a filter of its own, which half of the coins or more pass."""
    least = round(2e12 / (count / 2 + number % (count // 2)) ** 1.3) + number
    return {
        "filters": json.dumps({"market_cap": {"gte": least}}),
        "sort_by": "price_change_7d",
        "page": 2,
        "page_size": 20,
    }


def _ours(number: int, count: int) -> Query:
    return parse_query(parameters(number, count), MARKET.fields)


def _answer(table: Table, query: Query) -> bytes:
    """The page, encoded, of every row in the table: what `Answer` does for the market, whatever per_page's limit is."""
    universe = table.memo("bench", lambda: Universe(table, np.arange(len(table), dtype=np.intp)))
    return Answer(_Everything(_VIEW, query, universe), table).data  # type: ignore[arg-type]


_VIEW: View = read_address(MARKET, b"sparkline=false", 1000)[0]


class _Everything:
    """A view of the market whose universe is a whole table, of any size."""

    def __init__(self, view: View, query: Query, universe: Universe) -> None:
        self.feed: Feed = view.feed
        self.params, self.shape, self.table_head = view.params, view.shape, view.table_head
        self.query = query
        self._universe = universe

    def universe(self, _table: Table) -> Universe:
        return self._universe


def _with_numpy(columns: dict[str, Any], rows: Sequence[Row], query: dict[str, Any]) -> bytes:
    """Columns as arrays, everything else anew for each query; orjson."""
    bound = json.loads(query["filters"])["market_cap"]["gte"]
    found = np.flatnonzero(columns["market_cap"] >= bound)
    order = found[np.argsort(-columns[query["sort_by"]][found], kind="stable")]
    page = order[20:40].tolist()
    return orjson.dumps(cells([rows[index] for index in page], query))


def compare(count: int, *, sparklines: bool = False) -> list[tuple[str, float, float, float]]:
    """Lines (what, ours, list of dicts, numpy without memory), in microseconds."""
    body = orjson.dumps(market.coins(count, sparklines=sparklines))
    stored = Columns.pack(market.coins(count, sparklines=sparklines))
    rows = Columns.unpack(*stored)
    table = MARKET.table(rows)
    columns = {name: np.array([row[name] for row in rows]) for name in ("market_cap", "price_change_7d")}
    queries = [_ours(number, count) for number in range(5000)]
    plain = [
        parameters(number, count) | {"filters": {"market_cap": {"gte": _bound(number, count)}}}
        for number in range(5000)
    ]
    raw = [parameters(number, count) for number in range(5000)]
    fresh = [MARKET.table(rows) for _ in range(12)]
    return [
        (
            "decode a snapshot",
            measured(lambda _turn: MARKET.table(Columns.unpack(*stored))),
            measured(lambda _turn: json.loads(body)),
            measured(lambda _turn: _columns(orjson.loads(body))),
        ),
        (
            "first query after it, page of 20, encoded",
            measured(lambda turn: _answer(fresh[turn], queries[turn]), least=12, seconds=0),
            measured(lambda turn: json.dumps(cells(select(rows, plain[turn % 5000]), plain[turn % 5000]))),
            measured(lambda turn: _with_numpy(columns, rows, raw[turn % 5000])),
        ),
        (
            "another query, page of 20, encoded",
            measured(lambda turn: _answer(table, queries[turn % 5000])),
            measured(lambda turn: json.dumps(cells(select(rows, plain[turn % 5000]), plain[turn % 5000]))),
            measured(lambda turn: _with_numpy(columns, rows, raw[turn % 5000])),
        ),
        (
            "a query whose filter is known",
            measured(lambda _turn: _answer(table, queries[0])),
            measured(lambda _turn: json.dumps(cells(select(rows, plain[0]), plain[0]))),
            measured(lambda _turn: _with_numpy(columns, rows, raw[0])),
        ),
    ]


def _bound(number: int, count: int) -> float:
    return float(json.loads(parameters(number, count)["filters"])["market_cap"]["gte"])


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    numbers = ("price", "market_cap", "volume_24h", "price_change_24h", "price_change_7d")
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in numbers}


def delta_bytes() -> tuple[int, int]:
    """Bytes of a change of 15 % of the coins' prices, and of the whole frame, 250 coins on a page."""
    view, _ = read_address(MARKET, b"envelope=1&delta=1&sparkline=false", 1000)
    rows = market.coins(BLOCK, sparklines=False)
    before = Answer(view, MARKET.table([dict(row) for row in rows]), extended=True)
    market.churn(rows, 1)
    after = Answer(view, MARKET.table(rows), extended=True)
    times = {"as_of": 1_790_000_000_000, "fetched_at": 1_790_000_000_000, "max_age_ms": 150_000}
    facts = Facts(epoch="e", version=2, source="bench", label="Bench", simulated=False, **times)
    old, new, dialect = Page(before, facts, 1, False, {}), Page(after, facts, 2, False, {}), Envelope(deltas=True)
    return len(dialect.write(Delta(old, new)) or b""), len(dialect.write(new) or b"")
