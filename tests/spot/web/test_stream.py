"""One socket for everything: acks, frames with ids, replacing at once, single coins, resuming, mistakes, limits."""

import json
from contextlib import asynccontextmanager, suppress
from functools import cache

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.datasets import LISTINGS
from spot.clients.limits import admission
from spot.codes import ERRORS, Refused
from spot.dialects import stream_schema
from spot.dialects.base import Mistake
from spot.dialects.stream import Stream
from spot.dialects.stream_frames import CHANNELS, METHODS
from spot.hub.hub import Hub
from spot.snapshots import nudges
from tests.spot.query.test_query import json_values
from tests.spot.rows import REQUIRED, USD, listings, market
from tests.spot.sockets import Socket, eventually, put, put_everything, put_market, run


@pytest.fixture(autouse=True)
def no_slot_leaks():
    yield
    assert len(admission) == 0


class Stories:
    """A client of the stream."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.next = socket.next
        self.frame = socket.frame

    async def ask(self, **message):
        """The answer to a message; it comes before all that the message brings."""
        await self.socket.send(message)
        return await self.socket.frame()

    async def prices(self, count: int):
        frames = [await self.next("price") for _ in range(count)]
        return {frame["coin_id"]: frame["data"]["price"] for frame in frames}


@asynccontextmanager
async def streaming(**facts):
    async with Socket("stream", **facts) as socket:
        client = Stories(socket)
        client.welcome = await socket.frame()
        yield client


def subscribe(number, channel, /, **params):
    return {"id": number, "method": "subscribe", "channel": channel, "params": params}


# --- following --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_a_subscription_is_acknowledged_and_its_frames_carry_its_id() -> None:
    async def story() -> None:
        await put_market(5)
        async with streaming() as client:
            assert client.welcome["type"] == "welcome"
            assert (client.welcome["sub_limit"], client.welcome["channels"]) == (100, list(CHANNELS))
            ack = await client.ask(**subscribe(1, "market", page_size=3))
            assert ack == {
                "type": "ack", "id": 1, "method": "subscribe", "channel": "market", "sub_count": 1, "sub_limit": 100,
            }  # fmt: skip
            frame = await client.next("snapshot")
            assert (frame["id"], frame["channel"], len(frame["data"]["rows"])) == (1, "market", 3)
            await put(USD, market(5, 1.0))
            newer = await client.next("snapshot")
            assert (newer["id"], newer["epoch"]) == (1, frame["epoch"])
            assert newer["seq"] > frame["seq"]

    run(story())


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_can_be_followed(channel) -> None:
    async def story() -> None:
        await put_everything()
        params = {"coin_ids": ["bitcoin"]} if channel == "price" else REQUIRED.get(channel, {})
        async with streaming() as client:
            ack = await client.ask(**subscribe("x" * 64, channel, **params))
            assert (ack["type"], ack["sub_count"]) == ("ack", 1)
            while (frame := await client.frame())["type"] not in ("snapshot", "price"):
                pass
            assert (frame["id"], frame["channel"]) == ("x" * 64, channel)
            assert frame["data"]

    run(story())


@pytest.mark.usefixtures("redis")
def test_the_same_again_is_a_duplicate_and_does_not_count() -> None:
    async def story() -> None:
        await put_market(5)
        async with streaming() as client:
            await client.ask(**subscribe(1, "market", page_size=3))
            await client.next("snapshot")
            ack = await client.ask(**subscribe(2, "market", page_size="3", vs_currency="USD"))
            assert (ack["duplicate"], ack["subscription"], ack["sub_count"]) == (True, 1, 1)
            error = await client.ask(**subscribe(1, "market", page_size=4))
            assert (error["type"], error["id"], error["field"]) == ("error", 1, "id")
            assert len((await client.ask(id=3, method="list"))["subscriptions"]) == 1

    run(story())


@pytest.mark.usefixtures("redis")
def test_each_coin_is_a_subscription_and_unknown_ones_are_named() -> None:
    async def story() -> None:
        await put_market(5)
        async with streaming() as client, streaming() as other:
            await client.ask(**subscribe(1, "market"))
            await client.next("snapshot")  # the lists of what exists have been read now
            await client.ask(id=1, method="unsubscribe")
            ack = await client.ask(**subscribe(7, "price", coin_ids=["bitcoin", "nosuch", "ethereum"]))
            assert (ack["sub_count"], list(ack["missing"])) == (2, ["nosuch"])
            first = await client.prices(2)
            assert set(first) == {"bitcoin", "ethereum"}
            await other.ask(**subscribe(7, "price", coin_ids="bitcoin"))
            await other.prices(1)
            assert len(Hub.current().groups) == 2
            await put(USD, market(5, 1.0))
            assert (await client.prices(2))["bitcoin"] == market(5, 1.0)[0]["price"]
            assert await other.prices(1)
            ack = await client.ask(id=8, method="unsubscribe", channel="price", params={"coin_ids": "bitcoin"})
            assert (ack["left"], ack["sub_count"]) == (1, 1)
            error = await client.ask(**subscribe(9, "price", coin_ids="nosuch"))
            assert (error["id"], error["code"]) == (9, "unknown_coin")
            error = await client.ask(id=7, method="update", params={"coin_ids": "tether"})
            assert (error["code"], error["field"]) == ("bad_value", "params")

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_price_that_has_not_changed_is_not_sent_again() -> None:
    async def story() -> None:
        await put_market(2)
        async with streaming() as client:
            await client.ask(**subscribe(1, "price", coin_ids=["bitcoin", "ethereum"]))
            await client.prices(2)
            rows = market(2)
            rows[1]["price"] += 1
            await put(USD, rows)
            assert await client.prices(1) == {"ethereum": rows[1]["price"]}
            assert await client.socket.silent()

    run(story())


@pytest.mark.usefixtures("redis")
def test_leaving_by_id_by_channel_by_params_and_altogether() -> None:
    async def story() -> None:
        await put_market(5)
        async with streaming() as client:
            for number in range(1, 6):
                await client.ask(**subscribe(number, "market", page_size=number))
                await client.next("snapshot")
            await client.ask(**subscribe(6, "top-gainers"))
            await client.next("snapshot")
            for message, left in [
                ({"id": 1}, 1),
                ({"id": 9, "subscription": 2}, 1),
                ({"channel": "market", "params": {"page_size": 3}}, 1),
                ({"channel": "market"}, 2),
                ({"all": True}, 1),
                ({"all": True}, 0),
            ]:
                ack = await client.ask(method="unsubscribe", **message)
                assert (ack["type"], ack["left"]) == ("ack", left)
            assert ack["sub_count"] == 0
            assert not Hub.current().groups
            error = await client.ask(id=9, method="unsubscribe", subscription=2)
            assert (error["id"], error["field"]) == (9, "subscription")

    run(story())


@pytest.mark.usefixtures("redis")
def test_replacing_keeps_what_stays_and_is_whole_or_nothing() -> None:
    async def story() -> None:
        await put_market(5)
        async with streaming() as client:
            for number in (1, 2):
                await client.ask(**subscribe(number, "market", page_size=number))
                await client.next("snapshot")
            kept = {"id": 1, "channel": "market", "params": {"page_size": 1}}
            bad = {"id": 4, "channel": "market", "params": {"vs_currency": "xyz"}}
            new = {"id": 3, "channel": "coin-heatmap"}
            error = await client.ask(id="r", method="replace", subscriptions=[kept, new, bad])
            assert (error["type"], error["id"], error["code"]) == ("error", "r", "unknown_currency")
            listed = await client.ask(method="list")
            assert [entry["id"] for entry in listed["subscriptions"]] == [1, 2]
            ack = await client.ask(id="r", method="replace", subscriptions=[kept, new])
            assert (ack["method"], ack["left"], ack["sub_count"]) == ("replace", 1, 2)
            frame = await client.next("snapshot")
            assert (frame["id"], frame["channel"]) == (3, "coin-heatmap")
            assert await client.socket.silent()
            error = await client.ask(id=5, method="replace", subscriptions=[kept, {"id": 1, "channel": "market"}])
            assert error["field"] == "subscriptions[1].id"

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_live_query_changes_and_a_mistake_leaves_it() -> None:
    async def story() -> None:
        await put_market(10)
        async with streaming() as client:
            await client.ask(**subscribe(1, "market", page_size=3))
            await client.next("snapshot")
            ack = await client.ask(id=2, method="update", subscription=1, params={"page": 2, "search": "e"})
            assert (ack["id"], ack["method"]) == (2, "update")
            frame = await client.next("snapshot")
            assert (frame["id"], frame["page"], frame["params"]["search"]) == (1, 2, "e")
            error = await client.ask(id=1, method="update", params={"page": -1})
            assert (error["id"], error["field"]) == (1, "page")
            await client.ask(id=1, method="update", params={"search": None, "page": None}, delta=True)
            frame = await client.next("snapshot")
            assert frame["page"] == 1
            await put(USD, market(10, 1.0))
            delta = await client.next("delta")
            assert (delta["id"], delta["base"]) == (1, frame["seq"])
            await client.ask(**subscribe(3, "market", page_size=4))
            await client.next("snapshot")
            error = await client.ask(id=3, method="update", params={"page_size": 3})
            assert error["code"] == "bad_value"

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_list_tells_ages_and_an_export_is_csv() -> None:
    async def story() -> None:
        await put_market(3)
        async with streaming() as client:
            await client.ask(id=1, method="subscribe", channel="market", max_rate=2)
            await client.next("snapshot")
            (entry,) = (await client.ask(id=2, method="list"))["subscriptions"]
            assert (entry["id"], entry["max_rate"], entry["state"], entry["stale"]) == (1, 2, "live", False)
            assert entry["age_ms"] >= 0
            ack = await client.ask(id=1, method="export")
            assert (ack["type"], ack["id"], ack["filename"]) == ("export", 1, "market-usd.csv")
            assert (await client.ask(id="p", method="ping"))["id"] == "p"

    run(story())


# --- coming back ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("how", ["number", "key", "elsewhere"])
def test_a_client_that_comes_back_gets_the_events_it_missed_or_is_told_of_the_gap(how) -> None:
    async def story() -> None:
        await put_everything()
        async with streaming() as client:
            await client.ask(**subscribe(1, "listings"))
            page = await client.next("snapshot")
        version = await put(LISTINGS, listings(22))
        await nudges.tell(LISTINGS.name)
        await eventually(lambda: Hub.current().topics[LISTINGS.name].version == version)
        ways = {
            "number": {"since": page["seq"], "epoch": page["epoch"]},
            "key": {"since": page["data"][-1]["id"]},
            "elsewhere": {"since": page["seq"], "epoch": "of another process"},
        }
        async with streaming() as client:
            await client.ask(**subscribe(1, "listings"), **ways[how])
            frame = await client.next("events")
            assert frame["gap"] is (how == "elsewhere")
            assert {"a20", "a21"} <= {event["id"] for event in frame["data"]}
            if how == "number":
                assert [event["id"] for event in frame["data"]] == ["a21", "a20"]

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_page_that_is_still_the_newest_is_not_sent_again() -> None:
    async def story() -> None:
        await put_market(3)
        async with streaming() as client, streaming() as again:
            await client.ask(**subscribe(1, "market"))
            page = await client.next("snapshot")
            ack = await again.ask(**subscribe(1, "market"), since=page["seq"], epoch=page["epoch"])
            assert ack["type"] == "ack"
            assert await again.socket.silent()
            await put(USD, market(3, 1.0))
            assert (await again.next("snapshot"))["seq"] > page["seq"]

    run(story())


# --- limits and mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_the_plans_subscriptions_are_the_limit_and_nothing_is_half_done(settings) -> None:
    settings.SPOT_SUBSCRIPTIONS = 3

    async def story() -> None:
        await put_market(5)
        async with streaming() as client:
            assert client.welcome["sub_limit"] == 3
            error = await client.ask(**subscribe(1, "price", coin_ids="bitcoin,ethereum,tether,solana"))
            assert (error["code"], error["allowed"]) == ("too_many_queries", "3")
            assert (await client.ask(method="list"))["sub_count"] == 0
            assert not Hub.current().groups
            await client.ask(**subscribe(1, "price", coin_ids="bitcoin,ethereum,tether"))
            await client.prices(3)
            ack = await client.ask(method="replace", subscriptions=[{"channel": "market"}, {"channel": "most-active"}])
            assert (ack["left"], ack["sub_count"]) == (3, 2)

    run(story())


MISTAKES = [
    ("no json", None, "bad_message", None),
    ("[1]", None, "bad_message", None),
    ("[" * 60_000, None, "bad_message", None),
    ('{"id":1}', 1, "missing_field", "method"),
    ('{"id":1,"method":"jump"}', 1, "bad_value", "method"),
    ('{"id":1,"method":["ping"]}', 1, "bad_value", "method"),
    ('{"id":true,"method":"ping"}', None, "bad_value", "id"),
    ('{"id":1.5,"method":"ping"}', None, "bad_value", "id"),
    ('{"id":{},"method":"ping"}', None, "bad_value", "id"),
    ('{"id":"","method":"ping"}', None, "bad_value", "id"),
    ('{"id":99999999999999999,"method":"ping"}', None, "bad_value", "id"),
    ('{"id":1,"method":"ping","x":1}', 1, "unknown_field", "x"),
    ('{"id":1,"method":"subscribe"}', 1, "missing_field", "channel"),
    ('{"id":1,"method":"subscribe","channel":"nosuch"}', 1, "bad_value", "channel"),
    ('{"id":1,"method":"subscribe","channel":"market","params":[]}', 1, "bad_value", "params"),
    ('{"id":1,"method":"subscribe","channel":"market","params":{"x":1}}', 1, "unknown_field", "x"),
    ('{"id":1,"method":"subscribe","channel":"market","params":{"envelope":1}}', 1, "unknown_field", "envelope"),
    ('{"id":1,"method":"subscribe","channel":"market","max_rate":0}', 1, "bad_value", "max_rate"),
    ('{"id":1,"method":"subscribe","channel":"market","delta":1}', 1, "bad_value", "delta"),
    ('{"id":1,"method":"subscribe","channel":"market","since":5}', 1, "missing_field", "epoch"),
    ('{"id":1,"method":"subscribe","channel":"market","since":"a5"}', 1, "bad_value", "since"),
    ('{"id":1,"method":"subscribe","channel":"price"}', 1, "missing_field", "coin_ids"),
    ('{"id":1,"method":"subscribe","channel":"price","params":{"coin_ids":5}}', 1, "bad_value", "coin_ids"),
    ('{"method":"unsubscribe"}', None, "missing_field", "subscription"),
    ('{"id":1,"method":"unsubscribe","params":{}}', 1, "missing_field", "channel"),
    ('{"id":1,"method":"unsubscribe","all":1}', 1, "bad_value", "all"),
    ('{"id":1,"method":"unsubscribe","all":true,"channel":"market"}', 1, "bad_value", "all"),
    ('{"id":1,"method":"update"}', 1, "missing_field", "params"),
    ('{"id":1,"method":"update","params":{"page":2}}', 1, "bad_value", "id"),
    ('{"id":1,"method":"export"}', 1, "bad_value", "id"),
    ('{"id":1,"method":"replace"}', 1, "missing_field", "subscriptions"),
    ('{"id":1,"method":"replace","subscriptions":[{"channel":"market"},5]}', 1, "bad_value", "subscriptions[1]"),
    ('{"id":1,"method":"replace","subscriptions":[{"chanel":1}]}', 1, "unknown_field", "subscriptions[0].chanel"),
]


@pytest.mark.usefixtures("redis")
def test_every_mistake_gets_its_id_back_with_the_field_and_what_is_allowed(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 0

    async def story() -> None:
        async with streaming() as client:
            for text, number, code, field in MISTAKES:
                await client.socket.send(text)
                error = await client.frame()
                assert (error["type"], error.get("id"), error["code"], error.get("field")) == (
                    "error", number, code, field,
                ), text  # fmt: skip
                assert error["message"]
            await client.socket.send_bytes(b"\x00")
            assert (await client.frame())["code"] == "bad_message"
            assert (await client.ask(id=1, method="ping"))["type"] == "pong"

    run(story())


def test_the_streams_address_has_no_parameters() -> None:
    async def story() -> None:
        async with Socket("stream", "page=2") as socket:
            assert (await socket.frame())["code"] == "unknown_field"
            assert await socket.closed() == 4400

    run(story())


# --- any input --------------------------------------------------------------------------------------------------------

ids = st.one_of(st.none(), st.integers(), st.text(max_size=70), st.booleans(), json_values)
fields = st.sampled_from(sorted({name for names in METHODS.values() for name in names}))
likely = st.one_of(
    st.sampled_from([*CHANNELS, True, "csv", 1, [], {}, {"coin_ids": "bitcoin"}, {"page": 2}, [{"channel": "market"}]]),
    json_values,
)
messages = st.one_of(
    json_values.map(json.dumps),
    st.text(max_size=40),
    st.builds(
        lambda number, method, more: json.dumps({"id": number, "method": method, **more}),
        ids,
        st.sampled_from([*METHODS, "x"]),
        st.dictionaries(fields, likely, max_size=4),
    ),
)


@given(messages)
@settings(max_examples=300)
def test_no_message_raises_anything_but_a_refusal(text) -> None:
    with suppress(Refused):
        (command,) = Stream().read(text, 1000)
        assert not isinstance(command, Mistake) or command.refused.code in ERRORS


@pytest.mark.usefixtures("redis")
@given(st.lists(messages, min_size=1, max_size=12))
@settings(max_examples=15)
def test_each_message_gets_one_answer_and_the_socket_stays(texts) -> None:
    async def story() -> None:
        async with streaming(address="192.0.2.77") as client:
            for text in texts:
                await client.socket.send(text)
            await client.socket.send({"id": "end", "method": "ping"})
            answers = 0
            while True:
                frame = await client.frame()
                answers += frame["type"] in ("ack", "error", "pong", "list")
                if frame.get("id") == "end":
                    break
            assert answers == len(texts) + 1

    run(story())


# --- the contract -----------------------------------------------------------------------------------------------------


@cache
def _validator(method: str):
    return jsonschema_rs.Draft202012Validator(stream_schema.message_schemas()[method])


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        (subscribe(1, "market", page_size=3), True),
        (subscribe(1, "market", page_sise=3), False),
        ({"id": "a", "method": "subscribe", "channel": "price", "params": {"coin_ids": ["bitcoin"]}}, True),
        ({"method": "unsubscribe", "all": True}, True),
        ({"method": "replace", "subscriptions": [{"id": 1, "channel": "most-active"}]}, True),
        ({"method": "replace"}, False),
        ({"id": True, "method": "ping"}, False),
    ],
)
def test_messages_have_schemas(message, valid) -> None:
    assert _validator(message["method"]).is_valid(message) is valid


@pytest.mark.usefixtures("redis")
def test_equal_subscriptions_with_equal_or_other_ids_are_one_group() -> None:
    async def story() -> None:
        await put_market(3)
        async with streaming() as one, streaming() as two, streaming() as three:
            for client, number in ((one, 1), (two, 1), (three, "z")):
                await client.ask(**subscribe(number, "market"))
                assert (await client.next("snapshot"))["id"] == number
            (group,) = Hub.current().groups.values()
            await eventually(lambda: len(group.members) == 3)

    run(story())
