"""HTTP answers for pages besides the feeds: the list of currencies, coins by name, and logos of coins."""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError

from providers.datasets import COINS, CURRENCIES, Dataset, is_coin_id
from spot.dialects.interface import Operation, Outcome, Payload
from spot.dialects.schema import closed
from spot.feeds.base import Column, row_schema
from spot.feeds.coin_search import search
from spot.hub.hub import Hub
from spot.web import logos
from spot.web.answers import Request, Response, json_answer, parameter
from spot.web.headers import BALANCE

#: How long a browser waits for a logo that has never been fetched, in seconds; the drawn one stands there meanwhile.
PATIENCE = 8.0
#: A logo changes rarely, and an old one does no harm.
_LOGO_KEPT = b"public, max-age=86400, stale-while-revalidate=604800"
#: The most coins in the answer to a search, and the most characters of its text that count.
MOST_COINS, LONGEST_TEXT = 8, 100
#: The market in which a coin is looked up that no client of this process sees.
_USUAL = Dataset("markets", "usd")


CURRENCIES_OPERATION = Operation(
    id="getCurrencies",
    summary="the currencies that prices are quoted in",
    tag="lookups",
    answers=(
        Outcome(
            200,
            "codes, sorted; none before their list has been fetched",
            (Payload("Currencies", row_schema((Column("currencies", "texts"),))),),
            BALANCE,
        ),
    ),
)
COINS_OPERATION = Operation(
    id="findCoins",
    summary="coins by symbol, name or id",
    tag="lookups",
    answers=(
        Outcome(
            200,
            f"at most {MOST_COINS} coins, the best matches first; none before their list has been fetched",
            (
                Payload(
                    "Coins",
                    row_schema(
                        (
                            Column(
                                "coins",
                                "rows",
                                of=(Column("id", "text"), Column("symbol", "text"), Column("name", "text")),
                            ),
                        )
                    ),
                ),
            ),
            BALANCE,
        ),
    ),
    parameters=closed(
        {"q": {"type": "string", "description": f"text looked for; {LONGEST_TEXT} characters of it count"}},
        optional=("q",),
    ),
)


async def currencies(_request: Request) -> Response:
    """The currency codes of the providers, sorted; none before their list is there."""
    topic = Hub.current().topics[CURRENCIES.name]
    codes = sorted(topic.table.keys) if topic.table else []
    return json_answer({"currencies": codes}, cache_control=f"max-age={3600 if codes else 0}")


async def coins(request: Request) -> Response:
    """The coins of the whole list whose symbol, name or id has the text `q`; none before the list is there."""
    table = Hub.current().topics[COINS.name].table
    matches = search((parameter(request.query_string, "q") or "")[:LONGEST_TEXT], table, MOST_COINS) if table else []
    return json_answer({"coins": matches}, cache_control=f"max-age={60 if table else 0}")


async def logo(coin_id: str, request: Request) -> Response:
    """The picture of a coin. 404 when there is no such coin, or no logo of it; 204 when it cannot be fetched now, which
    an <img> treats as a failure without an error in the console."""
    url = await _logo_url(coin_id) if is_coin_id(coin_id) else ""
    if not url or not logos.allowed(url, logos.origins()):
        return Response(404, [(b"Content-Type", b"text/plain"), (b"Cache-Control", b"no-store")])
    picture = await _patiently(url)
    if picture is None:
        return Response(204, [(b"Content-Type", b"text/html; charset=utf-8"), (b"Cache-Control", b"max-age=300")])
    headers = [(b"ETag", picture.etag.encode()), (b"Cache-Control", _LOGO_KEPT)]
    if request.header(b"if-none-match") == picture.etag:
        return Response(304, headers)
    return Response(200, [*headers, (b"Content-Type", picture.content_type.encode())], picture.body)


async def _patiently(url: str) -> logos.Picture | None:
    try:
        async with asyncio.timeout(PATIENCE):
            # The fetch goes on when this request gives up, for the next one.
            return await asyncio.shield(asyncio.wrap_future(logos.gallery().ask(url)))
    except TimeoutError:
        return None


async def _logo_url(coin_id: str) -> str:
    """The address in the newest row of the coin; "" when no row names one."""
    hub = Hub.current()
    tables = [topic.table for topic in hub.topics.values() if topic.dataset.traits.coins]
    shown = [table for table in tables if table is not None]
    for table in shown:
        if coin_id in table.position():
            return _address(table.column("logo")[table.position()[coin_id]])
    if shown:
        return ""
    try:
        _, snapshot = await hub.reader.latest(_USUAL, charts=False)
    except (RedisError, OSError):
        return ""
    return next((_address(row["logo"]) for row in (snapshot.rows if snapshot else ()) if row["id"] == coin_id), "")


def _address(logo: str | None) -> str:
    return str(logo or "")
