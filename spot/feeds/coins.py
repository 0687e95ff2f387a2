"""The feeds of coins: market table, heatmap, ticker tape; and the rows that they share with the movers. Pure.

`extras` are the fields that the envelope adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from providers.datasets import BLOCK, WINDOWS, Dataset, Row
from spot.feeds.base import Column, Feed, Params, Shape
from spot.feeds.params import ONLY_24H, SOME_WINDOWS, VS_CURRENCY, CoinIds, Param, Truth, Whole, Words
from spot.query.jsontext import dumps, dumps_row
from spot.query.query import Field, Fields
from spot.query.table import Derived, Order, Table, Universe

# --- rows of all coin feeds ------------------------------------------------------------------------------------------


def _money(name: str) -> Column:
    return Column(name, "number", "vs_currency", null=True)


_CHANGES = {window: Column(f"price_change_{window}", "number", "%", null=True) for window in WINDOWS}
#: The columns of every coin in the envelope, in their order.
_COIN = {column.name: column for column in (
    Column("id", "text"),
    Column("symbol", "text"),
    Column("name", "text"),
    Column("logo", "text"),
    Column("category", "text", null=True),
    _money("price"),
    _money("market_cap"),
    Column("market_cap_rank", "integer", null=True),
    _money("volume_24h"),
    _money("high_24h"),
    _money("low_24h"),
    *_CHANGES.values(),
)}  # fmt: skip
#: The age of a row's price: the names in the envelope, and the columns.
_AGE = (("as_of", "last_updated"), ("stale", "stale"))
_AGE_COLUMNS = (
    Column("as_of", "time", null=True, note="the provider's time of the price"),
    Column("stale", "boolean", null=True, note="whether the price is too old"),
)
EXTRAS = (*_COIN.values(), *_AGE_COLUMNS)
#: What the envelope's head says of coins: how many the provider ranks, whose streams keep prices fresh, and which
#: streamed prices are held back.
COIN_META = (
    Column("universe", "integer", "coins", optional=True, note="how many coins the provider ranks"),
    Column("streams", "rows", optional=True, note="whose stream keeps prices fresh between polls", of=(
        Column("source", "text"),
        Column("label", "text"),
        Column("url", "text", null=True),
        Column("coins", "integer", "coins"),
        Column("as_of", "time"),
    )),
    Column("disputed", "rows", optional=True, note="streamed prices too far from the one shown", of=(
        Column("id", "text"),
        Column("source", "text"),
        _money("price"),
        _money("shown"),
        Column("percent", "number", "%"),
    )),
)  # fmt: skip


def coin_columns(*names: str) -> tuple[Column, ...]:
    """The columns of these names."""
    return tuple(_COIN[name] for name in names)


def changes_on_demand() -> tuple[Column, ...]:
    """The price changes of the windows that a client may ask for."""
    return tuple(replace(column, optional=True) for column in _CHANGES.values())


def _label(row: Row) -> str:
    """`BTC 2.34%`, `BTC -1.20%`, or the symbol alone when the change is unknown."""
    change = row["price_change_24h"]
    return row["symbol"] if change is None else f"{row['symbol']} {round(change, 2) + 0.0:.2f}%"


def _color(row: Row) -> str:
    change = row["price_change_24h"] or 0
    return "green" if change > 0 else "red" if change < 0 else "gray"


_SEARCHED = Derived(("name", "symbol", "id"), lambda row: f"{row['name']} {row['symbol']} {row['id']}")


def coin_table(rows: Sequence[Row]) -> Table:
    """The table of coin rows (`providers.datasets.COIN_FIELDS`), with the `category` that a worker added."""
    return Table(rows, "id", _SEARCHED, {
        "content": Derived(("symbol", "price_change_24h"), _label),
        "color": Derived(("price_change_24h",), _color),
    })  # fmt: skip


def _spellings(window: str) -> tuple[str, ...]:
    upstream = f"price_change_percentage_{window}"
    return f"{window} change", f"change_pct_{window}", upstream, f"{upstream}_in_currency"


def coin_fields(*own: Field) -> Fields:
    """A feed's own fields, then those of every feed of coins."""
    windows = (
        Field(f"price_change_{window}", f"price_change_{window}", "number", _spellings(window)) for window in WINDOWS
    )
    return Fields([
        *own,
        Field("id", "id", "text", ("coin_id",)),
        Field("symbol", "symbol", "text"),
        Field("name", "name", "text", ("coin",)),
        Field("logo", "logo", "text"),
        Field("category", "category", "text"),
        Field("price", "price", "number", ("current_price",)),
        Field("market_cap", "market_cap", "number", ("size",)),
        Field("market_cap_rank", "market_cap_rank", "number"),
        Field("volume_24h", "volume_24h", "number", ("24h volume", "volume", "total_volume")),
        Field("high_24h", "high_24h", "number"),
        Field("low_24h", "low_24h", "number"),
        Field("fully_diluted_valuation", "fully_diluted_valuation", "number"),
        Field("circulating_supply", "circulating_supply", "number"),
        Field("max_supply", "max_supply", "number"),
        Field("ath", "ath", "number"),
        Field("as_of", "last_updated", "number", ("last_updated",)),
        Field("stale", "stale", "flag"),
        *windows,
    ])  # fmt: skip


