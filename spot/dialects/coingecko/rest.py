"""CoinGecko's REST API, version 3: its paths, read into views, and their pages written to the letter. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from providers.datasets import BLOCK, WINDOWS, is_coin_id, is_currency
from spot.codes import Refused
from spot.dialects.coingecko import refusals
from spot.dialects.coingecko.rows import (
    EXTRAS,
    MARKETS_BY_ID,
    MARKETS_BY_NAME,
    MARKETS_BY_RANK,
    PRICES_BY_ID,
    PRICES_BY_NAME,
    Form,
)
from spot.dialects.rest import Pages, Parameters, Reading, Reply, Rest, pages_of
from spot.dialects.values import Page
from spot.feeds.chosen import MOST_IDS, Named
from spot.feeds.view import View, view_of
from spot.query.jsontext import dumps

#: The largest page of /coins/markets.
_PAGE = 250
#: The most views of one request: each has one currency and up to `MOST_IDS` coins.
_MOST_VIEWS = 64
#: The orders of /coins/markets: the field, and whether it falls. Any other is the first.
_ORDERS = {
    "market_cap_desc": ("market_cap", "desc"),
    "market_cap_asc": ("market_cap", "asc"),
    "volume_desc": ("volume_24h", "desc"),
    "volume_asc": ("volume_24h", "asc"),
    "id_asc": ("id", "asc"),
    "id_desc": ("id", "desc"),
}


class Asked(NamedTuple):
    """A request: its parameters, the coin or other name in its path, and how many coins by market cap are held."""

    parameters: Parameters
    name: str
    depth: int

    def need(self, name: str) -> str:
        """A required parameter. Raises `Refused`."""
        if not (text := self.parameters.text(name)):
            raise Refused("missing_field", f"{name} is required.", name)
        return text

    @property
    def precision(self) -> int | None:
        """The decimals of prices; None: all that there are."""
        text = self.parameters.text("precision")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 and int(text) <= 18 else None

    @property
    def currency(self) -> str:
        """The currency. Raises `Refused`."""
        text = self.need("vs_currency").lower()
        if not is_currency(text):
            raise Refused("unknown_currency", "vs_currency: there is no such currency.", "vs_currency")
        return text

    @property
    def coins(self) -> list[str]:
        """The ids asked for, as far as they can be any coin's."""
        return [coin for coin in dict.fromkeys(map(str.lower, self.parameters.items("ids"))) if is_coin_id(coin)]

    @property
    def named(self) -> Named | None:
        """The coins asked for by name or symbol; None: none are. Ids go before names, and names before symbols."""
        for parameter, column in (("names", "name"), ("symbols", "symbol")):
            if texts := self.parameters.items(parameter):
                top = column == "symbol" and self.parameters.text("include_tokens").lower() != "all"
                return Named(column, tuple(text.casefold() for text in texts[:MOST_IDS]), top)
        return None


# --- prices -----------------------------------------------------------------------------------------------------------


def _simple_price(asked: Asked) -> Reading:
    parameters = asked.parameters
    asked.need("vs_currencies")
    if not any(name in parameters for name in ("ids", "names", "symbols")):
        raise Refused("missing_field", "ids is required.", "ids")
    currencies = [
        currency
        for currency in dict.fromkeys(map(str.lower, parameters.items("vs_currencies")))
        if is_currency(currency)
    ]
    form = Form(asked.precision, extras=tuple(name for name in EXTRAS if parameters.truth(name)))
    named = None if "ids" in parameters else asked.named
    coins = asked.coins if named is None else []
    lists = [coins[at : at + MOST_IDS] for at in range(0, len(coins), MOST_IDS)]
    wishes = [{"coin_ids": some} for some in lists] if named is None else [{"named": named}]
    if len(wishes) * len(currencies) > _MOST_VIEWS:
        raise Refused("bad_value", f"ids: at most {_MOST_VIEWS * MOST_IDS} pairs of a coin and a currency.", "ids")
    feed = PRICES_BY_ID if named is None else PRICES_BY_NAME
    views = [
        view_of(feed, {"vs_currency": currency, "form": form, **wish}, asked.depth)
        for wish in wishes
        for currency in currencies
    ]
    stamped = parameters.truth("include_last_updated_at")
    return Reading(tuple(views), partial(_write_prices, stamped), fresh_seconds=60)


def _write_prices(stamped: bool, pages: Pages) -> Reply:
    """The object of prices by coin. An unknown currency adds nothing, and an unknown coin is absent."""
    fields: dict[str, list[bytes]] = {}
    stamps: dict[str, int | None] = {}
    absent: dict[str, None] = {}
    for page in pages:
        if isinstance(page, Refused):
            if page.code not in ("unknown_currency", "unknown_coin"):
                raise page
            continue
        for coin, fragment in zip(page.answer.keys(), page.answer.fragments(), strict=True):
            fields.setdefault(coin, []).append(fragment)
        absent |= dict.fromkeys(_unfetched(page))
        if stamped:
            stamps = dict(zip(page.answer.keys(), _seconds(page), strict=True)) | stamps
    if absent and not fields:
        raise Refused("unavailable", f"No price has been fetched yet of: {', '.join(absent)}.")
    entries = []
    for coin, parts in fields.items():
        if (stamp := stamps.get(coin)) is not None:
            parts.append(b'"last_updated_at":%d' % stamp)
        entries.append(b"%b:{%b}" % (dumps(coin), b",".join(parts)))
    return Reply(b"{%b}" % b",".join(entries), headers=_missing(absent))


