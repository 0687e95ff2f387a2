"""CoinMarketCap's REST: quotes and listings in versions 1 to 3, the map of ids, and what a key may use. Pure.

https://coinmarketcap.com/api/documentation/v1. A coin is named by the provider's number, symbol or slug of it; one that
the provider does not list cannot be served here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from providers.datasets import BLOCK, is_currency
from spot.codes import Refused, bad_value
from spot.dialects.coinmarketcap import rest_refusals
from spot.dialects.coinmarketcap.numbers import numbers
from spot.dialects.rest import Account, Pages, Parameters, Reading, Reply, Rest, pages_of
from spot.dialects.times import iso, iso_or_none
from spot.dialects.values import Page
from spot.feeds.chosen import COINS_BY_ID, COINS_BY_NAME, COINS_BY_RANK, MOST_IDS, Named
from spot.feeds.view import View, view_of
from spot.query.jsontext import dumps

Row = Mapping[str, Any]

#: Their numbers of currencies, for `convert_id` and for quotes in version 3.
CURRENCIES = {
    "usd": 2781, "aud": 2782, "brl": 2783, "cad": 2784, "chf": 2785, "clp": 2786, "cny": 2787, "czk": 2788, "dkk": 2789,
    "eur": 2790, "gbp": 2791, "hkd": 2792, "huf": 2793, "idr": 2794, "ils": 2795, "inr": 2796, "jpy": 2797, "krw": 2798,
    "mxn": 2799, "myr": 2800, "nok": 2801, "nzd": 2802, "php": 2803, "pkr": 2804, "pln": 2805, "rub": 2806, "sek": 2807,
    "sgd": 2808, "thb": 2809, "try": 2810, "twd": 2811, "zar": 2812, "btc": 1, "eth": 1027,
}  # fmt: skip
_BY_NUMBER = {number: code for code, number in CURRENCIES.items()}
#: The largest number of currencies in one request, and of rows in one page.
_MOST_CONVERTS, _MOST_ROWS = 40, 5000
#: The columns that listings may be sorted by: theirs, ours, and whether it falls if nothing is said.
_SORTS = {
    "market_cap": ("market_cap", True),
    "market_cap_strict": ("market_cap", True),
    "name": ("name", False),
    "symbol": ("symbol", False),
    "price": ("price", True),
    "circulating_supply": ("circulating_supply", True),
    "total_supply": ("total_supply", True),
    "max_supply": ("max_supply", True),
    "volume_24h": ("volume_24h", True),
    "percent_change_1h": ("price_change_1h", True),
    "percent_change_24h": ("price_change_24h", True),
    "percent_change_7d": ("price_change_7d", True),
    "id": ("number", False),
    "cmc_rank": ("market_cap_rank", False),
}
_READS = (
    "id", "name", "symbol", "max_supply", "circulating_supply", "total_supply", "market_cap_rank", "last_updated",
    "price", "volume_24h", "price_change_1h", "price_change_24h", "price_change_7d", "price_change_30d", "market_cap",
    "fully_diluted_valuation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the version of the path, its parameters, and how many coins by market cap are held."""

    version: int
    parameters: Parameters
    depth: int

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 on. Raises `Refused`."""
        text = self.parameters.text(name)
        if not text:
            return default
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        if not 1 <= value <= most:
            raise bad_value(name, f"a number from 1 to {most}", text)
        return value

    @property
    def converts(self) -> list[str]:
        """The currencies of the quotes. Raises `Refused`."""
        codes = [text.lower() for text in self.parameters.items("convert")]
        for text in self.parameters.items("convert_id"):
            if not text.isdecimal() or (code := _BY_NUMBER.get(int(text))) is None:
                raise _invalid("convert_id", text)
            codes.append(code)
        if wrong := [code for code in codes if not is_currency(code)]:
            raise _invalid("convert", wrong[0])
        if len(codes) > _MOST_CONVERTS:
            raise bad_value("convert", f"at most {_MOST_CONVERTS} currencies")
        return list(dict.fromkeys(codes)) or ["usd"]


def _invalid(name: str, value: str) -> Refused:
    return Refused("bad_value", f'Invalid value for "{name}": "{value[:100]}"', name)


# --- rows -------------------------------------------------------------------------------------------------------------


def _quote(row: Row) -> dict[str, Any]:
    return {
        "price": row["price"],
        "volume_24h": row["volume_24h"],
        "volume_change_24h": None,
        "percent_change_1h": row["price_change_1h"],
        "percent_change_24h": row["price_change_24h"],
        "percent_change_7d": row["price_change_7d"],
        "percent_change_30d": row["price_change_30d"],
        "percent_change_60d": None,
        "percent_change_90d": None,
        "market_cap": row["market_cap"],
        "market_cap_dominance": None,
        "fully_diluted_market_cap": row["fully_diluted_valuation"],
        "tvl": None,
        "last_updated": iso_or_none(row["last_updated"]),
    }


def _coin(row: Row, quotes: Mapping[str, Row], version: int) -> dict[str, Any]:
    """A coin with its quotes by currency: an object of them, or in version 3 a list."""
    written = {code.upper(): _quote(quote) for code, quote in quotes.items()}
    quote: Any = written
    if version == 3:
        more = {"cex_volume_24h": None, "dex_volume_24h": None}
        quote = [
            {"id": CURRENCIES.get(code.lower()), "symbol": code, **fields, **more} for code, fields in written.items()
        ]
    return {
        "id": numbers.number(row["id"]),
        "name": row["name"],
        "symbol": row["symbol"],
        "slug": numbers.slug(row["id"]),
        "num_market_pairs": None,
        "date_added": None,
        "tags": [],
        "max_supply": row["max_supply"],
        "circulating_supply": row["circulating_supply"],
        "total_supply": row["total_supply"],
        "infinite_supply": row["max_supply"] is None,
        "platform": None,
        "cmc_rank": row["market_cap_rank"],
        "self_reported_circulating_supply": None,
        "self_reported_market_cap": None,
        "tvl_ratio": None,
        "last_updated": iso_or_none(row["last_updated"]),
        "quote": quote,
    }


def _rows(page: Page) -> list[Row]:
    """The page's rows of coins that the vendor lists."""
    answer = page.answer
    rows = answer.table.rows(_READS, answer.page.indices.tolist())
    return [row for row in rows if numbers.number(row["id"]) is not None]


