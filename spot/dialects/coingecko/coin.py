"""CoinGecko's `/coins/{id}`: passed on whole; where it cannot be had, what the market says of the coin. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from providers.datasets import WINDOWS
from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.coingecko.passed import cut_coin, document, whole
from spot.dialects.coingecko.rows import MARKETS_BY_ID, Form, market_row
from spot.dialects.rest import Pages, Reading, Reply, pages_of
from spot.dialects.times import iso
from spot.feeds.chosen import LARGEST_COINS
from spot.feeds.view import view_of
from spot.query.jsontext import dumps

_LINKS: dict[str, Any] = {
    "homepage": [],
    "whitepaper": "",
    "blockchain_site": [],
    "official_forum_url": [],
    "chat_url": [],
    "announcement_url": [],
    "snapshot_url": None,
    "twitter_screen_name": "",
    "facebook_username": "",
    "bitcointalk_thread_identifier": None,
    "telegram_channel_identifier": "",
    "subreddit_url": "",
    "repos_url": {"github": [], "bitbucket": []},
}
#: Fields of `market_data` that are maps by currency: the field of a market row.
_AMOUNTS = {
    "current_price": "current_price",
    "market_cap": "market_cap",
    "total_volume": "total_volume",
    "fully_diluted_valuation": "fully_diluted_valuation",
    "high_24h": "high_24h",
    "low_24h": "low_24h",
    "ath": "ath",
    "atl": "atl",
    "price_change_24h_in_currency": "price_change_24h",
    "market_cap_change_24h_in_currency": "market_cap_change_24h",
}
_SCALARS = (
    "market_cap_rank", "price_change_24h", "price_change_percentage_24h", "market_cap_change_24h",
    "market_cap_change_percentage_24h", "circulating_supply", "total_supply", "max_supply", "roi", "last_updated",
)  # fmt: skip


def coin(asked: Asked) -> Reading:
    """The reading of `/coins/{id}`."""
    form = asked.parameters.text("dex_pair_format")
    passed = whole(asked, document(asked, f"coins/{asked.coin}", {"dex_pair_format": form}), 60, cut_coin)

    def write(pages: Pages) -> Reply | Reading:
        if isinstance(pages[0], Refused) and pages[0].fact.retry:
            return _from_market(asked)
        return passed.write(pages)

    return Reading(passed.views, write, passed.fresh_seconds)


def _from_market(asked: Asked) -> Reading:
    wish = {"vs_currency": "usd", "form": Form(windows=WINDOWS)}
    views = (
        view_of(MARKETS_BY_ID, {**wish, "coin_ids": [asked.coin]}, asked.depth),
        view_of(LARGEST_COINS, {"vs_currency": "usd"}, asked.depth),
    )
    return Reading(views, partial(_write, asked))


def _write(asked: Asked, pages: Pages) -> Reply:
    page, market = pages_of(pages)
    answer = page.answer
    if not answer.page.total:
        raise Refused("unavailable", "Nothing has been fetched yet of this coin.")
    [row] = answer.table.rows(answer.shape.reads, answer.page.indices.tolist())
    places = market.answer.table.position()
    prices = {
        symbol: market.answer.table.column("price")[places[coin]]
        for symbol, coin in (("btc", "bitcoin"), ("eth", "ethereum"))
        if coin in places
    }
    coin = _whole(market_row(row), row, prices)
    return Reply(dumps(cut_coin(coin, asked)), headers=(("x-spot-partial", "market"),))


def _whole(row: Mapping[str, Any], stored: Mapping[str, Any], prices: Mapping[str, float]) -> dict[str, Any]:
    """A coin with everything that clients need, as far as a row of the market tells it."""

    def by_currency(value: float | None) -> dict[str, float]:
        if value is None:
            return {}
        return {"usd": value, **{code: value / price for code, price in prices.items() if price}}

    def in_dollars(value: Any) -> dict[str, Any]:
        return {} if value is None else {"usd": value}

    market_data: dict[str, Any] = {name: by_currency(row[field]) for name, field in _AMOUNTS.items()}
    for name in ("ath_change_percentage", "ath_date", "atl_change_percentage", "atl_date"):
        market_data[name] = in_dollars(row[name])
    market_data["market_cap_change_percentage_24h_in_currency"] = in_dollars(row["market_cap_change_percentage_24h"])
    for window in WINDOWS:
        change = stored[f"price_change_{window}"]
        market_data[f"price_change_percentage_{window}_in_currency"] = in_dollars(change)
        market_data[f"price_change_percentage_{window}"] = change
    market_data |= {name: row[name] for name in _SCALARS}
    image = row["image"]
    return {
        "id": row["id"],
        "symbol": row["symbol"],
        "name": row["name"],
        "web_slug": row["id"],
        "asset_platform_id": None,
        "platforms": {"": ""},
        "detail_platforms": {"": {"decimal_place": None, "contract_address": ""}},
        "block_time_in_minutes": 0,
        "hashing_algorithm": None,
        "categories": [],
        "preview_listing": False,
        "public_notice": None,
        "additional_notices": [],
        "localization": {"en": row["name"]},
        "description": {"en": ""},
        "links": _LINKS,
        "image": {size: image.replace("/large/", f"/{size}/") for size in ("thumb", "small", "large")},
        "country_origin": "",
        "genesis_date": None,
        "sentiment_votes_up_percentage": None,
        "sentiment_votes_down_percentage": None,
        "watchlist_portfolio_users": 0,
        "has_supply_breakdown": False,
        "market_cap_rank": row["market_cap_rank"],
        "market_data": market_data,
        "status_updates": [],
        "last_updated": row["last_updated"] or iso(0),
        "tickers": [],
    }
