"""A list of coins is served as far as its coins are known; the others are named with the reason."""

import asyncio
import json

import pytest

from providers.datasets import Dataset
from spot import snapshots
from spot.snapshots import Trouble
from tests.spot.rows import COINS, USD, coin, market
from tests.spot.sockets import Socket, put, put_lists, put_market, run
from tests.spot.web.test_twins import get

QUOTES = Dataset("quotes", "usd")
pytestmark = pytest.mark.usefixtures("redis")


async def put_quotes(rows: list[dict], asked: list[str]) -> None:
    await put(QUOTES, rows, meta={"asked": asked})


def names(rows: list[dict]) -> list[str]:
    return [row["name"] for row in rows]


@pytest.mark.parametrize("spelling", ["renamed-coin", "RENAMED-COIN", "not an id!", "-"])
def test_an_unknown_coin_leaves_the_others_on_the_tape(spelling) -> None:
    async def story() -> None:
        await put_market(3)
        asked = f"coin_ids=bitcoin,{spelling},ethereum"
        response = await get("ticker-tape", asked)
        assert (response.status_code, names(json.loads(response.content))) == (200, ["Bitcoin", "Ethereum"])
        assert response["X-Spot-Missing"] == spelling.lower().replace(" ", "%20").replace("!", "%21")
        enveloped = json.loads((await get("ticker-tape", f"{asked}&envelope=1")).content)
        assert enveloped["missing"] == {
            spelling.lower(): {"code": "unknown_coin", "message": f"no coin has the id {spelling.lower()!r}."}
        }
        async with Socket("ticker-tape", asked) as socket:
            error = await socket.frame()
            assert (error["code"], error["field"]) == ("unknown_coin", "coin_ids")
            assert repr(spelling.lower()) in error["message"]
            assert names(await socket.frame()) == ["Bitcoin", "Ethereum"]
            await socket.send({"search": "bit"})  # what has been told is not told again
            assert names(await socket.frame()) == ["Bitcoin"]
            await socket.send({"search": None})
            assert names(await socket.frame()) == ["Bitcoin", "Ethereum"]
            await put(USD, market(3, shift=1.0))
            assert names(await socket.frame()) == ["Bitcoin", "Ethereum"]

    run(story())


def test_a_symbol_among_ids_is_told_which_coin_was_meant() -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("ticker-tape", "coin_ids=ethereum,tether,usdt&envelope=1") as socket:
            assert (await socket.next("snapshot"))["missing"]["usdt"]["code"] == "unknown_coin"

    run(story())


def test_a_coin_that_is_delisted_while_the_tape_is_open_is_named_and_the_tape_goes_on() -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin", "small-coin"))
        await put(USD, [coin("bitcoin", market_cap=9)])
        await put_quotes([coin("small-coin")], ["small-coin"])
        async with Socket("ticker-tape", "coin_ids=bitcoin,small-coin&envelope=1") as socket:
            while "missing" in await socket.next("snapshot"):  # until the hub has read the quotes
                pass
            await put(COINS, [{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}], 86_400)
            assert (await socket.next("snapshot"))["missing"]["small-coin"]["code"] == "unknown_coin"

    run(story())


def test_a_request_waits_for_coins_that_the_market_lacks() -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin", "small-coin"))
        await put(USD, [coin("bitcoin", market_cap=9)])
        request = asyncio.ensure_future(get("ticker-tape", "coin_ids=bitcoin,small-coin"))
        async with Socket("ticker-tape", "coin_ids=bitcoin,small-coin") as socket:
            await socket.frame()
            assert not request.done()
            await put_quotes([coin("small-coin")], ["small-coin"])
            response = await request
        assert names(json.loads(response.content)) == ["Bitcoin", "Small-Coin"]
        assert "X-Spot-Missing" not in response

    run(story())


def test_a_coin_of_which_the_source_has_no_price_is_named_and_not_waited_for() -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin", "small-coin"))
        await put(USD, [coin("bitcoin", market_cap=9)])
        await put_quotes([], ["small-coin"])
        both = json.loads((await get("ticker-tape", "coin_ids=bitcoin,small-coin&envelope=1")).content)
        assert both["missing"] == {"small-coin": {"code": "no_price", "message": "The source has no price of it."}}
        alone = await get("ticker-tape", "coin_ids=small-coin")
        assert (alone.status_code, json.loads(alone.content)["code"]) == (503, "unavailable")

    run(story())


def test_a_request_ends_its_waiting_when_the_fetch_of_the_coins_has_failed() -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin", "small-coin"))
        await put(USD, [coin("bitcoin", market_cap=9)])
        now = snapshots.now_ms()
        trouble = Trouble("unavailable", "503 of https://acme.test", now, now + 60_000, public="Acme has an outage.")
        await asyncio.to_thread(snapshots.set_trouble, QUOTES, trouble)
        response = await get("ticker-tape", "coin_ids=bitcoin,small-coin&envelope=1")
        missing = json.loads(response.content)["missing"]["small-coin"]
        assert missing == {"code": "unavailable", "message": "Acme has an outage."}

    run(story())


def test_what_has_not_come_in_time_is_named(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.2

    async def story() -> None:
        await put_lists(coins=("bitcoin", "small-coin"))
        await put(USD, [coin("bitcoin", market_cap=9)])
        response = await get("ticker-tape", "coin_ids=bitcoin,small-coin")
        assert (response.status_code, response["X-Spot-Missing"]) == (200, "small-coin")
        csv = await get("ticker-tape", "coin_ids=bitcoin,small-coin&format=csv")
        assert (csv.status_code, csv["X-Spot-Missing"]) == (200, "small-coin")
        enveloped = json.loads((await get("ticker-tape", "coin_ids=bitcoin,small-coin&envelope=1")).content)
        assert enveloped["missing"]["small-coin"]["code"] == "unavailable"

    run(story())
