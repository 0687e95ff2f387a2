"""CoinGecko's lists: coins, currencies, search, largest movers; and what says how the API itself is. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any

from providers.datasets import BLOCK, CATEGORIES
from providers.protocols.coingecko import CATEGORIES as THEIRS
from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.rest import Account, Pages, Reading, Reply, pages_of
from spot.feeds.chosen import COINS_BY_RANK, LARGEST_COINS
from spot.feeds.coin_search import search as find
from spot.feeds.lists import COIN_LIST, CURRENCY_LIST
from spot.feeds.view import view_of
from spot.query.jsontext import dumps

#: What stands for no limit where a number is required.
_UNLIMITED = 1_000_000_000
#: The coins in an answer to a search, and the matches that are ranked for it.
_FOUND, _RANKED = 25, 500
#: The coins on each side of the movers, and the volume below which none is.
_MOVERS, _LEAST_VOLUME = 30, 50_000
_DURATIONS = ("1h", "24h", "7d", "14d", "30d", "1y")


def ping(_asked: Asked) -> Reading:
    """`/ping`"""
    return Reading((), lambda _pages: Reply(b'{"gecko_says":"(V3) To the Moon! (served by Spot)"}'))


def key(_asked: Asked) -> Reading:
    """`/key`: what the client may use of this site."""
    return Reading((), lambda _pages: Reply(b""), personal=_write_account)


def _write_account(account: Account) -> Reply:
    minute, month = account.per_minute or _UNLIMITED, account.per_month or _UNLIMITED
    facts = {
        "plan": f"Spot ({account.name})",
        "rate_limit_request_per_minute": minute,
        "monthly_call_credit": month,
        "current_total_monthly_calls": account.used,
        "current_remaining_monthly_calls": max(0, month - account.used),
        "api_key_rate_limit_request_per_minute": minute,
        "api_key_monthly_call_credit": month,
        "api_key_current_total_monthly_calls": account.used,
    }
    return Reply(dumps(facts))


def currencies(asked: Asked) -> Reading:
    """`/simple/supported_vs_currencies`"""
    return Reading((view_of(CURRENCY_LIST, {}, asked.depth),), _write_rows)


def coins(asked: Asked) -> Reading:
    """`/coins/list`: every coin, also those that no market shows."""
    if asked.parameters.text("status").lower() == "inactive":
        raise Refused("forbidden_channel", "status=inactive needs a paid plan, which this site does not pass on.")
    platforms = asked.parameters.truth("include_platform")
    return Reading((view_of(COIN_LIST, {"platforms": platforms}, asked.depth),), _write_rows, fresh_seconds=1800)


def _write_rows(pages: Pages) -> Reply:
    return Reply(pages_of(pages)[0].answer.data)


# --- search -----------------------------------------------------------------------------------------------------------


def search(asked: Asked) -> Reading:
    """`/search`: coins of the whole list by market cap, and the categories that we have; no exchanges and NFTs."""
    text = asked.need("query")
    views = (
        view_of(COIN_LIST, {"platforms": False, "page_size": 1}, asked.depth),
        view_of(LARGEST_COINS, {"vs_currency": "usd"}, asked.depth),
    )
    return Reading(views, partial(_write_found, text), fresh_seconds=900)


def _write_found(text: str, pages: Pages) -> Reply:
    listed, market = pages_of(pages)
    places = market.answer.table.position()
    found = find(text, listed.answer.table, _RANKED)
    found.sort(key=lambda coin: places.get(coin["id"], len(places)))
    reads = ("logo", "market_cap_rank")
    known = [places[coin["id"]] for coin in found[:_FOUND] if coin["id"] in places]
    heads = iter(market.answer.table.rows(reads, known))
    rows: list[dict[str, Any]] = []
    for coin in found[:_FOUND]:
        head = next(heads) if coin["id"] in places else {"logo": None, "market_cap_rank": None}
        logo = head["logo"] or ""
        rows.append(
            {
                "id": coin["id"],
                "name": coin["name"],
                "api_symbol": coin["id"],
                "symbol": coin["symbol"],
                "market_cap_rank": head["market_cap_rank"],
                "thumb": logo.replace("/large/", "/thumb/"),
                "large": logo,
            }
        )
    wanted = text.casefold()
    categories = [
        {"id": THEIRS[name], "name": label}
        for name, label in CATEGORIES.items()
        if wanted in label.casefold() or wanted in THEIRS[name]
    ]
    return Reply(dumps({"coins": rows, "exchanges": [], "icos": [], "categories": categories, "nfts": []}))


# --- movers -----------------------------------------------------------------------------------------------------------


def movers(asked: Asked) -> Reading:
    """`/coins/top_gainers_losers`: of the largest coins those that have risen and fallen most."""
    duration = asked.parameters.text("duration", "24h").lower()
    if duration not in _DURATIONS:
        allowed = ", ".join(_DURATIONS)
        raise Refused("bad_value", f"Invalid duration parameter: one of {allowed}", "duration", allowed)
    top = asked.parameters.text("top_coins", "1000").lower()
    count = int(top) if top in ("300", "500", "1000") else asked.depth
    held = -(-asked.depth // BLOCK) * BLOCK
    view = view_of(COINS_BY_RANK, {"vs_currency": asked.currency, "ranks": (0, min(count, held))}, asked.depth)
    return Reading((view,), partial(_write_movers, asked.currency, duration), fresh_seconds=300)


def _write_movers(currency: str, duration: str, pages: Pages) -> Reply:
    page = pages_of(pages)[0]
    column = f"price_change_{duration}"
    reads = ("id", "symbol", "name", "logo", "market_cap_rank", "price", "volume_24h", column)
    rows = page.answer.table.rows(reads, page.answer.page.indices.tolist())
    moved = [row for row in rows if row[column] is not None and (row["volume_24h"] or 0) >= _LEAST_VOLUME]
    moved.sort(key=lambda row: row[column], reverse=True)

    def written(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": row["id"],
            "symbol": row["symbol"].lower(),
            "name": row["name"],
            "image": row["logo"] or "",
            "market_cap_rank": row["market_cap_rank"],
            currency: row["price"],
            f"{currency}_24h_vol": row["volume_24h"],
            f"{currency}_{duration}_change": row[column],
        }

    gainers = [written(row) for row in moved if row[column] > 0][:_MOVERS]
    losers = [written(row) for row in reversed(moved) if row[column] < 0][:_MOVERS]
    return Reply(dumps({"top_gainers": gainers, "top_losers": losers}))
