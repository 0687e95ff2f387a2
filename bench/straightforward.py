"""Filter, sort, page and encode a list of dicts with nothing but Python: what a careful beginner writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

HEADERS = ["Row", "Logo", "Symbol", "Name", "Price", "24h Change (%)", "Market Cap", "24h Volume", "7d Change (%)"]
COLUMNS = ("logo", "symbol", "name", "price", "price_change_24h", "market_cap", "volume_24h", "price_change_7d")
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "gte": lambda value, bound: value is not None and value >= bound,
    "lt": lambda value, bound: value is not None and value < bound,
}


def select(rows: list[Row], query: dict[str, Any]) -> list[Row]:
    """The page of the rows that match, in the query's order; query values may be text, as in a URL."""
    for field, tests in query.get("filters", {}).items():
        for test, bound in tests.items():
            rows = [row for row in rows if TESTS[test](row[field], bound)]
    if field := query.get("sort_by"):
        descending = query.get("sort_order", "desc") == "desc"
        there = sorted((row for row in rows if row[field] is not None), key=lambda r: r[field], reverse=descending)
        rows = there + [row for row in rows if row[field] is None]
    size = int(query.get("page_size", len(rows) or 1))
    start = (int(query.get("page", 1)) - 1) * size
    return rows[start : start + size]


def cells(rows: list[Row], query: dict[str, Any]) -> list[list[Any]]:
    """The rows as the market table has them; with its chart where the query asks for one."""
    columns = (*COLUMNS[:-1], "sparkline", COLUMNS[-1]) if query.get("sparkline") == "true" else COLUMNS
    first = (int(query.get("page", 1)) - 1) * len(rows) + 1
    return [[first + index, *(row[column] for column in columns)] for index, row in enumerate(rows)]
