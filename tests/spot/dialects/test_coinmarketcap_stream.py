"""CoinMarketCap's WebSocket: the documented transcripts, every error code, closes, on-chain events."""

import json
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.datasets import Dataset
from spot import snapshots
from spot.codes import ERRORS, Refused
from spot.dialects.coinmarketcap.errors import CODES, close_of, code_of
from spot.dialects.coinmarketcap.numbers import Numbers
from spot.dialects.coinmarketcap.stream import CHANNELS, FIELDS, LatestPrice
from spot.dialects.coinmarketcap.stream_frames import PRICES
from spot.dialects.values import Failed
from spot.hub.hub import Hub
from spot.snapshots import Trouble, now_ms, nudges
from tests.spot import keyed
from tests.spot.query.test_query import json_values
from tests.spot.rows import USD, coin, events
from tests.spot.sockets import Socket, eventually, put, put_lists, run

PATH = "/compat/coinmarketcap/v1"
TOKEN = "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d"
TOPIC = f"kline.14.{TOKEN.lower()}.1m"
pytestmark = pytest.mark.usefixtures("redis")


def market(shift: float = 0.0):
    return [
        coin(
            name,
            price=price + shift,
            volume_24h=29_932_025_976.79,
            market_cap=cap,
            circulating_supply=20_028_706.0,
            price_change_24h=0.534,
            last_updated=1_700_000_000_000,
        )
        for name, price, cap in (("bitcoin", 81187.93, 1_626_089_237_758.01), ("ethereum", 2500.5, 3e11))
    ] + [coin("ripple", market_cap=1.0), coin("nameless", price=1.0)]


async def put_market(shift: float = 0.0, **facts) -> None:
    await put_lists(coins=("bitcoin", "ethereum", "ripple", "nameless", "tether"), **facts)
    version = await put(USD, market(shift), **facts)
    await nudges.tell(USD.name)
    if (topic := Hub.current().topics.get(USD.name)) is not None:
        await eventually(lambda: topic.version == version)


@asynccontextmanager
async def connected(**facts):
    async with Socket("", path=PATH, **facts) as socket:
        assert await socket.frame() == {"type": "welcome", "ping_interval_ms": 10_000}
        yield socket


async def ask(socket: Socket, **message):
    await socket.send(message)
    return await socket.frame()


def subscribe(number, params, channel=PRICES):
    return {"id": number, "method": "subscribe", "channel": channel, "params": params}


async def error(socket: Socket, message) -> tuple[str, str]:
    """Code and detail of the error that a message gets."""
    await socket.send(message)
    frame = await socket.frame()
    assert frame["type"] == "error", frame
    return frame["status"]["error_code"], frame["status"]["error_detail"]


# --- prices -----------------------------------------------------------------------------------------------------------


def test_the_documented_conversation() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            before = now_ms()
            ack = await ask(socket, **subscribe(1, {"crypto_ids": [1, 1027]}))
            assert ack == {
                "type": "ack",
                "id": 1,
                "code": 0,
                "msg": "ok",
                "channel": PRICES,
                "crypto_ids": [1, 1027],
                "sub_count": 2,
                "sub_limit": 100,
            }
            frames = {frame["params"]["crypto_ids"]: frame for frame in [await socket.frame() for _ in range(2)]}
            bitcoin = frames[1]
            assert before <= bitcoin.pop("ts") <= now_ms()
            changes = dict.fromkeys(("p7d", "p30d", "p60d", "p3m", "p1y", "pytd", "pall"))
            assert bitcoin == {
                "type": "data",
                "channel": PRICES,
                "params": {"crypto_ids": 1},
                "data": {
                    "cid": 1,
                    "p": 81187.93,
                    "vu": 29932025976.79,
                    "mc": 1626089237758.01,
                    "cs": 20028706,
                    "p24h": 0.534,
                    "fdv24h": 0.534,
                    **changes,
                },
            }
            assert set(bitcoin["data"]) == {"cid", *FIELDS}
            duplicate = await ask(socket, **subscribe("again", {"crypto_ids": 1}))
            assert (duplicate["duplicate"], duplicate["sub_count"], duplicate["id"]) == (True, 2, "again")
            assert await ask(socket, id=1, method="ping") == {"type": "pong", "id": 1, "code": 0, "ts": any_time()}
            gone = await ask(socket, **subscribe(2, {"crypto_ids": [1027]}) | {"method": "unsubscribe"})
            assert (gone["crypto_ids"], gone["sub_count"]) == ([1027], 1)
            await put_market(1.0)
            assert (await socket.frame())["data"]["p"] == 81188.93
            assert (await ask(socket, id=3, method="unsubscribe", channel=PRICES))["sub_count"] == 0
            last = await ask(socket, id=4, method="unsubscribe_all")
            assert last == {"type": "ack", "id": 4, "code": 0, "msg": "ok", "sub_count": 0, "sub_limit": 100}
            await put_market(2.0)
            assert await socket.silent()

    run(story())


