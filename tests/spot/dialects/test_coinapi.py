"""CoinAPI's stream as its programs meet it: hello, subscribe, unsubscribe, heartbeats, errors, keys."""

import asyncio
import json
import re
from typing import Any

import pytest

from providers.datasets import Dataset
from spot.dialects import coinapi
from spot.dialects.coinapi import CoinApi
from spot.dialects.values import Drain
from spot.web import consumers
from tests.spot import keyed
from tests.spot.dialects.foreign import any_message, survives
from tests.spot.rows import COINS, USD, candles, coin, market
from tests.spot.sockets import Closed, Socket, put, put_lists, put_market, run

PATH = "/compat/coinapi/v1"
KINDS = {"exrate", "asset", "ohlcv", "hearbeat", "error", "reconnect"}
ANONYMOUS = "00000000-0000-0000-0000-000000000000"
pytestmark = pytest.mark.usefixtures("redis")


def message(kind: str, *assets: str, types: tuple[str, ...] = ("exrate",), **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "apikey": ANONYMOUS,
        "heartbeat": False,
        "subscribe_data_type": list(types),
        "subscribe_filter_asset_id": list(assets),
        **more,
    }


async def pairs(socket: Socket, count: int) -> set[str]:
    frames = [await socket.frame() for _ in range(count)]
    return {f"{frame['asset_id_base']}/{frame['asset_id_quote']}" for frame in frames}


async def error(socket: Socket) -> str:
    frame = await socket.frame()
    assert list(frame) == ["type", "message"]
    assert frame["type"] == "error"
    with pytest.raises(Closed):
        await socket.frame()
    return str(frame["message"])


@pytest.mark.parametrize("path", ["/compat/coinapi", "/compat/coinapi/", "/compat/coinapi/v1", "/compat/coinapi/v1/"])
def test_rate_is_that_of_the_documents(path: str) -> None:
    async def story() -> None:
        await put_market(3)
        row = market(1)[0] | {"last_updated": 1_746_273_601_123}
        await put(USD, [row])
        async with Socket("", path=path) as socket:
            assert await socket.silent(0.05)
            await socket.send(message("hello", "BTC/USD"))
            frame = await socket.frame()
            frame.pop("stale", None)
            assert frame == {
                "time": "2025-05-03T12:00:01.1230000Z",
                "asset_id_base": "BTC",
                "asset_id_quote": "USD",
                "rate": row["price"],
                "rate_type": "BASE_ALL_CROSSES_TO_REF",
                "type": "exrate",
            }

    run(story())


def test_hello_replaces_subscribe_adds_unsubscribe_removes() -> None:
    async def story() -> None:
        await put_market(10)
        await put(Dataset("markets", "eur"), market(10))
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", "ETH/EUR"))
            assert await pairs(socket, 2) == {"BTC/USD", "ETH/EUR"}
            await socket.send(message("subscribe", "SOL/USD", "BTC/USD"))
            assert await pairs(socket, 1) == {"SOL/USD"}
            await put_market(10, 1.0)
            assert await pairs(socket, 2) == {"BTC/USD", "SOL/USD"}
            await socket.send(message("unsubscribe", "BTC/USD"))
            await put_market(10, 2.0)
            assert await pairs(socket, 1) == {"SOL/USD"}
            await socket.send(message("hello", "xmr/usd"))
            assert await pairs(socket, 1) == {"XMR/USD"}
            await put_market(10, 3.0)
            assert await pairs(socket, 1) == {"XMR/USD"}
            assert await socket.silent(0.1)

    run(story())


def test_symbol_means_the_largest_coin_and_beyond_the_market_the_only_one() -> None:
    async def story() -> None:
        await put_lists()
        listed = [("bitcoin", "btc"), ("imposter", "btc"), ("rare", "rare"), ("one", "two"), ("another", "two")]
        await put(COINS, [{"id": name, "symbol": symbol, "name": name} for name, symbol in listed], 86_400)
        imposter = coin("imposter", symbol="BTC", price=0.001, market_cap=5)
        await put(USD, [coin("bitcoin", symbol="BTC", price=100_000.0, market_cap=10**12), imposter])
        await put(Dataset("quotes", "usd"), [coin("rare", symbol="RARE", price=3.5)], meta={"asked": ["rare"]})
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", "RARE", "TWO"))
            rates = {}
            for _ in range(2):
                frame = await socket.frame()
                rates[frame["asset_id_base"]] = frame["rate"]
            assert rates == {"BTC": 100_000.0, "RARE": 3.5}
            await socket.send(message("subscribe", "TWO", "NOSUCH"))
            assert "NOSUCH, TWO" in await error(socket)

    run(story())


def test_assets_and_candles() -> None:
    async def story() -> None:
        await put_market(3)
        candle = Dataset("candles", "usd", "bitcoin", 1)
        await put(candle, candles(4, end=1_746_273_600_000), meta={"interval_ms": 1_800_000})
        types = ("asset", "ohlcv")
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", types=types, subscribe_filter_period_id=["30MIN"]))
            frames = {frame["type"]: frame for frame in [await socket.frame(), await socket.frame()]}
            for frame in frames.values():
                frame.pop("stale", None)
            row = market(1)[0]
            assert frames["asset"] == {
                "type": "asset",
                "asset_id": "BTC",
                "name": "Bitcoin",
                "type_is_crypto": 1,
                "volume_1day_usd": row["volume_24h"],
                "price_usd": row["price"],
            }
            assert frames["ohlcv"] == {
                "type": "ohlcv",
                "symbol_id": "ALL_SPOT_BTC_USD",
                "period_id": "30MIN",
                "time_period_start": "2025-05-03T12:00:00.0000000Z",
                "time_period_end": "2025-05-03T12:30:00.0000000Z",
                "time_open": "2025-05-03T12:00:00.0000000Z",
                "time_close": None,
                "price_open": 103.0,
                "price_high": 113.0,
                "price_low": 93.0,
                "price_close": 108.0,
            }

    run(story())


