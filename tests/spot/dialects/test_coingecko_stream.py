"""CoinGecko's WebSocket: Action Cable to the letter, CGSimplePrice from the hub, the other channels rejected."""

import json
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.codes import ERRORS, Refused
from spot.dialects.coingecko.stream import SimplePrice
from spot.dialects.values import Drain, Failed
from spot.snapshots import now_ms, nudges
from tests.spot import keyed
from tests.spot.query.test_query import json_values
from tests.spot.rows import USD, coin
from tests.spot.sockets import Socket, put, put_lists, run

PATH = "/compat/coingecko/stream/v1"
#: As a client that puts more into it, and blanks.
IDENTIFIER = '{"channel": "CGSimplePrice","nonce":"\\u00e9"}'
pytestmark = pytest.mark.usefixtures("redis")


async def put_market(shift: float = 0.0, **facts) -> None:
    await put_lists(coins=("bitcoin", "ethereum", "ripple"), **facts)
    rows = [
        coin(
            "ethereum",
            price=2591.080889351465 + shift,
            price_change_24h=1.3763793110454519,
            market_cap=312_938_652_962.8005,
            volume_24h=20_460_612_214.801384,
            last_updated=1_747_808_150_269,
        ),
        coin("bitcoin", price=80_000.0 + shift),
        coin("ripple"),
    ]
    await put(USD, rows, **facts)
    await nudges.tell(USD.name)


@asynccontextmanager
async def connected(**facts):
    async with Socket("", path=PATH, **facts) as socket:
        assert await socket.text() == '{"type":"welcome"}'
        yield socket


def command(name, identifier=IDENTIFIER, **data):
    return {"command": name, "identifier": identifier, **({"data": json.dumps(data)} if data else {})}


def tokens(action, *coins, **more):
    return command("message", coin_id=list(coins), action=action, **more)


async def ask(socket: Socket, message):
    await socket.send(message)
    return await socket.frame()


def test_the_documented_conversation() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            confirmed = await ask(socket, command("subscribe"))
            assert confirmed == {"type": "confirm_subscription", "identifier": IDENTIFIER}
            told = await ask(socket, tokens("set_tokens", "ethereum", vs_currencies=["usd"]))
            assert told == {"code": 2000, "message": "Subscription is successful for ethereum"}
            assert await socket.frame() == {
                "c": "C1",
                "i": "ethereum",
                "vs": "usd",
                "p": 2591.080889351465,
                "pp": 1.3763793110454519,
                "m": 312938652962.8005,
                "v": 20460612214.801384,
                "t": 1747808150,
            }
            await put_market(1.0)
            assert (await socket.frame())["p"] == 2592.080889351465
            assert await ask(socket, tokens("unset_tokens", "ethereum")) == {
                "code": 2000,
                "message": "Unsubscription is successful for ethereum",
            }
            assert await ask(socket, command("unsubscribe")) == {
                "code": 2000,
                "message": "Unsubscription is successful for all tokens",
            }
            await put_market(2.0)
            assert await socket.silent()

    run(story())


def test_tokens_may_be_set_at_once_in_a_text_and_add_up() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            await socket.send(command("message", coin_id="ethereum, Bitcoin", action="set_tokens"))
            frames = [await socket.frame() for _ in range(4)]
            assert [frame["message"].split()[-1] for frame in frames if "code" in frame] == ["ethereum", "bitcoin"]
            prices = {frame["i"]: frame for frame in frames if "c" in frame}
            assert prices["bitcoin"]["pp"] is None
            assert isinstance(prices["bitcoin"]["t"], int)  # the source gives no time
            assert (await ask(socket, tokens("set_tokens", "ripple")))["code"] == 2000
            assert await socket.silent()  # it has no price

    run(story())


def test_an_unknown_coin_is_told_beside_those_that_are_served() -> None:
    async def story() -> None:
        await put_market()
        async with connected() as socket:
            await ask(socket, tokens("set_tokens", "ethereum"))
            assert (await socket.frame())["i"] == "ethereum"  # the lists have been read
            await socket.send(tokens("set_tokens", "nosuch", "bitcoin", "BAD ID"))
            answers = [await socket.frame() for _ in range(4)]
            codes = {answer["message"].split(":")[0]: answer["code"] for answer in answers if "code" in answer}
            assert codes["Subscription failed for nosuch"] == 4040
            assert codes["Subscription is successful for bitcoin"] == 2000
            assert [answer["i"] for answer in answers if "c" in answer] == ["bitcoin"]
            assert (await ask(socket, tokens("set_tokens", "bitcoin", vs_currencies=["xyz"])))["code"] == 4040

    run(story())