class any_time:  # noqa: N801 - reads as a value
    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and abs(other - now_ms()) < 5000

    __hash__ = None


def test_an_id_may_be_missing_and_more_params_are_taken() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            message = subscribe(None, {"crypto_ids": 1, "mode": "full"})
            ack = await ask(socket, **message)
            assert "id" not in ack
            assert (await socket.frame())["data"]["cid"] == 1

    run(story())


def test_newcomers_get_the_time_of_sending(monkeypatch) -> None:
    async def story() -> None:
        await put_market()
        async with connected() as first, connected(address="192.0.2.2") as second:
            await ask(first, **subscribe(1, {"crypto_ids": 1}))
            old = (await first.frame())["ts"]
            monkeypatch.setattr("spot.hub.hub.now_ms", lambda: old + 60_000)
            await ask(second, **subscribe(1, {"crypto_ids": 1}))
            assert (await second.frame())["ts"] >= old + 60_000

    run(story())


def test_a_coin_without_a_price_is_silent_until_it_has_one() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            assert (await ask(socket, **subscribe(1, {"crypto_ids": [52, 825]})))["sub_count"] == 2
            assert await socket.silent()
            await put(Dataset("quotes", "usd"), [coin("tether", price=1.0)], meta={"asked": ["tether"]})
            await nudges.tell("quotes:usd")
            assert (await socket.frame())["data"]["cid"] == 825

    run(story())


def test_simulated_and_stale_data_say_so() -> None:
    async def story() -> None:
        await put_market(simulated=True, age_ms=3_600_000)
        async with connected() as socket:
            await ask(socket, **subscribe(1, {"crypto_ids": 1}))
            frame = await socket.frame()
            assert (frame["simulated"], frame["stale"]) == (True, True)

    run(story())


# --- errors -----------------------------------------------------------------------------------------------------------

MANY = list(range(1, 102))
WRONG = [
    ("", "2203"),
    ("[" * 9000 + "x" * 9000, "2203"),
    ("{", "2201"),
    ("[1]", "2201"),
    ("null", "2201"),
    ({"id": [1], "method": "ping"}, "2201"),
    ({"id": 1}, "2204"),
    ({"id": 1, "method": "SUBSCRIBE"}, "2202"),
    ({"id": 1, "method": ["ping"]}, "2202"),
    ({"id": 1, "method": "subscribe"}, "2204"),
    (subscribe(1, {"crypto_ids": [1]}, "market@nosuch"), "2301"),
    (subscribe(1, {"crypto_ids": [1]}, 7), "2301"),
    ({"id": 1, "method": "subscribe", "channel": PRICES}, "2401"),
    (subscribe(1, [1]), "2201"),
    (subscribe(1, {}), "2401"),
    (subscribe(1, {"crypto_ids": []}), "2402"),
    (subscribe(1, {"crypto_ids": ["1"]}), "2402"),
    (subscribe(1, {"crypto_ids": [True]}), "2402"),
    (subscribe(1, {"crypto_ids": 10**18}), "2402"),
    (subscribe(1, {"crypto_ids": [1, 999_999_999]}), "2402"),
    (subscribe(1, {"address": TOKEN}, "onchain@transaction"), "2401"),
    (subscribe(1, {"platform_id": 14}, "onchain@transaction"), "2401"),
    (subscribe(1, {"platform_id": 14, "address": TOKEN}, "onchain@pool_metric"), "2401"),
    (subscribe(1, {"platform_id": 14, "address": TOKEN}, "onchain@kline"), "2401"),
    (subscribe(1, {"platform_id": "14", "address": TOKEN}, "onchain@transaction"), "2402"),
    (subscribe(1, {"platform_id": -1, "address": TOKEN}, "onchain@transaction"), "2402"),
    (subscribe(1, {"platform_id": 14, "address": "../admin"}, "onchain@transaction"), "2402"),
    (subscribe(1, {"platform_id": 14, "address": TOKEN, "interval": "1 m"}, "onchain@kline"), "2402"),
]