def test_heartbeat_comes_in_silence_if_asked_and_in_that_spelling(monkeypatch) -> None:
    monkeypatch.setattr(coinapi, "_SILENCE", 0.1)

    async def story() -> None:
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", heartbeat=True))
            assert await pairs(socket, 1) == {"BTC/USD"}
            assert [await socket.frame() for _ in range(2)] == [{"type": "hearbeat"}] * 2
            await socket.send(message("hello", "BTC"))
            assert await socket.silent(0.3)

    run(story())


def test_updates_are_limited() -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", subscribe_update_limit_ms_exrate=400))
            await pairs(socket, 1)
            began = asyncio.get_running_loop().time()
            for shift in (1.0, 2.0):
                await put_market(3, shift)
            frames = [await socket.frame()]
            if frames[0]["rate"] != market(1, 2.0)[0]["price"]:
                frames.append(await socket.frame())
            assert frames[-1]["rate"] == market(1, 2.0)[0]["price"]
            assert asyncio.get_running_loop().time() - began > 0.3

    run(story())


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ("nonsense", "JSON"),
        ("[1]", "object"),
        ({"type": "hello"}, "subscribe_data_type"),
        ({"type": "goodbye"}, "type must be one of"),
        ({"type": ["hello"]}, "type must be one of"),
        (message("hello", "BTC", types=("trade", "exrate", "book20")), "trade, book20 cannot be served here"),
        (message("hello", "BTC", types=()), "subscribe_data_type is required"),
        (message("hello"), "subscribe_filter_asset_id is required"),
        (message("hello", "BTC/USD/EUR"), "subscribe_filter_asset_id"),
        (message("hello", "BTC/NOSUCH"), "nosuch"),
        (message("hello", "BTC", subscribe_update_limit_ms_exrate=-1), "subscribe_update_limit_ms_exrate"),
        (message("hello", "BTC", types=("ohlcv",)), "subscribe_filter_period_id"),
        (message("hello", "BTC", types=("ohlcv",), subscribe_filter_period_id=["1SEC"]), "30MIN"),
        (message("subscribe", *(f"A{n}" for n in range(501))), "at most 500"),
    ],
)
def test_what_cannot_be_served_is_named_and_the_connection_ends(sent: object, word: str) -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(sent)
            assert word in await error(socket)

    run(story())


def test_server_that_restarts_says_when() -> None:
    frame = json.loads(CoinApi().write(Drain(1_596_827_947_703, 1500)) or b"")
    assert frame == {"type": "reconnect", "within_seconds": 2, "before_time": "2020-08-07T19:19:09.2030000Z"}


# --- keys -------------------------------------------------------------------------------------------------------------


def test_key_comes_in_the_hello() -> None:
    plan = keyed.plan_with(subscriptions=1)
    key, known = keyed.made(plan)

    async def story() -> None:
        keyed.fill(known, is_open=False)
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(message("hello", "BTC", apikey=key))
            assert await pairs(socket, 1) == {"BTC/USD"}
            await socket.send(message("subscribe", "ETH", apikey=key))
            assert "At most 1 subscriptions" in await error(socket)
        for wrong, word in (("00000000-aaaa-0000-0000-000000000000", "No key of this site"), (ANONYMOUS, "with a key")):
            async with Socket("", path=PATH) as socket:
                await socket.send(message("hello", "BTC", apikey=wrong))
                assert word in await error(socket)

    run(story())


def test_key_in_the_hello_counts_for_its_client() -> None:
    key, known = keyed.made(keyed.plan_with(connections=1))

    async def story() -> None:
        keyed.fill(known)
        await put_market(3)
        async with Socket("", path=PATH) as first, Socket("", path=PATH) as second:
            await first.send(message("hello", "BTC", apikey=key))
            assert await pairs(first, 1) == {"BTC/USD"}
            await second.send(message("hello", "BTC", apikey=key))
            assert "At most 1 connections with one key" in await error(second)
            async with Socket("", "apikey=" + key, path=PATH, denying=True) as third:
                assert third.status == 429
                assert list(json.loads(await third.body())) == ["error"]

    run(story())


def test_nothing_is_served_before_the_key(monkeypatch) -> None:
    monkeypatch.setattr(consumers, "_KEY_SECONDS", 0.2)

    async def story() -> None:
        keyed.fill(is_open=False)
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            sent = message("hello", "BTC")
            del sent["apikey"]
            await socket.send(sent)
            assert "with a key" in await error(socket)
        async with Socket("", path=PATH) as socket:
            assert "with a key" in await error(socket)
        async with Socket("", path=PATH, headers={"x-coinapi-key": "wrong"}, denying=True) as socket:
            assert socket.status == 401
            assert re.search("No key", json.loads(await socket.body())["error"])

    run(story())


def test_any_message_gets_an_answer_in_the_protocols_words(request) -> None:
    messages = any_message(
        "type", "apikey", "heartbeat", "subscribe_data_type", "subscribe_filter_asset_id", "subscribe_filter_period_id",
        type=["hello", "subscribe", "unsubscribe"], subscribe_data_type=[["exrate"], ["asset", "ohlcv"]],
        subscribe_filter_asset_id=[["BTC"], ["BTC/EUR", "X"]], subscribe_filter_period_id=[["30MIN"]],
        apikey=[ANONYMOUS],
    )  # fmt: skip
    survives(request, PATH, messages, lambda frame: json.loads(frame)["type"] in KINDS)