#: The first bytes of a row by place; a place never exceeds a block.
_RANKS = tuple(b',{"rank":%d,' % place for place in range(BLOCK + 1))
_ROWS = tuple(b",[%d," % place for place in range(BLOCK + 1))


def dict_shape(key: tuple[Any, ...], documented: Derived, extras: bool, ranked: bool = False) -> Shape:
    """The shape of rows that are JSON objects; with `ranked`, each begins with its `rank`."""
    reads = tuple(dict.fromkeys((*documented.reads, *_COIN, *dict(_AGE).values()))) if extras else documented.reads

    def whole(row: Row) -> dict[str, Any]:
        cells: dict[str, Any] = documented.make(row)
        if not extras:
            return cells
        more = {name: row[name] for name in _COIN if name not in cells}
        return cells | more | {name: row[column] for name, column in _AGE}

    def encode(values: tuple[Any, ...]) -> bytes:
        return dumps(whole(dict(zip(reads, values, strict=True))))

    if not ranked:
        return Shape((*key, extras), reads, encode, None, lambda row, _place: whole(row))
    return Shape(
        (*key, extras),
        reads,
        lambda values: encode(values)[1:],
        _RANKS,
        lambda row, place: {"rank": place, **whole(row)},
    )


def _first(table: Table, count: int, start: int = 0) -> Order:
    return (
        np.arange(start, min(start + count, len(table)), dtype=np.intp) if start < len(table) else np.empty(0, np.intp)
    )


# --- market ----------------------------------------------------------------------------------------------------------


#: The headers of optional columns by field; they are the last columns, in the requested order.
_MORE = {
    "market_cap_rank": "Rank",
    "category": "Category",
    "high_24h": "24h High",
    "low_24h": "24h Low",
    "fully_diluted_valuation": "FDV",
    "circulating_supply": "Circulating Supply",
    "max_supply": "Max Supply",
    "ath": "ATH",
}
_MORE_COLUMNS = Words(tuple(_MORE))


#: The header of each field.
_HEADERS = {
    "logo": "Logo",
    "symbol": "Symbol",
    "name": "Name",
    "price": "Price",
    "price_change_24h": "24h Change (%)",
    "market_cap": "Market Cap",
    "volume_24h": "24h Volume",
    "sparkline": "7d Chart",
    **{column.name: f"{window} Change (%)" for window, column in _CHANGES.items()},
    **_MORE,
}
_ALWAYS = ("logo", "symbol", "name", "price", "market_cap", "volume_24h")
_ONLY_HERE = {column.name: column for column in (
    Column("sparkline", "chart", "vs_currency", null=True),
    _money("fully_diluted_valuation"),
    Column("circulating_supply", "number", "coins", null=True),
    Column("max_supply", "number", "coins", null=True),
    _money("ath"),
)}  # fmt: skip
_MARKET_COLUMNS = (
    Column("Row", "integer"),
    *(
        replace((_COIN | _ONLY_HERE)[name], name=header, optional=name not in _ALWAYS)
        for name, header in _HEADERS.items()
    ),
)


def market_headers(params: Params) -> list[str]:
    """The market table's columns, in the documented order."""
    return ["Row", *(_HEADERS[name] for name in _market_columns(params))]


def _market_columns(params: Params) -> tuple[str, ...]:
    windows = params["price_change_percentage"]
    day = ("price_change_24h",) if "24h" in windows else ()
    chart = ("sparkline",) if params["sparkline"] else ()
    rest = tuple(f"price_change_{window}" for window in windows if window != "24h")
    return ("logo", "symbol", "name", "price", *day, "market_cap", "volume_24h", *chart, *rest, *params["columns"])


def _market_shape(params: Params, _extras: bool) -> Shape:
    columns = _market_columns(params)
    chart = columns.index("sparkline") if params["sparkline"] else None
    return Shape(
        ("market", columns),
        columns,
        (lambda values: dumps(values)[1:]) if chart is None else (lambda values: dumps_row(values, chart)[1:]),
        _ROWS,
        lambda row, place: {str(index): value for index, value in enumerate((place, *row.values()))},
    )


