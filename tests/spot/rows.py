"""Rows as providers make them, by hand and by hypothesis, and the live query written the slow and obvious way."""

import math
from typing import Any

from hypothesis import strategies as st

from providers.datasets import COIN_FIELDS, WINDOWS, Dataset, Fetched
from providers.facts import Facts
from spot import snapshots

Row = dict[str, Any]
USD = Dataset("markets", "usd")
FACTS = Facts(
    epoch="e1",
    version=7,
    as_of=1_700_000_000_000,
    fetched_at=1_700_000_001_000,
    max_age_ms=60_000,
    source="acme",
    label="Acme",
    simulated=False,
)
CURRENCIES, COINS = Dataset("currencies"), Dataset("coins")
NAMES = ("Bitcoin", "Ethereum", "Tether", "Solana", "Dogecoin", "Monero", "Stellar", "Chainlink", "Uniswap", "Maker")
SYMBOLS = ("BTC", "ETH", "USDT", "SOL", "DOGE", "XMR", "XLM", "LINK", "UNI", "MKR")


def coin(id_: str, **fields: Any) -> Row:
    """A coin row; what is not given has no value."""
    row: Row = dict.fromkeys(COIN_FIELDS)
    return (
        row | {"id": id_, "symbol": id_[:4].upper(), "name": id_.title(), "logo": f"https://x.test/{id_}.png"} | fields
    )


def market(count: int = 10, shift: float = 0.0) -> list[Row]:
    """`count` coins by market cap; `shift` moves every price and change."""
    rows = []
    for index in range(count):
        turn, name = divmod(index, len(NAMES))
        cap = 1_000_000_000_000 / (index + 1)
        rows.append(
            coin(
                f"{NAMES[name].lower()}{turn or ''}",
                symbol=SYMBOLS[name],
                name=f"{NAMES[name]}{turn or ''}",
                price=round(cap / 1e7 + shift, 6),
                market_cap=round(cap),
                market_cap_rank=index + 1,
                volume_24h=round(cap / (7 + index % 3)),
                high_24h=cap / 9e6,
                low_24h=cap / 1.1e7,
                sparkline=[cap / 1e7, cap / 1e7 + shift, None],
                last_updated=1_700_000_000_000 + index,
                **{
                    f"price_change_{window}": round((-1) ** index * (index + 1.25) + n + shift, 4)
                    for n, window in enumerate(WINDOWS)
                },
            )
        )
    return rows


def candles(count: int, step: int = 1_800_000, end: int = 1_720_000_000_000) -> list[Row]:
    """`count` candles, oldest first; the last opens at `end`."""
    first = end - (count - 1) * step
    return [
        {
            "timestamp": first + n * step,
            "open": 100.0 + n,
            "high": 110.0 + n,
            "low": 90.0 + n,
            "close": 105.0 + n,
            "volume": 5e9 + n,
        }
        for n in range(count)
    ]


def listings(count: int, end: int = 1_720_000_000_000) -> list[Row]:
    """`count` announcements, newest first; the newest was received at `end`."""
    exchanges, types = ("binance", "upbit", "bithumb"), ("spot_listing", "spot_delisting")
    return [
        {
            "id": f"a{n}",
            "exchange": exchanges[n % 3],
            "type": types[n % 2],
            "title": f"{exchanges[n % 3].title()} announces {SYMBOLS[n % 10]}",
            "tickers": [SYMBOLS[n % 10], f"T{n}"],
            "published_at": None if n % 2 else end - n * 60_000 - 500,
            "detected_at": end - n * 60_000 - 100,
            "received_at": end - n * 60_000,
            "source": "acme",
        }
        for n in range(count)
    ]


def events(count: int, end: int = 1_720_000_000_000) -> list[Row]:
    """`count` on-chain events, newest first."""
    return [{"id": f"e{n}", "at": end - n * 1000, "data": {"c": 1.5 + n, "tx": f"0x{n}"}} for n in range(count)]


#: What feeds cannot be asked without.
REQUIRED: dict[str, dict[str, Any]] = {
    "ticker-tape": {"coin_ids": "bitcoin,tether"},
    "historical-ohlcv": {"coin_id": "bitcoin"},
    "onchain": {"channel": "kline", "platform_id": 14, "address": "0xAb5801a7", "interval": "1m"},
}
ONCHAIN_TOPIC = Dataset("onchain", topic="kline.14.0xab5801a7.1m")


