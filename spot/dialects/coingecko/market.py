"""CoinGecko's `/simple/price` and `/coins/markets`, from the market that is held. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from providers.datasets import BLOCK, WINDOWS, is_currency
from providers.protocols.coingecko import CATEGORIES
from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.coingecko.passed import document, whole
from spot.dialects.coingecko.rows import (
    EXTRAS,
    MARKETS_BY_ID,
    MARKETS_BY_NAME,
    MARKETS_BY_RANK,
    PRICES_BY_ID,
    PRICES_BY_NAME,
    Form,
)
from spot.dialects.rest import Pages, Reading, Reply, pages_of
from spot.dialects.values import Page
from spot.feeds import Feed
from spot.feeds.chosen import LARGEST_COINS, MOST_IDS
from spot.feeds.lists import MEMBER_LIST
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
#: The order of the market that is held; unknown ones mean it too.
_USUAL = ("", "market_cap_desc", "gecko_desc")
_CATEGORIES = {theirs: ours for ours, theirs in CATEGORIES.items()}


# --- prices -----------------------------------------------------------------------------------------------------------


def simple_price(asked: Asked) -> Reading:
    """`/simple/price`, by coin id also where coins are asked for by name or symbol."""
    parameters = asked.parameters
    asked.need("vs_currencies")
    if not any(name in parameters for name in ("ids", "names", "symbols")):
        raise Refused("missing_field", "ids is required.", "ids")
    named = None if "ids" in parameters else asked.named
    if named is None:
        return prices(asked, {coin: (coin,) for coin in asked.coins})
    views = [_prices(PRICES_BY_NAME, asked, currency, {"named": named}) for currency in _currencies(asked)]
    return Reading(tuple(views), partial(_write_prices, _is_stamped(asked), None))


def prices(asked: Asked, keys: Mapping[str, Sequence[str]]) -> Reading:
    """The prices of these coins, each by the keys under which they are asked for."""
    coins = list(keys)
    lists = [coins[at : at + MOST_IDS] for at in range(0, len(coins), MOST_IDS)]
    currencies = _currencies(asked)
    if len(lists) * len(currencies) > _MOST_VIEWS:
        raise Refused("bad_value", f"ids: at most {_MOST_VIEWS * MOST_IDS} pairs of a coin and a currency.", "ids")
    views = [_prices(PRICES_BY_ID, asked, currency, {"coin_ids": some}) for some in lists for currency in currencies]
    return Reading(tuple(views), partial(_write_prices, _is_stamped(asked), keys))


def _prices(feed: Feed, asked: Asked, currency: str, wish: Mapping[str, object]) -> View:
    form = Form(asked.precision, extras=tuple(name for name in EXTRAS if asked.parameters.truth(name)))
    return view_of(feed, {"vs_currency": currency, "form": form, **wish}, asked.depth)


def _currencies(asked: Asked) -> list[str]:
    """The currencies asked for; what cannot be one adds nothing to an answer."""
    texts = dict.fromkeys(map(str.lower, asked.parameters.items("vs_currencies")))
    return [text for text in texts if is_currency(text)]


def _is_stamped(asked: Asked) -> bool:
    return asked.parameters.truth("include_last_updated_at")


def _write_prices(stamped: bool, keys: Mapping[str, Sequence[str]] | None, pages: Pages) -> Reply:
    """The object of prices by coin, or by other keys. An unknown currency adds nothing, an unknown coin is absent."""
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
        absent |= dict.fromkeys(unfetched(page))
        if stamped:
            stamps = dict(zip(page.answer.keys(), _seconds(page), strict=True)) | stamps
    if absent and not fields:
        raise Refused("unavailable", f"No price has been fetched yet of: {', '.join(absent)}.")
    entries = []
    for coin, parts in fields.items():
        if (stamp := stamps.get(coin)) is not None:
            parts.append(b'"last_updated_at":%d' % stamp)
        entry = b",".join(parts)
        entries += [b"%b:{%b}" % (dumps(key), entry) for key in (keys[coin] if keys else (coin,))]
    return Reply(b"{%b}" % b",".join(entries), headers=_missing(absent))


def _seconds(page: Page) -> list[int | None]:
    """The times of a page's rows in whole seconds."""
    column = page.answer.table.column("last_updated")
    times = [column[index] for index in page.answer.page.indices.tolist()]
    return [None if time is None else time // 1000 for time in times]


def unfetched(page: Page) -> list[str]:
    """The coins that exist, and of which nothing has been fetched in time."""
    return [coin for coin, why in page.missing.items() if why.code == "unavailable"]


def _missing(coins: Sequence[str] | dict[str, None]) -> tuple[tuple[str, str], ...]:
    return (("x-spot-missing", ",".join(coins)),) if coins else ()


# --- markets ----------------------------------------------------------------------------------------------------------


class _Page(NamedTuple):
    """A page of /coins/markets: its number from 1, its size, and its view without the coins."""

    number: int
    size: int
    wish: dict[str, object]

    @property
    def start(self) -> int:
        """The place of its first coin, from 0."""
        return (self.number - 1) * self.size

    def sorted_by(self, order: str) -> dict[str, object]:
        """The view of a page of chosen coins in an order."""
        field, direction = _ORDERS.get(order, _ORDERS["market_cap_desc"])
        return {**self.wish, "sort_by": field, "sort_order": direction, "page": self.number, "page_size": self.size}


def markets(asked: Asked) -> Reading:
    """`/coins/markets`, as far as the market is held; pages below it, other orders and categories are passed on."""
    parameters = asked.parameters
    order, category = parameters.text("order").lower(), parameters.text("category").lower()
    windows = tuple(window for window in parameters.items("price_change_percentage") if window in WINDOWS)
    form = Form(asked.precision, windows, ("sparkline",) if parameters.truth("sparkline") else ())
    size = parameters.count("per_page", 100, most=_PAGE)
    page = _Page(parameters.count("page", 1), size, {"vs_currency": asked.currency, "form": form})
    if category in _CATEGORIES and order in _USUAL:
        return _of_category(asked, page, _CATEGORIES[category])
    if category or parameters.truth("include_rehypothecated"):
        return _passed(asked)
    if "ids" in parameters or asked.named is not None:
        return _chosen(asked, page, order)
    held = -(-asked.depth // BLOCK) * BLOCK
    if page.start >= held:
        return _deeper(asked, page)
    if order not in _USUAL:
        return _passed(asked)
    ranks = page.start, min(page.start + size, held)
    view = view_of(MARKETS_BY_RANK, {**page.wish, "ranks": ranks}, asked.depth)
    return Reading((view,), partial(_write_ranked, size))


def _chosen(asked: Asked, page: _Page, order: str) -> Reading:
    wish = page.sorted_by(order)
    if "ids" not in asked.parameters:
        return _listed(view_of(MARKETS_BY_NAME, {**wish, "named": asked.named}, asked.depth), page)
    if not (coins := asked.coins):
        return Reading((), lambda _pages: _empty(0, page.size))
    if len(coins) > MOST_IDS:
        return _passed(asked)
    return _listed(view_of(MARKETS_BY_ID, {**wish, "coin_ids": coins}, asked.depth), page)


def _deeper(asked: Asked, page: _Page) -> Reading:
    """A page below the market that is held: passed on, unless there are not so many coins."""

    def write(pages: Pages) -> Reading:
        market = pages_of(pages)[0]
        total = market.facts.meta.get("universe") or len(market.answer.table)
        return _passed(asked) if page.start < total else Reading((), lambda _pages: _empty(total, page.size))

    return Reading((view_of(LARGEST_COINS, {"vs_currency": asked.currency}, asked.depth),), write)


def _passed(asked: Asked) -> Reading:
    """What the market that is held does not tell."""
    parameters = asked.parameters
    windows = [window for window in parameters.items("price_change_percentage") if window in WINDOWS]
    params = {
        **{name: parameters.text(name) for name in ("vs_currency", "category", "include_tokens", "precision")},
        **{name: ",".join(parameters.items(name)) for name in ("ids", "names", "symbols")},
        **{name: "true" for name in ("sparkline", "include_rehypothecated") if parameters.truth(name)},
        "price_change_percentage": ",".join(windows),
        "order": parameters.text("order").lower(),
        "per_page": str(parameters.count("per_page", 100, most=_PAGE)),
        "page": str(parameters.count("page", 1)),
    }
    return whole(asked, document(asked, asked.path, params))


def _of_category(asked: Asked, page: _Page, category: str) -> Reading:
    """A page of a category's coins, whose list is held apart from the market."""

    def write(pages: Pages) -> Reading:
        members = pages_of(pages)[0]
        coins = members.answer.keys()
        total = members.facts.meta.get("total") or len(coins)
        if page.start >= total:
            return Reading((), lambda _pages: _empty(total, page.size))
        if min(page.start + page.size, total) > len(coins):  # the list that is held has the largest only
            return _passed(asked)
        chosen = coins[page.start : page.start + page.size]
        view = view_of(MARKETS_BY_ID, {**page.wish, "coin_ids": chosen, "sort_by": "market_cap"}, asked.depth)
        return Reading((view,), partial(_write_members, total, page.size))

    return Reading((view_of(MEMBER_LIST, {"category": category}, asked.depth),), write)


def _write_members(total: int, size: int, pages: Pages) -> Reply:
    page = pages_of(pages)[0]
    return Reply(page.answer.data, headers=(*_paging(total, size), *_missing(unfetched(page))))


def _empty(total: int, size: int) -> Reply:
    return Reply(b"[]", headers=_paging(total, size))


def _write_ranked(size: int, pages: Pages) -> Reply:
    page = pages_of(pages)[0]
    total = page.facts.meta.get("universe") or len(page.answer.table)
    return Reply(page.answer.data, headers=_paging(total, size))


def _listed(view: View, asked: _Page) -> Reading:
    """Coins by id or name. A page past the end is empty, so that programs that count pages up come to an end."""

    def write(pages: Pages) -> Reply:
        if isinstance(pages[0], Refused) and pages[0].code == "unknown_coin":
            return _empty(0, asked.size)
        page = pages_of(pages)[0]
        absent, total = unfetched(page), page.answer.page.total
        if absent and not total:
            raise Refused("unavailable", f"No price has been fetched yet of: {', '.join(absent)}.")
        body = page.answer.data if asked.start < total else b"[]"
        return Reply(body, headers=(*_paging(total, asked.size), *_missing(absent)))

    return Reading((view,), write)


def _paging(total: int, size: int) -> tuple[tuple[str, str], ...]:
    return ("total", str(total)), ("per-page", str(size))
