"""What CoinGecko's adapter and a dialect of it both need: its names of categories, its charts as points, and the closed
table of the documents that are passed on whole. Pure.

The name of a document is its path with its query, in one canonical form, such as `coins/bitcoin/tickers?page=2`, so
that equal requests are one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

Number = float | int
#: Epoch milliseconds, price, market cap or None, volume of the 24 hours before or None.
Point = list[Any]

#: Our category: theirs.
CATEGORIES = {
    "memes": "meme-token",
    "gaming": "gaming",
    "ai": "artificial-intelligence",
    "privacy": "privacy-coins",
    "oracles": "oracle",
    "layer-2": "layer-2",
    "stablecoins": "stablecoins",
    "defi": "decentralized-finance-defi",
    "exchange-tokens": "exchange-based-tokens",
    "layer-1": "layer-1",
    "real-world-assets": "real-world-assets-rwa",
}


def chart_points(
    prices: Mapping[int, Number], caps: Mapping[int, Number], volumes: Mapping[int, Number]
) -> list[Point]:
    """The three series of a chart by time as one, in the order of the prices; the series have equal times upstream."""
    return [[at, value, caps.get(at), volumes.get(at)] for at, value in prices.items()]


def by_candle(points: Sequence[Point], opens: Sequence[int]) -> list[list[Point]]:
    """The points of each candle, by their open times in order: earlier ones go to the first, later ones to the last, so
    that all candles together have the whole chart."""
    parts: list[list[Point]] = [[] for _ in opens]
    for point in points:
        parts[max(0, bisect_right(opens, point[0]) - 1)].append(point)
    return parts


# --- documents --------------------------------------------------------------------------------------------------------
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
#: How long an answer that cannot change any more is served, and one that refuses.
FINAL_SECONDS, REFUSED_SECONDS = 7 * _DAY, _MINUTE
#: The longest name: a hundred addresses.
_LONGEST_NAME = 5000
#: Finished days and hours are published within so many seconds.
_SETTLING = 2400.0


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter: the form of its values, whether it is a comma list of them, whether letter case matters, and the
    value that goes without saying."""

    form: str
    listed: bool = False
    cased: bool = False
    default: str = ""

    def canonical(self, text: str) -> str:
        """The value as names have it. Raises `ValueError`."""
        text = text.strip() if self.cased else text.strip().lower()
        parts = sorted({part.strip() for part in text.split(",") if part.strip()}) if self.listed else [text]
        if not parts or not all(re.fullmatch(self.form, part) for part in parts):
            raise ValueError(f"{text[:40]!r} is not {self.form}")
        return ",".join(parts)


def _never(_params: Mapping[str, str], _now_s: float) -> bool:
    return False


def _past_day(params: Mapping[str, str], now_s: float) -> bool:
    day, month, year = map(int, params["date"].split("-"))
    return datetime(year, month, day, tzinfo=UTC).timestamp() + _DAY + _SETTLING < now_s


def _past_range(params: Mapping[str, str], now_s: float) -> bool:
    return float(params["to"]) + _DAY + _SETTLING < now_s


@dataclass(frozen=True)
class Document:
    """A path that is passed on: the arguments that it takes, those that it needs, and the parameters sent with every
    call, so that a dialect cuts what its client wants from one answer. `seconds` is how long an answer is served, on
    public and on paid plans; `final(params, now)` whether it cannot change any more (epoch seconds)."""

    path: str
    seconds: tuple[float, float]
    takes: Mapping[str, Argument] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    always: Mapping[str, str] = field(default_factory=dict)
    final: Callable[[Mapping[str, str], float], bool] = _never

    @cached_property
    def form(self) -> re.Pattern[str]:
        """The form of its paths, with a group for each part."""
        return re.compile(re.sub(r"\{(\w+)\}", lambda part: f"(?P<{part[1]}>{_PARTS[part[1]]})", self.path))


_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_ADDRESS = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}"
_PARTS = {"id": _NAME, "platform": _NAME, "address": _ADDRESS.replace("/", "")}
#: Other paths below `coins/`.
_NO_COINS = ("list", "markets", "categories", "top_gainers_losers")
_FLAG, _PAGE = Argument("true|false", default="false"), Argument("[1-9][0-9]{0,5}", default="1")
_CURRENCY, _CURRENCIES = Argument("[a-z0-9]{2,10}"), Argument("[a-z0-9]{2,10}", listed=True)
_PRECISION = Argument("full|1?[0-9]")
_DEX = Argument("contract_address|symbol", default="contract_address")
_INTERVAL = Argument("5m|hourly|daily")
_DAYS = Argument("max|[0-9]{1,5}")
_STAMP = Argument("[0-9]{1,12}")
_WORDS = Argument(r"[^,\x00-\x1f]{1,100}", listed=True)
_COIN = {
    "localization": "true",
    "tickers": "true",
    "market_data": "true",
    "community_data": "true",
    "developer_data": "true",
    "sparkline": "true",
    "include_categories_details": "true",
}
_CHART = {"vs_currency": _CURRENCY, "days": _DAYS, "interval": _INTERVAL, "precision": _PRECISION}
_RANGE = {"vs_currency": _CURRENCY, "from": _STAMP, "to": _STAMP, "interval": _INTERVAL, "precision": _PRECISION}
_PRICES = dict.fromkeys(
    ("include_market_cap", "include_24hr_vol", "include_24hr_change", "include_last_updated_at"), "true"
)