MARKET = Feed(
    channel="market",
    purpose="the market table: columns follow the price-change windows asked for",
    params=(
        VS_CURRENCY,
        Param("per_page", Whole(1, BLOCK, "coins by market cap"), 250),
        Param("sparkline", Truth(), True),
        Param("price_change_percentage", SOME_WINDOWS, ("24h", "7d")),
        Param("columns", _MORE_COLUMNS, (), f"more columns: {_MORE_COLUMNS.allowed}"),
    ),
    fields=coin_fields(Field("Row", "", "position", ("rank",))),
    datasets=lambda params: (Dataset("markets", params["vs_currency"]),),
    universe=lambda table, params: Universe(table, _first(table, params["per_page"])),
    shape=_market_shape,
    table=coin_table,
    columns=_MARKET_COLUMNS,
    extras=(replace(_COIN["id"], name="ids"), *_AGE_COLUMNS),
    meta=COIN_META,
    headers=market_headers,
    beside=_AGE,
)


# --- heatmap ---------------------------------------------------------------------------------------------------------


def _heatmap_cells(row: Row) -> dict[str, Any]:
    return {
        "size": row["market_cap"],
        "content": _label(row),
        "symbol": row["symbol"],
        "price_change_24h": row["price_change_24h"],
        "market_cap": row["market_cap"],
        "color": _color(row),
    }


_TILE = Derived(("market_cap", "symbol", "price_change_24h"), _heatmap_cells)


def blocks(currency: str, start: int, end: int) -> tuple[Dataset, ...]:
    """The blocks of a market that hold the coins from one place by market cap to before another, from 0."""
    places = range(start // BLOCK + 1, (end - 1) // BLOCK + 2)
    return tuple(Dataset("markets", currency, block=block) for block in places)


def ranked(table: Table, start: int, end: int) -> Universe:
    """These coins in the table of their `blocks`."""
    return Universe(table, _first(table, end - start, start - start // BLOCK * BLOCK))


def _heatmap_places(params: Params) -> tuple[int, int]:
    end = params["page"] * params["per_page"]
    return end - params["per_page"], end


HEATMAP = Feed(
    channel="coin-heatmap",
    purpose="tiles for a map of the market: size, label and colour",
    params=(
        VS_CURRENCY,
        Param("per_page", Whole(1, BLOCK, "coins"), 250),
        Param(
            "page",
            Whole(1, 1_000_000),
            1,
            "without page_size: the page of per_page coins by market cap, as deep as SPOT_DEPTH coins",
        ),
        ONLY_24H,
    ),
    fields=coin_fields(Field("color", "color", "text"), Field("content", "content", "text")),
    datasets=lambda params: blocks(params["vs_currency"], *_heatmap_places(params)),
    universe=lambda table, params: ranked(table, *_heatmap_places(params)),
    shape=lambda _params, extras: dict_shape(("heatmap",), _TILE, extras),
    table=coin_table,
    columns=(
        replace(_money("size"), note="the market cap"),
        Column("content", "text", note="the label: the symbol and its 24 h change"),
        *coin_columns("symbol", "price_change_24h", "market_cap"),
        Column("color", "text", note="green above 0, red below, gray at 0 or without a value"),
    ),
    extras=EXTRAS,
    meta=COIN_META,
    own_page=True,
)


# --- ticker tape -----------------------------------------------------------------------------------------------------


def _tape_shape(params: Params, extras: bool) -> Shape:
    currency = params["vs_currency"].upper()

    def cells(row: Row) -> dict[str, Any]:
        return {
            "logo": row["logo"],
            "symbol_pair": f"{row['symbol']}/{currency}",
            "price": row["price"],
            "change_pct_24h": row["price_change_24h"],
            "name": row["name"],
        }

    reads = ("logo", "symbol", "price", "price_change_24h", "name")
    return dict_shape(("tape", currency), Derived(reads, cells), extras)


def _tape_universe(table: Table, params: Params) -> Universe:
    currency = params["vs_currency"].upper()
    table.offer("symbol_pair", Derived(("symbol",), lambda row: f"{row['symbol']}/{currency}"))
    return Universe.of_keys(table, params["coin_ids"])


TAPE = Feed(
    channel="ticker-tape",
    purpose="a short line of coins, in the order asked for",
    params=(
        Param("coin_ids", CoinIds(most=50), required=True, example="bitcoin,ethereum"),
        VS_CURRENCY,
        ONLY_24H,
    ),
    fields=coin_fields(Field("symbol_pair", "symbol_pair", "text")),
    datasets=lambda params: (Dataset("markets", params["vs_currency"]), Dataset("quotes", params["vs_currency"])),
    universe=_tape_universe,
    shape=_tape_shape,
    table=coin_table,
    columns=(
        *coin_columns("logo", "name", "price"),
        Column("symbol_pair", "text"),
        replace(_CHANGES["24h"], name="change_pct_24h"),
    ),
    extras=EXTRAS,
    meta=COIN_META,
)