@pytest.mark.parametrize("identifier", ['{"channel":"OnchainTrade"}', "{", '{"channel":7}', "", "[]"])
@pytest.mark.parametrize("name", ["subscribe", "message"])
def test_other_channels_are_rejected_and_the_socket_stays(identifier, name) -> None:
    async def story() -> None:
        async with connected() as socket:
            rejected = await ask(socket, command(name, identifier, action="set_pools"))
            assert rejected == {"type": "reject_subscription", "identifier": identifier}
            assert (await ask(socket, command("subscribe")))["type"] == "confirm_subscription"

    run(story())


WRONG = [
    ("{", 4000),
    ("[]", 4000),
    ({"command": "open", "identifier": IDENTIFIER}, 4000),
    ({"command": "subscribe", "identifier": {"channel": "CGSimplePrice"}}, 4000),
    ({"command": "subscribe"}, 4000),
    (command("message"), 4000),
    ({**command("message"), "data": {"action": "set_tokens"}}, 4000),
    (command("message", action="set_pools"), 4000),
    (command("message", action="set_tokens"), 4000),
    (command("message", action="set_tokens", coin_id=[1]), 4000),
    (command("message", action="set_tokens", coin_id=[], vs_currencies=["usd"]), 4000),
    (tokens("set_tokens", *(f"coin-{number}" for number in range(501))), 4000),
]


def test_every_mistake_gets_an_answer_and_pings_are_answered(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 0

    async def story() -> None:
        async with connected() as socket:
            for message, code in WRONG:
                answer = await ask(socket, message)
                assert answer["code"] == code, message
                assert answer["message"]
            await socket.send_bytes(b"{}")
            assert (await socket.frame())["code"] == 4000
            await socket.send({"type": "pong"})
            assert await ask(socket, {"type": "ping"}) == {"type": "pong"}

    run(story())


def test_the_server_pings_in_text(monkeypatch) -> None:
    monkeypatch.setattr(SimplePrice, "heartbeat_seconds", 0.05)

    async def story() -> None:
        async with connected() as socket:
            ping = await socket.frame()
            assert ping["type"] == "ping"
            assert abs(ping["message"] - now_ms() / 1000) < 5

    run(story())


@pytest.mark.parametrize("name", ["x-cg-pro-api-key", "x-cg-demo-api-key", "x_cg_pro_api_key", "X-CG-DEMO-API-KEY"])
def test_a_key_is_taken_wherever_clients_put_it_and_a_wrong_one_is_disconnected(name) -> None:
    async def story() -> None:
        text, key = keyed.made()
        keyed.fill(key, is_open=False)
        in_query = name[1] == "_" or name.isupper()
        for shown in (text, "CG-nosuch"):
            where = {"query": f"source=cli&{name}={shown}"} if in_query else {"headers": {name: shown}}
            async with Socket("", path=PATH, denying=True, **where) as socket:
                frame = await socket.frame()
                if shown == text:
                    assert frame == {"type": "welcome"}
                else:
                    assert frame == {"type": "disconnect", "reason": "unauthorized", "reconnect": False}
                    assert await socket.closed() == 4401

    run(story())


def test_simulated_data_say_so() -> None:
    async def story() -> None:
        await put_market(simulated=True)
        async with connected() as socket:
            await ask(socket, tokens("set_tokens", "bitcoin"))
            assert (await socket.frame())["simulated"] is True

    run(story())


def test_a_restart_and_every_refusal_have_their_frame() -> None:
    assert json.loads(SimplePrice().write(Drain(1, 2)))["reconnect"] is True
    for code in ERRORS:
        frame = json.loads(SimplePrice().write(Failed(None, Refused(code, "why"), 1)))
        assert frame.get("type") == "disconnect" or frame["code"] >= 4000


data = st.dictionaries(
    st.sampled_from(["coin_id", "vs_currencies", "action"]),
    json_values | st.sampled_from(["set_tokens", "unset_tokens", ["bitcoin"], "usd,eur"]),
)
identifiers = st.sampled_from([IDENTIFIER, '{"channel":"OnchainTrade"}']) | st.text(max_size=20) | json_values
messages = st.one_of(
    st.text(max_size=60),
    json_values.map(json.dumps),
    st.fixed_dictionaries(
        {},
        optional={
            "command": st.sampled_from(["subscribe", "unsubscribe", "message"]) | json_values,
            "identifier": identifiers,
            "data": data.map(json.dumps) | json_values,
            "type": json_values,
        },
    ).map(json.dumps),
)


@given(messages | st.binary(max_size=60))
def test_any_message_is_read_or_refused(message) -> None:
    wrong = None
    try:
        SimplePrice().read(message, 1000)
    except Refused as refused:
        wrong = refused
    assert wrong is None or json.loads(SimplePrice().write(Failed(None, wrong, 1)))["code"] >= 4000