#: Every document there is. Where two forms fit a path, the first counts.
DOCUMENTS = (
    Document("global", (600.0, 600.0)),
    Document("global/decentralized_finance_defi", (600.0, 600.0)),
    Document("search/trending", (600.0, 600.0)),
    Document("search", (900.0, 900.0), {"query": Argument(r"[^\x00-\x1f]{1,100}")}, ("query",)),
    Document("exchange_rates", (300.0, 60.0)),
    Document("exchanges", (_MINUTE, _MINUTE), {"per_page": Argument("[1-9][0-9]{0,2}", default="100"), "page": _PAGE}),
    Document("exchanges/list", (_HOUR, 300.0)),
    Document("asset_platforms", (_DAY, _DAY), {"filter": Argument("nft")}),
    Document("coins/categories", (300.0, 300.0), {"order": Argument("[a-z0-9_]{1,40}", default="market_cap_desc")}),
    Document("coins/categories/list", (_DAY, _DAY)),
    Document(
        "coins/markets",
        (60.0, 45.0),
        {
            "vs_currency": _CURRENCY,
            "ids": Argument(_NAME, listed=True),
            "names": _WORDS,
            "symbols": _WORDS,
            "include_tokens": Argument("top|all", default="top"),
            "category": Argument(_NAME),
            "order": Argument("[a-z0-9_]{1,40}", default="market_cap_desc"),
            "per_page": Argument("[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|250", default="100"),
            "page": _PAGE,
            "sparkline": _FLAG,
            "price_change_percentage": Argument("1h|24h|7d|14d|30d|200d|1y", listed=True),
            "locale": Argument("[a-z]{2}(-[a-z]{2})?", default="en"),
            "precision": _PRECISION,
            "include_rehypothecated": _FLAG,
        },
        ("vs_currency",),
    ),
    Document(
        "simple/token_price/{platform}",
        (60.0, 20.0),
        {
            "contract_addresses": Argument(_ADDRESS, listed=True, cased=True),
            "vs_currencies": _CURRENCIES,
            "precision": _PRECISION,
        },
        ("contract_addresses", "vs_currencies"),
        _PRICES,
    ),
    Document("coins/{id}", (60.0, 60.0), {"dex_pair_format": _DEX}, (), _COIN),
    Document(
        "coins/{id}/tickers",
        (120.0, 120.0),
        {
            "exchange_ids": Argument(_NAME, listed=True),
            "include_exchange_logo": _FLAG,
            "page": _PAGE,
            "order": Argument("trust_score_(?:desc|asc)|volume_(?:desc|asc)", default="trust_score_desc"),
            "depth": _FLAG,
            "dex_pair_format": _DEX,
        },
    ),
    Document(
        "coins/{id}/history",
        (1800.0, 1800.0),
        {"date": Argument("(?:0[1-9]|[12][0-9]|3[01])-(?:0[1-9]|1[0-2])-20[0-9]{2}")},
        ("date",),
        {"localization": "true"},
        _past_day,
    ),
    Document("coins/{id}/market_chart", (300.0, 300.0), _CHART, ("vs_currency", "days")),
    Document("coins/{id}/market_chart/range", (1800.0, 1800.0), _RANGE, ("vs_currency", "from", "to"), {}, _past_range),
    Document("coins/{platform}/contract/{address}", (60.0, 60.0), {}, (), _COIN),
    Document("coins/{platform}/contract/{address}/market_chart", (300.0, 300.0), _CHART, ("vs_currency", "days")),
    Document(
        "coins/{platform}/contract/{address}/market_chart/range",
        (1800.0, 1800.0),
        _RANGE,
        ("vs_currency", "from", "to"),
        {},
        _past_range,
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """A document that is asked for: the parts of its path, and its parameters without those always sent."""

    document: Document
    parts: Mapping[str, str]
    params: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its canonical name."""
        path = self.document.path.format(**{part: quote(text, safe="") for part, text in self.parts.items()})
        query = urlencode(sorted(self.params.items()), quote_via=quote, safe=",")
        return f"{path}?{query}" if query else path

    def lasts(self, status: int, now_s: float, *, paid: bool) -> float:
        """Seconds for which an answer of that status is served, at that time (epoch seconds)."""
        if status != 200:
            return REFUSED_SECONDS
        return FINAL_SECONDS if self.document.final(self.params, now_s) else self.document.seconds[paid]


def request(path: str, params: Mapping[str, str]) -> Request:
    """The document at that path (with or without slashes around it) with these parameters, empty ones left out. Raises
    `ValueError` with the name of a parameter that is missing, unknown or of another form, and for another path."""
    document, parts = _at(path.strip("/"))
    given = {name: value for name, value in params.items() if value}
    if wrong := [name for name in given if name not in document.takes]:
        raise ValueError(f"{document.path} takes no {wrong[0]}")
    if missing := [name for name in document.needs if name not in given]:
        raise ValueError(f"{document.path} needs {missing[0]}")
    values = {}
    for name, text in given.items():
        argument = document.takes[name]
        try:
            value = argument.canonical(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if value != argument.default:
            values[name] = value
    asked = Request(document, parts, values)
    if len(asked.name) > _LONGEST_NAME:
        raise ValueError(f"{document.path}: the parameters are longer than {_LONGEST_NAME} letters")
    try:
        document.final(values, 0.0)
    except ValueError:
        raise ValueError("date: there is no such day") from None
    return asked


def _at(path: str) -> tuple[Document, Mapping[str, str]]:
    for document in DOCUMENTS:
        if (match := document.form.fullmatch(path)) and match.groupdict().get("id") not in _NO_COINS:
            return document, match.groupdict()
    raise ValueError(f"{path[:60]!r} is no document")


@lru_cache(maxsize=4096)
def named(name: str) -> Request:
    """The document of that name. Raises `ValueError` when it is none, or not in the canonical form."""
    path, _, query = name.partition("?")
    asked = request("/".join(map(unquote, path.split("/"))), dict(parse_qsl(query)))
    if asked.name != name:
        raise ValueError(f"{name[:60]!r} is not the canonical form of a document")
    return asked
