"""Who asks for a coin by its symbol is told which coins have it, and never given one of them."""

import asyncio
import json

import pytest

from providers.errors import NotFound
from spot import endpoints
from spot.feeds import table_of
from spot.feeds.namesakes import namesakes, sentence, unknown_coins
from spot.query.table import Table
from tests.spot.rows import COINS, CURRENCIES, USD, coin
from tests.spot.sockets import Socket, put, put_lists, run
from tests.spot.web.test_twins import get

LISTED = [
    {"id": "batcat", "symbol": "BTC", "name": "batcat"},
    {"id": "bitcoin", "symbol": "BTC", "name": "Bitcoin"},
    {"id": "ethereum", "symbol": "ETH", "name": "Ethereum"},
    {"id": "clone", "symbol": "btc", "name": "Clone"},
    *({"id": f"many-{n:02}", "symbol": "MANY", "name": f"Many {n}"} for n in range(20)),
]
SAID = "no coin has the id 'btc', which is the symbol of bitcoin (Bitcoin), batcat (batcat), clone (Clone). Ask by id."


def table(rows: list[dict]) -> Table:
    return table_of("coins", rows)


def test_namesakes_come_by_market_cap_and_then_by_id() -> None:
    assert [one for one, _ in namesakes("btc", table(LISTED))] == ["batcat", "bitcoin", "clone"]
    small, large = table([coin("batcat")]), table([coin("ethereum"), coin("bitcoin")])
    assert [one for one, _ in namesakes("Btc", table(LISTED), [large, small])] == ["bitcoin", "batcat", "clone"]
    assert namesakes("nothing", table(LISTED)) == []


def test_the_refusal_names_them_and_allows_their_ids() -> None:
    refused = unknown_coins("coin_ids", ["btc"], table(LISTED), [table([coin("bitcoin")])])
    assert (refused.code, refused.field, refused.message) == ("unknown_coin", "coin_ids", f"coin_ids: {SAID}")
    assert refused.allowed == "bitcoin, batcat, clone"


def test_a_name_that_is_neither_is_just_unknown() -> None:
    refused = unknown_coins("coin_id", ["nosuchcoin"], table(LISTED))
    assert refused.message == "coin_id: no coin has the id 'nosuchcoin'."
    assert refused.allowed == "an id from the provider's coin list"


def test_of_many_only_some_are_named() -> None:
    said = sentence("many", namesakes("many", table(LISTED)))
    assert said.count("(") == 8
    assert "and 12 more" in said


async def stored() -> None:
    await put(CURRENCIES, [{"id": "usd"}])
    await put(COINS, LISTED)
    await put(USD, [coin("bitcoin", symbol="BTC", name="Bitcoin", market_cap=9)])


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    ("feed", "query", "field"),
    [("historical-ohlcv", "coin_id=BTC", "coin_id"), ("ticker-tape", "coin_ids=btc", "coin_ids")],
)
def test_a_socket_and_its_twin_say_the_same(feed: str, query: str, field: str) -> None:
    async def story() -> None:
        await stored()
        async with Socket("market") as warm:
            await warm.frame()
            async with Socket(feed, query) as socket:
                error = await socket.frame()
                assert (error["code"], error["message"]) == ("unknown_coin", f"{field}: {SAID}")
                assert error["allowed"] == "bitcoin, batcat, clone"
                assert await socket.closed() == 4404
            response = await get(feed, query)
            assert (response.status_code, json.loads(response.content)["message"]) == (404, f"{field}: {SAID}")

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_live_change_to_a_symbol_is_refused_and_the_tape_goes_on() -> None:
    async def story() -> None:
        await stored()
        async with Socket("ticker-tape", "coin_ids=bitcoin") as socket:
            assert len(await socket.frame()) == 1
            await socket.send({"coin_ids": ["eth"]})
            assert "ethereum (Ethereum)" in (await socket.next("error"))["message"]
            await put(USD, [coin("bitcoin", symbol="BTC", name="Bitcoin", market_cap=9, price=5.0)])
            assert [row["price"] for row in await socket.frame()] == [5.0]

    run(story())


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_the_functions_say_so_too(settings) -> None:
    settings.SPOT_DEMO = "off"
    asyncio.run(stored())
    with pytest.raises(
        NotFound, match=r"^No coin has the id 'btc', which is the symbol of bitcoin \(Bitcoin\), batcat"
    ):
        endpoints.get_historical_ohlcv("btc")
    with pytest.raises(NotFound, match=r"'eth', which is the symbol of ethereum"):
        endpoints.get_ticker_tape_data(["eth"])


@pytest.mark.usefixtures("redis")
def test_coins_that_share_a_symbol_are_rows_of_their_own() -> None:
    twins = [
        coin("bitcoin", symbol="BTC", name="Bitcoin", price=60_000.0, market_cap=1e12),
        coin("ethereum", symbol="ETH", name="Ethereum", price=2_000.0, market_cap=3e11),
        coin("batcat", symbol="BTC", name="batcat", price=0.001, market_cap=1e5),
    ]

    async def story() -> None:
        await put_lists(coins=("bitcoin", "batcat", "ethereum"))
        await put(USD, twins)
        async with Socket("market", 'filters={"symbol":"btc"}') as socket:
            rows = (await socket.frame())["rows"]
            assert [row[2:5] for row in rows] == [["BTC", "Bitcoin", 60_000.0], ["BTC", "batcat", 0.001]]
        async with Socket("coin-heatmap") as socket:
            assert [item["symbol"] for item in await socket.frame()] == ["BTC", "ETH", "BTC"]
        async with Socket("ticker-tape", "coin_ids=batcat,bitcoin") as socket:
            assert [item["name"] for item in await socket.frame()] == ["batcat", "Bitcoin"]
        async with Socket("market", 'envelope=1&delta=1&filters={"symbol":"btc"}') as socket:
            await socket.next("snapshot")
            await put(USD, [*twins[:2], twins[2] | {"price": 0.002}])
            delta = await socket.next("delta")
            assert "batcat" in json.dumps(delta)
            assert "60000" not in json.dumps(delta)

    run(story())