def rows_of(channel: str, count: int) -> list[Row]:
    """`count` rows of the kind that a feed shows."""
    return {"historical-ohlcv": candles, "listings": listings, "onchain": events}.get(channel, market)(count)


def fetched(
    dataset: Dataset, rows: list[Row], *, age_ms: int = 0, simulated: bool = False, source: str = "acme", **fields: Any
) -> Fetched:
    """What a provider called Acme answered `age_ms` ago."""
    at = snapshots.now_ms() - age_ms
    source = "sham" if simulated else source
    facts = {"as_of": at, "fetched_at": at, "source": source, "label": source.title(), "simulated": simulated}
    return Fetched(dataset, rows, 1, **facts | fields)


# --- arbitrary rows ---------------------------------------------------------------------------------------------------

numbers = st.one_of(
    st.none(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-308, 5e-324, 1e15, 1.7976931348623157e308, -1.5, 2, 2.0]),
)
words = st.one_of(
    st.sampled_from(["BTC", "btc", "Straße", "STRASSE", "比特币", "🚀moon", "z\u200bw", "a b", "İ", "ﬀ", ""]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
)


@st.composite
def coin_rows(draw: st.DrawFn, max_size: int = 12) -> list[Row]:
    """Coins with any values: missing, tiny, huge, equal, in any script."""
    ids = draw(st.lists(st.text("abz09-", min_size=1, max_size=4), unique=True, max_size=max_size))
    ids = [f"c{text}" for text in ids]
    return [
        coin(
            id_,
            symbol=draw(words).upper() or "X",
            name=draw(words),
            price=draw(numbers),
            market_cap=draw(numbers),
            price_change_24h=draw(numbers),
            last_updated=draw(st.sampled_from([None, 1, 2])),
            stale=draw(st.sampled_from([None, True, False])),
        )
        for id_ in ids
    ]


# --- the reference ----------------------------------------------------------------------------------------------------


def holds(value: Any, operator: str, wish: Any) -> bool:
    """One test of one value, as the documentation words it."""
    fold = lambda one: one.casefold() if isinstance(one, str) else one  # noqa: E731
    value = fold(value)
    if operator in ("in", "nin"):
        return (value in [fold(one) for one in wish]) == (operator == "in")
    wish = fold(wish)
    if operator in ("eq", "ne"):
        return (value == wish) == (operator == "eq")
    if value is None:
        return False
    return {
        "gt": lambda: value > wish,
        "gte": lambda: value >= wish,
        "lt": lambda: value < wish,
        "lte": lambda: value <= wish,
        "contains": lambda: wish in value,
        "startswith": lambda: value.startswith(wish),
    }[operator]()


def naive(
    rows: list[Row],
    *,
    tests: list[tuple[str, str, Any]] = (),  # type: ignore[assignment]
    search: str = "",
    sort: tuple[str, bool] | None = None,
    page: int = 1,
    size: int | None = None,
) -> tuple[list[Row], int, int]:
    """The rows of a page, the total and the number of pages."""
    needle = search.strip().casefold()
    found = [
        row
        for row in rows
        if all(holds(row[field], operator, wish) for field, operator, wish in tests)
        and needle in f"{row['name']} {row['symbol']} {row['id']}".casefold().replace("\n", " ")
    ]
    if sort is not None:
        field, descending = sort
        found.sort(key=lambda row: row["id"])
        present = [row for row in found if row[field] is not None]
        present.sort(
            key=lambda row: row[field].casefold() if isinstance(row[field], str) else row[field], reverse=False
        )
        if descending:  # reversed values, but equal ones still by id
            groups: dict[Any, list[Row]] = {}
            for row in present:
                groups.setdefault(row[field].casefold() if isinstance(row[field], str) else row[field], []).append(row)
            present = [row for value in reversed(groups) for row in groups[value]]
        found = present + [row for row in found if row[field] is None]
    size = size or max(len(found), 1)
    pages = max(1, math.ceil(len(found) / size))
    start = (min(page, pages) - 1) * size
    return found[start : start + size], len(found), pages
