"""The data that every contender serves: coins, the frames that show them, and the queries that clients ask."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from providers.datasets import WINDOWS
from spot.dialects.own import read_address
from spot.feeds import FEEDS
from spot.feeds.answer import Answer

Row = dict[str, Any]

PATH = "/tzone_apis/services/spot/ws/market"
#: Where the load generator finds when a message was published: nanoseconds of the monotonic clock, 19 digits.
MARK = "?t="
UNSTAMPED = MARK + "0" * 19
#: The share of rows whose price differs from one snapshot to the next.
CHURN = 0.15
_SYLLABLES = (
    "moon", "inu", "doge", "swap", "fi", "chain", "meta", "ape", "gold", "usd", "wrapped", "staked", "pepe", "token",
    "dao", "net", "ai", "layer", "star", "cat",
)  # fmt: skip
_SORTS = ("price", "volume_24h", "market_cap", *(f"price_change_{window}" for window in WINDOWS))


def coins(count: int, *, sparklines: bool) -> list[Row]:
    """That many coins by market cap, the same at every call."""
    chance = random.Random(7)
    return [_coin(chance, rank, sparklines) for rank in range(1, count + 1)]


def _coin(chance: random.Random, rank: int, sparklines: bool) -> Row:
    price = round(chance.lognormvariate(2, 3), 4)
    cap = round(2e12 / rank**1.3)
    return {
        "id": f"coin-{rank}",
        "symbol": f"C{rank:03d}",
        "name": f"Coin {rank:03d}",
        "logo": f"https://images.example/{rank}.png{UNSTAMPED}",
        "price": price,
        "market_cap": cap,
        "market_cap_rank": rank,
        "fully_diluted_valuation": cap + rank,
        "volume_24h": round(cap * chance.uniform(0.01, 0.2)),
        "high_24h": round(price * 1.02, 4),
        "low_24h": round(price * 0.98, 4),
        **{f"price_change_{window}": round(chance.gauss(0, 5), 5) for window in WINDOWS},
        "circulating_supply": round(cap / price),
        "total_supply": None,
        "max_supply": None,
        "ath": price * 3,
        "atl": price / 9,
        "sparkline": [round(price * chance.uniform(0.9, 1.1), 4) for _ in range(168)] if sparklines else None,
        "last_updated": 1_790_000_000_000,
    }


def others(count: int) -> list[Row]:
    """So many coins that no market shows, as the list of all coins has them."""
    chance = random.Random(11)
    names = [" ".join(chance.choices(_SYLLABLES, k=3)) for _ in range(count)]
    return [
        {"id": f"{name.replace(' ', '-')}-{number}", "symbol": name[:4].strip(), "name": name.title()}
        for number, name in enumerate(names)
    ]


def churn(rows: list[Row], step: int) -> None:
    """Another price for every seventh row or so: which ones depends on the step."""
    every = round(1 / CHURN)
    for row in rows[step % every :: every]:
        row["price"] = round(row["price"] * (1.0001 if step % 2 else 0.9999), 4)


def stamp(rows: list[Row]) -> None:
    """Write the time into every row."""
    now = f"{MARK}{time.monotonic_ns():019d}"
    for row in rows:
        row["logo"] = row["logo"][: row["logo"].index(MARK)] + now


@dataclass(frozen=True)
class Frame:
    """A message of a given size: the snapshot it is made from, and the parameters that show the snapshot whole."""

    kilobytes: int
    count: int
    sparklines: bool
    padding: int

    def rows(self) -> list[Row]:
        """The snapshot."""
        rows = coins(self.count, sparklines=self.sparklines)
        rows[-1]["name"] += "." * self.padding
        return rows

    def query(self) -> dict[str, str]:
        """The view parameters."""
        return {"per_page": str(self.count), "sparkline": str(self.sparklines).lower()}

    def text(self) -> bytes:
        """The message itself, not stamped."""
        return page(self.rows(), urlencode(self.query()))


@cache
def frame(kilobytes: int) -> Frame:
    """The message of that many kilobytes, to the byte: as many coins as fit, and the last one's name made longer.

    Large ones have charts, as the market table does.
    """
    sparklines, target = kilobytes > 64, kilobytes * 1024
    rows = coins(500, sparklines=sparklines)
    count = 1
    while len(Frame(kilobytes, count + 1, sparklines, 0).text()) <= target and count < len(rows):
        count += 1
    return Frame(kilobytes, count, sparklines, target - len(Frame(kilobytes, count, sparklines, 0).text()))


def page(rows: list[Row], query_string: str) -> bytes:
    """What this project sends for a query string."""
    market = FEEDS["market"]
    view, dialect = read_address(market, query_string.encode(), 1000)
    return Answer(view, market.table(rows), extended=dialect.extended).data


def one_query(kilobytes: int, group: int = 0) -> str:
    """The query string that shows a frame; another one, with the same rows, for each group."""
    query = frame(kilobytes).query()
    if group:
        query["filters"] = json.dumps({"market_cap": {"gte": group}})
    return urlencode(query)


def own_query(number: int) -> str:
    """A query that no other number has, over 500 coins: another filter, sort, direction, page and page size."""
    least = round(2e12 / (250 + number % 250) ** 1.3) + number  # half of the coins to all of them
    query = {
        "per_page": 500,
        "sparkline": "false",
        "filters": json.dumps({"market_cap": {"gte": least}, "price_change_24h": {"lt": 40 + number / 7}}),
        "sort_by": _SORTS[number % len(_SORTS)],
        "sort_order": "asc" if number % 3 else "desc",
        "page": 1 + number % 5,
        "page_size": 20 + number % 20,
    }
    return urlencode(query)