def test_every_mistake_gets_its_code_and_changes_nothing(monkeypatch, settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 0

    async def story() -> None:
        await put_market()
        async with connected() as socket:
            for message, code in WRONG:
                assert (await error(socket, message))[0] == code, message
            assert (await ask(socket, id=9, method="unsubscribe_all"))["sub_count"] == 0
            monkeypatch.setattr(LatestPrice, "subscriptions", 2)
            assert (await error(socket, subscribe(1, {"crypto_ids": [1, 1027, 52]})))[0] == "2303"
            await ask(socket, **subscribe(1, {"crypto_ids": [52]}))
            code, detail = await error(socket, subscribe(2, {"crypto_ids": [1, 1027]}))
            assert (code, "2" in detail) == ("2303", True)

    run(story())


def test_whoever_asks_too_fast_is_told_and_then_closed(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 1

    async def story() -> None:
        async with connected() as socket:
            answers = [await ask(socket, id=number, method="ping") for number in range(100)]
            assert [answer["type"] for answer in answers[:4]] == ["pong", "pong", "pong", "error"]
            codes = [answer["status"]["error_code"] for answer in answers if answer["type"] == "error"]
            assert set(codes) == {"1008"}
            for number in range(110 - len(codes)):
                await socket.send({"id": number, "method": "ping"})
            assert await socket.closed() == 1013

    run(story())


def test_an_error_is_written_as_documented() -> None:
    async def story() -> None:
        async with connected() as socket:
            frame = await ask(socket, id=1, method="subscribe", channel=PRICES)
            moment = frame["status"].pop("timestamp")
            assert (len(moment), moment[10], moment[-1]) == (24, "T", "Z")
            assert frame == {
                "type": "error",
                "id": 1,
                "status": {
                    "error_code": "2401",
                    "category": "PROTOCOL",
                    "error_message": "Missing required param for channel.",
                    "error_detail": "Param 'crypto_ids' is required for channel 'market@crypto_latest_price'.",
                },
            }

    run(story())


def test_a_coin_that_is_not_listed_is_refused_with_all_that_stand_beside_it() -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin",))
        await put(USD, market()[:1])
        async with connected() as socket:
            await ask(socket, **subscribe(1, {"crypto_ids": 1}))
            await socket.frame()
            code, detail = await error(socket, subscribe(2, {"crypto_ids": [1, 1027]}))
            assert code == "2402"
            assert "ethereum" in detail
            assert (await ask(socket, id=9, method="unsubscribe_all"))["sub_count"] == 0

    run(story())


def test_all_refusals_have_a_code_and_a_close_that_the_protocol_has() -> None:
    for code in ERRORS:
        refused = Refused(code, "why")
        assert code_of(refused) in CODES
        assert close_of(refused) in (1012, 1013, 4004, 4100, 4101, 4102)
        payload = LatestPrice().write(Failed(None, refused, 1))
        assert payload is None or json.loads(payload)["status"]["error_code"] == str(code_of(refused))


@pytest.mark.parametrize(
    ("facts", "code", "close"),
    [
        (None, None, 4100),
        ({"revoked": True}, None, 4101),
        ({"expires": 1}, "1004", 4100),
        ({"origins": frozenset({"https://partner.example"})}, None, 4102),
    ],
)
@pytest.mark.parametrize("place", ["header", "query"])
def test_a_wrong_key_is_told_by_the_close_code(facts, code, close, place) -> None:
    async def story() -> None:
        text, key = keyed.made(**(facts or {}))
        keyed.fill(*([key] if facts is not None else []))
        shown = text if facts is not None else "00000000-nosuch"
        asked = (
            {"headers": {"x-cmc_pro_api_key": shown}} if place == "header" else {"query": f"cmc_pro_Api_key={shown}"}
        )
        if facts and "origins" in facts:
            asked["headers"] = {**asked.get("headers", {}), "origin": "http://localhost"}
        async with Socket("", path=PATH, denying=True, **asked) as socket:
            assert socket.accepted
            if code:
                assert (await socket.frame())["status"]["error_code"] == code
            assert await socket.closed() == close

    run(story())


def test_a_right_key_a_key_that_is_required_and_too_many_connections() -> None:
    async def story() -> None:
        await put_market()
        text, key = keyed.made(keyed.plan_with(connections=1))
        keyed.fill(key, is_open=False)
        async with connected(headers={"x-cmc_pro_api_key": text}) as socket:
            assert (await ask(socket, **subscribe(1, {"crypto_ids": 1})))["code"] == 0
            async with Socket("", f"CMC_PRO_API_KEY={text}", path=PATH) as other:
                assert await other.closed() == 4004
        async with Socket("", path=PATH) as nobody:
            assert (await nobody.frame())["status"]["error_code"] == "1002"
            assert await nobody.closed() == 4100

    run(story())


def test_a_connection_on_which_nothing_moves_is_closed(monkeypatch) -> None:
    monkeypatch.setattr(LatestPrice, "idle_seconds", 0.3)

    async def story() -> None:
        await put_market()
        async with connected() as idle, connected(address="192.0.2.2") as live:
            await ask(live, **subscribe(1, {"crypto_ids": 1}))
            await live.frame()
            assert await idle.closed() == 1001
            for step in range(1, 4):
                await put_market(float(step))
                await live.frame()
            assert (await ask(live, method="ping"))["type"] == "pong"

    run(story())


# --- on-chain ---------------------------------------------------------------------------------------------------------


def kline(number, address, **changes):
    return subscribe(number, {"platform_id": 14, "address": address, "interval": "1m", **changes}, "onchain@kline")


def test_events_are_relayed_one_by_one_to_all_who_ask_the_same() -> None:
    topic = Dataset("onchain", topic=TOPIC)

    async def story() -> None:
        await put_market()
        await put(topic, events(3))
        async with connected() as socket, connected(address="192.0.2.2") as other:
            ack = await ask(socket, **kline(1, [TOKEN]))
            assert (ack["channel"], ack["sub_count"]) == ("onchain@kline", 1)
            assert (await ask(other, **kline("x", TOKEN.lower())))["sub_count"] == 1
            assert [name for name in Hub.current().topics if name.startswith("onchain")] == [topic.name]
            newest = [{"id": f"n{n}", "at": 1_720_000_100_000 + n, "data": {"c": 9.5 - n, "ot": n}} for n in (1, 0)]
            await put(topic, [*newest, *events(3)])
            await nudges.tell(topic.name)
            for peer, address in ((socket, TOKEN), (other, TOKEN.lower())):
                frames = [await peer.frame() for _ in range(2)]
                assert [frame.pop("ts") for frame in frames] == [any_time(), any_time()]
                params = {"platform_id": 14, "address": address, "interval": "1m"}
                assert frames == [
                    {"type": "data", "channel": "onchain@kline", "params": params, "data": event["data"]}
                    for event in reversed(newest)
                ]
            assert (await ask(socket, **kline(2, TOKEN.lower())))["duplicate"]
            assert (await ask(socket, id=3, method="unsubscribe", channel="onchain@transaction"))["sub_count"] == 1
            assert (await ask(socket, **kline(4, TOKEN) | {"method": "unsubscribe"}))["sub_count"] == 0
            assert await other.silent(0.1)

    run(story())


def test_a_channel_that_nobody_brings_is_refused() -> None:
    async def story() -> None:
        topic = Dataset("onchain", topic=TOPIC)
        async with connected() as socket:
            await socket.send(kline(5, TOKEN))
            await socket.send({"id": 6, "method": "ping"})
            await eventually(lambda: topic.name in Hub.current().topics)
            snapshots.set_trouble(topic, Trouble("unavailable", "none", now_ms(), None, True, "No source here."))
            await nudges.tell(topic.name)
            frame = await socket.frame()
            assert (frame["id"], frame["status"]["error_code"]) == (5, "2302")
            assert frame["status"]["error_message"] == "Channel not available on your plan."
            assert (await socket.frame())["type"] == "pong"
            assert (await ask(socket, id=7, method="unsubscribe_all"))["sub_count"] == 0

    run(story())


# --- whatever is sent -------------------------------------------------------------------------------------------------

parameters = st.dictionaries(
    st.sampled_from(["crypto_ids", "platform_id", "address", "pool_address", "wallet_address", "interval"]),
    json_values | st.sampled_from([1, [1, 1027], TOKEN, [TOKEN], "1m", 14]),
    max_size=5,
)
messages = st.one_of(
    st.text(max_size=60),
    json_values.map(json.dumps),
    st.fixed_dictionaries(
        {},
        optional={
            "id": json_values,
            "method": st.sampled_from(["subscribe", "unsubscribe", "unsubscribe_all", "ping"]) | json_values,
            "channel": st.sampled_from(CHANNELS) | json_values,
            "params": parameters | json_values,
        },
    ).map(json.dumps),
)


@given(messages | st.binary(max_size=60))
def test_any_message_is_read_or_refused(message) -> None:
    dialect, commands, wrong = LatestPrice(), (), None
    try:
        commands = dialect.read(message, 1000)
    except Refused as refused:
        wrong = refused
    assert len(commands) == 1 or dialect.write(Failed(None, wrong, 1))
    for wish in getattr(commands[0], "wishes", ()) if commands else ():
        label = dialect.label(wish)
        assert not label or json.loads(label + b'"end":1}')["params"]["platform_id"]


def test_the_numbers_that_ship_give_way_to_the_providers_own() -> None:
    numbers = Numbers()
    assert (numbers.coin(1), numbers.number("ethereum"), numbers.coin(77_777)) == ("bitcoin", 1027, None)
    numbers.fill([(1, "bitcoin-cash"), (77_777, "ethereum")])
    assert (numbers.coin(1), numbers.number("bitcoin")) == ("bitcoin-cash", None)
    assert (numbers.coin(77_777), numbers.number("ethereum"), numbers.coin(1027)) == ("ethereum", 77_777, None)