class _Table(NamedTuple):
    """Coins with their quotes in several currencies; in the order of the first."""

    rows: list[Row]
    quotes: dict[str, dict[str, Row]]

    def of(self, row: Row) -> dict[str, Row]:
        """The quotes of a coin by currency."""
        return {code: rows[row["id"]] for code, rows in self.quotes.items() if row["id"] in rows}


def _table(converts: Sequence[str], pages: Sequence[Page]) -> _Table:
    """The table of pages, of which each currency has equally many, one after the other."""
    by_currency: dict[str, list[Row]] = {}
    for place, page in enumerate(pages):
        by_currency.setdefault(converts[place % len(converts)], []).extend(_rows(page))
    quotes = {code: {row["id"]: row for row in rows} for code, rows in by_currency.items()}
    return _Table(list(quotes[converts[0]].values()) if converts[0] in quotes else [], quotes)


def _body(data: Any, credits: int, **more: Any) -> Reply:
    """The body without the beginning of its status, which has the time of sending."""
    rest = dumps({"credit_count": credits, "notice": None, **more})
    return Reply(b'%b,"data":%b}' % (rest[1:], dumps(data)))


def _credits(rows: int, a_credit: int, converts: int) -> int:
    return max(1, -(-rows // a_credit)) + converts - 1


# --- quotes -----------------------------------------------------------------------------------------------------------


def _quotes(asked: Asked) -> Reading:
    """`/cryptocurrency/quotes/latest`: by id, slug or symbol; the first of these that is there."""
    parameters, converts = asked.parameters, asked.converts
    for kind in ("id", "slug", "symbol"):
        if texts := parameters.items(kind):
            break
    else:
        raise Refused("missing_field", '"value" must contain at least one of [id, slug, symbol]', "id")
    if len(texts) > MOST_IDS:
        raise bad_value(kind, f"at most {MOST_IDS} of them")
    lenient = parameters.truth("skip_invalid", default=asked.version == 3)
    if kind == "symbol":
        named = Named("symbol", tuple(dict.fromkeys(text.casefold() for text in texts)), asked.version == 1)
        views = [_view(COINS_BY_NAME, asked, code, named=named) for code in converts]
        return Reading(tuple(views), partial(_write_symbols, asked.version, converts, lenient, texts))
    find = _by_number if kind == "id" else numbers.with_slug
    coins = {text: find(text) for text in texts}
    if not lenient and (unknown := [text for text, coin in coins.items() if coin is None]):
        raise _invalid(kind, unknown[0])
    known = list(dict.fromkeys(coin for coin in coins.values() if coin is not None))
    if not known:
        return Reading((), lambda _pages: _body([] if asked.version == 3 else {}, 0))
    views = [_view(COINS_BY_ID, asked, code, coin_ids=known) for code in converts]
    return Reading(tuple(views), partial(_write_quotes, asked.version, converts))


def _by_number(text: str) -> str | None:
    return numbers.coin(int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _view(feed: Any, asked: Asked, currency: str, **wish: object) -> View:
    return view_of(feed, {"vs_currency": currency, **wish}, asked.depth)


def _full(row: Row, table: _Table, version: int) -> dict[str, Any]:
    return {**_coin(row, table.of(row), version), "is_active": 1, "is_fiat": 0}


def _write_quotes(version: int, converts: Sequence[str], pages: Pages) -> Reply:
    table = _table(converts, pages_of(pages))
    _check_prices(table, pages)
    coins = [_full(row, table, version) for row in table.rows]
    credits = _credits(len(coins), 100, len(converts))
    return _body(coins if version == 3 else {str(coin["id"]): coin for coin in coins}, credits)


def _check_prices(table: _Table, pages: Pages) -> None:
    """Raise `Refused` where nothing has been fetched yet of any coin."""
    waiting = [coin for page in pages_of(pages) for coin, why in page.missing.items() if why.code == "unavailable"]
    if waiting and not table.rows:
        raise Refused("unavailable", f"No price has been fetched yet of: {', '.join(dict.fromkeys(waiting))}.")


def _write_symbols(version: int, converts: Sequence[str], lenient: bool, texts: Sequence[str], pages: Pages) -> Reply:
    """Several coins may have a symbol: the largest first, and in version 1 it alone."""
    table = _table(converts, pages_of(pages))
    found: dict[str, list[dict[str, Any]]] = {text.upper(): [] for text in texts}
    for row in table.rows:
        if (symbol := row["symbol"].upper()) in found:
            found[symbol].append(_full(row, table, version))
    if not lenient and (unknown := [symbol for symbol, coins in found.items() if not coins]):
        raise _invalid("symbol", unknown[0])
    credits = _credits(len(table.rows), 100, len(converts))
    some = {symbol: coins for symbol, coins in found.items() if coins}
    if version == 3:
        return _body([coin for coins in some.values() for coin in coins], credits)
    return _body({symbol: coins[0] for symbol, coins in some.items()} if version == 1 else some, credits)


# --- listings and the map ---------------------------------------------------------------------------------------------


def _listings(asked: Asked) -> Reading:
    """`/cryptocurrency/listings/latest`: of the market that is held."""
    converts = asked.converts
    start, limit = asked.number("start", 1, 1_000_000), asked.number("limit", 100, _MOST_ROWS)
    field, falls = _sorting(asked, "market_cap", _SORTS)
    views = _market(asked, converts)
    return Reading(tuple(views), partial(_write_listings, asked.version, converts, (start, limit), (field, falls)))


def _sorting(asked: Asked, usual: str, allowed: Iterable[str]) -> tuple[str, bool]:
    name = asked.parameters.text("sort", usual).lower()
    if name not in allowed or name not in _SORTS:
        raise bad_value("sort", f"one of [{', '.join(allowed)}]", name)
    field, falls = _SORTS[name]
    match asked.parameters.text("sort_dir").lower():
        case "":
            return field, falls
        case "asc" | "desc" as direction:
            return field, direction == "desc"
    raise bad_value("sort_dir", "one of [asc, desc]", asked.parameters.text("sort_dir"))


def _market(asked: Asked, converts: Sequence[str]) -> list[View]:
    """All coins that are held, a block after the other, in each currency."""
    blocks = range(0, max(asked.depth, BLOCK), BLOCK)
    return [_view(COINS_BY_RANK, asked, code, ranks=(at, at + BLOCK)) for at in blocks for code in converts]


def _held(pages: Pages, converts: Sequence[str]) -> _Table:
    """The table of a market; of its deeper blocks those that are there."""
    size = len(converts)
    blocks = [pages[at : at + size] for at in range(0, len(pages), size)]
    whole = [pages_of(blocks[0])]
    for block in blocks[1:]:
        if any(isinstance(page, Refused) for page in block):
            break
        whole.append(pages_of(block))
    return _table(converts, [page for block in whole for page in block])


def _sorted(rows: list[Row], sorting: tuple[str, bool]) -> list[Row]:
    """Rows by a field; those without a value last."""
    field, falls = sorting

    def value(row: Row) -> Any:
        return numbers.number(row["id"]) if field == "number" else row[field]

    there = sorted((row for row in rows if value(row) is not None), key=value, reverse=falls)
    return there + [row for row in rows if value(row) is None]


def _write_listings(
    version: int, converts: Sequence[str], part: tuple[int, int], sorting: tuple[str, bool], pages: Pages
) -> Reply:
    table, (start, limit) = _held(pages, converts), part
    rows = _sorted(table.rows, sorting)[start - 1 : start - 1 + limit]
    coins = [_coin(row, table.of(row), version) for row in rows]
    return _body(coins, _credits(len(coins), 200, len(converts)), total_count=len(table.rows))


def _map(asked: Asked) -> Reading:
    """`/cryptocurrency/map`: the numbers of the coins that are held."""
    start, limit = asked.number("start", 1, 1_000_000), asked.number("limit", 10_000, 10_000)
    sorting = _sorting(asked, "id", ("id", "cmc_rank"))
    symbols = {text.upper() for text in asked.parameters.items("symbol")}
    return Reading(tuple(_market(asked, ["usd"])), partial(_write_map, symbols, (start, limit), sorting))


def _write_map(symbols: set[str], part: tuple[int, int], sorting: tuple[str, bool], pages: Pages) -> Reply:
    rows, (start, limit) = _held(pages, ["usd"]).rows, part
    if symbols:
        rows = [row for row in rows if row["symbol"].upper() in symbols]
    coins = [
        {
            "id": numbers.number(row["id"]),
            "rank": row["market_cap_rank"],
            "name": row["name"],
            "symbol": row["symbol"],
            "slug": numbers.slug(row["id"]),
            "is_active": 1,
            "status": "active",
            "first_historical_data": None,
            "last_historical_data": None,
            "platform": None,
        }
        for row in _sorted(rows, sorting)[start - 1 : start - 1 + limit]
    ]
    return _body(coins, 0)


# --- the key ----------------------------------------------------------------------------------------------------------


def _key(_asked: Asked) -> Reading:
    """`/key/info`"""
    return Reading((), lambda _pages: _body({}, 0), personal=_write_account)


def _write_account(account: Account) -> Reply:
    left = max(0, account.per_month - account.used) if account.per_month else None
    data = {
        "plan": {
            "credit_limit_daily": 0,
            "credit_limit_daily_reset": "Not applicable",
            "credit_limit_daily_reset_timestamp": None,
            "credit_limit_monthly": account.per_month,
            "credit_limit_monthly_reset": "On the first day of the month (UTC)",
            "credit_limit_monthly_reset_timestamp": None,
            "rate_limit_minute": account.per_minute,
        },
        "usage": {
            "current_minute": {"requests_made": 0, "requests_left": account.per_minute},
            "current_day": {"credits_used": 0, "credits_left": left},
            "current_month": {"credits_used": account.used, "credits_left": left},
        },
    }
    return _body(data, 0)


#: The paths, with the versions in which each is served.
PATHS: dict[str, tuple[tuple[int, ...], Callable[[Asked], Reading]]] = {
    "cryptocurrency/quotes/latest": ((1, 2, 3), _quotes),
    "cryptocurrency/listings/latest": ((1, 3), _listings),
    "cryptocurrency/map": ((1,), _map),
    "key/info": ((1,), _key),
}


class CoinMarketCap(Rest):
    """The REST interface on one root; below `public-api` too, as programs without a key ask."""

    name = "coinmarketcap"
    root = "compat/coinmarketcap"
    key_headers = ("X-CMC_PRO_API_KEY",)
    key_parameters = ("CMC_PRO_API_KEY",)
    sent = key_headers
    body_bytes = 65_536

    def read(self, path: tuple[str, ...], query_string: bytes, depth: int) -> Reading:
        """The reading of one path."""
        version, *rest = path[1:] if path[:1] == ("public-api",) else path or ("",)
        versions, read = PATHS.get("/".join(rest), ((), None))
        if read is None or not (version[:1] == "v" and version[1:] in map(str, versions)):
            raise Refused("unknown_feed", "There is no endpoint at this path.")
        return read(Asked(int(version[1:]), Parameters(query_string), depth))

    def refuse(self, refused: Refused, now_ms: int) -> Reply:
        """A refusal in CoinMarketCap's words."""
        return rest_refusals.reply(refused, now_ms)

    def finished(self, body: bytes, now_ms: int) -> bytes:
        """The body with its status, which has the time of sending."""
        return b'{"status":{"timestamp":"%b","error_code":0,"error_message":null,"elapsed":0,%b' % (
            iso(now_ms).encode(),
            body,
        )


RESTS = (CoinMarketCap(),)