def _seconds(page: Page) -> list[int | None]:
    """The times of a page's rows in whole seconds."""
    column = page.answer.table.column("last_updated")
    times = [column[index] for index in page.answer.page.indices.tolist()]
    return [None if time is None else time // 1000 for time in times]


def _unfetched(page: Page) -> list[str]:
    """The coins that exist, and of which nothing has been fetched in time."""
    return [coin for coin, why in page.missing.items() if why.code == "unavailable"]


def _missing(coins: Sequence[str] | dict[str, None]) -> tuple[tuple[str, str], ...]:
    return (("x-spot-missing", ",".join(coins)),) if coins else ()


# --- markets ----------------------------------------------------------------------------------------------------------


def _markets(asked: Asked) -> Reading:
    parameters, currency = asked.parameters, asked.currency
    size, page = parameters.count("per_page", 100, most=_PAGE), parameters.count("page", 1)
    windows = tuple(window for window in parameters.items("price_change_percentage") if window in WINDOWS)
    extras = ("sparkline",) if parameters.truth("sparkline") else ()
    wish: dict[str, object] = {"vs_currency": currency, "form": Form(asked.precision, windows, extras)}
    order = parameters.text("order").lower()
    if "ids" in parameters or asked.named is not None:
        field, direction = _ORDERS.get(order, _ORDERS["market_cap_desc"])
        wish |= {"sort_by": field, "sort_order": direction, "page": page, "page_size": size}
        start = (page - 1) * size
        if "ids" not in parameters:
            return _listed(view_of(MARKETS_BY_NAME, {**wish, "named": asked.named}, asked.depth), start, size)
        if not (coins := asked.coins[:MOST_IDS]):
            return Reading((), lambda _pages: Reply(b"[]", headers=_paging(0, size)))
        return _listed(view_of(MARKETS_BY_ID, {**wish, "coin_ids": coins}, asked.depth), start, size)
    start = (page - 1) * size
    held = -(-asked.depth // BLOCK) * BLOCK
    if start >= held:
        return Reading((), lambda _pages: Reply(b"[]", headers=_paging(0, size)))
    view = view_of(MARKETS_BY_RANK, {**wish, "ranks": (start, min(start + size, held))}, asked.depth)
    return Reading((view,), partial(_write_ranked, size), fresh_seconds=60)


def _write_ranked(size: int, pages: Pages) -> Reply:
    page = pages_of(pages)[0]
    total = page.facts.meta.get("universe") or len(page.answer.table)
    return Reply(page.answer.data, headers=_paging(total, size))


def _listed(view: View, start: int, size: int) -> Reading:
    """Coins by id or name. A page past the end is empty, so that programs that count pages up come to an end."""

    def write(pages: Pages) -> Reply:
        if isinstance(pages[0], Refused) and pages[0].code == "unknown_coin":
            return Reply(b"[]", headers=_paging(0, size))
        page = pages_of(pages)[0]
        absent, total = _unfetched(page), page.answer.page.total
        if absent and not total:
            raise Refused("unavailable", f"No price has been fetched yet of: {', '.join(absent)}.")
        body = page.answer.data if start < total else b"[]"
        return Reply(body, headers=(*_paging(total, size), *_missing(absent)))

    return Reading((view,), write, fresh_seconds=60)


def _paging(total: int, size: int) -> tuple[tuple[str, str], ...]:
    return ("total", str(total)), ("per-page", str(size))


# --- what needs no market ---------------------------------------------------------------------------------------------


def _ping(_asked: Asked) -> Reading:
    return Reading((), lambda _pages: Reply(b'{"gecko_says":"(V3) To the Moon! (served by Spot)"}'))


#: The paths: the part in braces becomes `Asked.name`.
_PATHS: dict[str, Callable[[Asked], Reading]] = {
    "ping": _ping,
    "simple/price": _simple_price,
    "coins/markets": _markets,
}
_FORMS = [(re.compile(re.sub(r"\{.*?\}", "([^/]+)", path)), read) for path, read in _PATHS.items()]


class CoinGecko(Rest):
    """Version 3, as the public and the paid hosts serve it, on one root."""

    name = "coingecko"
    root = "compat/coingecko/api/v3"
    key_headers = ("x-cg-demo-api-key", "x-cg-pro-api-key")
    key_parameters = ("x_cg_demo_api_key", "x_cg_pro_api_key", "x-cg-pro-api-key")
    sent = (
        *key_headers, "x-stainless-arch", "x-stainless-lang", "x-stainless-os",
        "x-stainless-package-version", "x-stainless-retry-count", "x-stainless-runtime", "x-stainless-runtime-version",
        "x-stainless-timeout",
    )  # fmt: skip
    exposed = ("link", "per-page", "total")
    body_bytes = 65_536

    def read(self, path: tuple[str, ...], query_string: bytes, depth: int) -> Reading:
        """The reading of one path."""
        joined = "/".join(path)
        for form, read in _FORMS:
            if match := form.fullmatch(joined):
                return read(Asked(Parameters(query_string), "".join(match.groups()), depth))
        raise Refused("unknown_feed", "There is no endpoint at this path.")

    def refuse(self, refused: Refused, now_ms: int) -> Reply:
        """A refusal in CoinGecko's words."""
        return refusals.reply(refused, now_ms)


RESTS = (CoinGecko(),)
