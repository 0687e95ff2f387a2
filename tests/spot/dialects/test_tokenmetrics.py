"""Token Metrics' stream as its programs meet it: the seed's messages to the letter, limits, keys, mistakes."""

import json

import pytest

from spot.dialects.tokenmetrics import TokenMetrics
from spot.web import consumers
from tests.spot import keyed
from tests.spot.dialects.foreign import any_message, survives
from tests.spot.rows import USD, coin
from tests.spot.sockets import Closed, Socket, put, put_lists, put_market, run

PATH = "/compat/tokenmetrics"
pytestmark = pytest.mark.usefixtures("redis")
#: The example of the provider's documents, with null where a gateway of many exchanges has nothing to say.
EXAMPLE = {
    "timestamp": "2025-06-24 15:41:02",
    "event_timestamp": "2025-06-24 15:41:02",
    "arrival_timestamp": "2025-06-24 15:41:02",
    "epoch": 1750779662052,
    "token_address": None,
    "token_name": "Bitcoin",
    "token_symbol": "BTC",
    "token_id": None,
    "cg_id": "bitcoin",
    "instrument": "BTC",
    "exchange": None,
    "exchange_rank": None,
    "exchange_type": None,
    "amount": None,
    "amount_in_usd": None,
    "price": 105376.15,
    "price_in_usd": 105376.15,
    "price_against_side_currency": 105376.15,
    "volume": 976826225.67417,
    "side_amount": None,
    "transaction_type": None,
    "isBid": False,
    "sequence": 0,
    "maker_address": None,
    "signature": None,
    "last_5s_messages": [],
}


def tokens(append: int, *names: str) -> dict[str, object]:
    return {"is_append": append, "tokens": list(names)}


async def ids(socket: Socket, count: int) -> set[str]:
    return {(await socket.frame())["cg_id"] for _ in range(count)}


def test_frame_is_that_of_the_documents() -> None:
    async def story() -> None:
        await put_lists()
        at = EXAMPLE["epoch"]
        row = coin("bitcoin", symbol="BTC", price=105376.15, volume_24h=976826225.67417, last_updated=at)
        await put(USD, [row], fetched_at=at, as_of=at)
        async with Socket("", path=PATH) as socket:
            await socket.send(tokens(0, "bitcoin"))
            frame = await socket.frame()
            assert frame.pop("stale")  # 2025 is long ago
            assert list(frame.items()) == list(EXAMPLE.items())

    run(story())


def test_list_is_replaced_or_extended_and_prices_are_floats() -> None:
    async def story() -> None:
        await put_market(10)
        async with Socket("", path=PATH) as socket:
            assert await socket.silent(0.1)
            await socket.send(tokens(0, "bitcoin", "Ethereum"))
            assert await ids(socket, 2) == {"bitcoin", "ethereum"}
            await socket.send(tokens(1, "solana", "bitcoin"))
            assert await ids(socket, 1) == {"solana"}
            await put(USD, [row | {"price": 7} for row in [coin("bitcoin"), coin("ethereum"), coin("solana")]])
            frames = [await socket.text() for _ in range(3)]
            assert all('"price":7.0,' in frame for frame in frames)
            await socket.send(tokens(0, "ethereum"))
            await put_market(10, 5.0)
            assert await ids(socket, 1) == {"ethereum"}
            assert await socket.silent(0.1)
            await socket.send(tokens(0))
            await put_market(10, 6.0)
            assert await socket.silent(0.1)

    run(story())


def test_simulated_prices_say_so() -> None:
    async def story() -> None:
        await put_market(3, simulated=True)
        async with Socket("", path=PATH) as socket:
            await socket.send(tokens(0, "bitcoin"))
            assert (await socket.frame())["simulated"]

    run(story())


def test_unknown_tokens_are_named_and_the_others_served() -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(tokens(0, "bitcoin"))
            assert await ids(socket, 1) == {"bitcoin"}
            await socket.send(tokens(1, "nosuch", "ethereum"))
            answers = [await socket.frame() for _ in range(2)]
            error = next(one for one in answers if "success" in one)
            assert (error["success"], error["code"]) == (False, "unknown_coin")
            assert error["message"] == "tokens: no coin has the id 'nosuch'."
            assert [one["cg_id"] for one in answers if "cg_id" in one] == ["ethereum"]

    run(story())


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("nonsense", "JSON"),
        ("[]", "object"),
        ({"action": "subscribe", "symbols": ["BTC"]}, "is_append"),
        ({"is_append": 2, "tokens": ["bitcoin"]}, "is_append"),
        ({"is_append": "1", "tokens": ["bitcoin"]}, "is_append"),
        ({"is_append": 0, "tokens": "bitcoin"}, "tokens"),
        ({"is_append": 0, "tokens": [1]}, "tokens"),
        ({"is_append": 0, "tokens": ["bitcoin,ethereum"]}, "tokens"),
        ({"is_append": 0, "tokens": ["x"] * 501}, "tokens"),
        ({"is_append": 0, "tokens": ["../../x"]}, "tokens"),
    ],
)
def test_mistake_gets_an_answer_and_changes_nothing(message: object, word: str) -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send(tokens(0, "bitcoin"))
            await socket.frame()
            await socket.send(message)
            error = await socket.frame()
            assert error["success"] is False
            assert word in error["message"]
            await put_market(3, 1.0)
            assert (await socket.frame())["cg_id"] == "bitcoin"

    run(story())


def test_plan_limits_tokens_and_messages_a_second() -> None:
    key, known = keyed.made(keyed.plan_with(subscriptions=3, messages_out_per_second=2, connections=1))

    async def story() -> None:
        keyed.fill(known)
        await put_market(10)
        async with Socket("", path=PATH, headers={"x-api-key": key}, denying=True) as socket:
            await socket.send(tokens(0, "bitcoin", "ethereum", "tether", "solana"))
            assert (await socket.frame())["code"] == "too_many_queries"
            await socket.send(tokens(0, "bitcoin", "ethereum", "tether"))
            assert len(await ids(socket, 2)) == 2
            assert await socket.silent(0.2)  # the third waits for its turn
            await put_market(10, 9.0)
            last = [await socket.frame() for _ in range(3)]
            newest = {frame["cg_id"]: frame["price"] for frame in last}
            assert len(newest) == 3  # each coin once, the newest price of it
            async with Socket("", path=PATH, headers={"x-api-key": key}, denying=True) as second:
                assert second.status == 429
                assert json.loads(await second.body())["success"] is False

    run(story())


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["x-api-key", "api_key", "query"])
def test_key_is_taken_from_its_places_and_a_wrong_one_refused(place: str) -> None:
    key, known = keyed.made()

    async def story() -> None:
        keyed.fill(known, is_open=False)
        await put_market(3)
        for text, good in ((key, True), ("wrong", False)):
            query, headers = (f"api_key={text}", {}) if place == "query" else ("", {place: text})
            async with Socket("", query, path=PATH, headers=headers, denying=True) as socket:
                if good:
                    await socket.send(tokens(0, "bitcoin"))
                    assert await ids(socket, 1) == {"bitcoin"}
                else:
                    assert socket.status == 401

    run(story())


def test_key_in_the_message_counts_where_one_is_required() -> None:
    key, known = keyed.made(keyed.plan_with(subscriptions=1))

    async def story() -> None:
        keyed.fill(known, is_open=False)
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            await socket.send({"api_key": key, **tokens(0, "bitcoin")})
            assert await ids(socket, 1) == {"bitcoin"}
            await socket.send(tokens(1, "ethereum"))
            assert (await socket.frame())["code"] == "too_many_queries"
        for message, code in ((tokens(0, "bitcoin"), "key_required"), ({"api_key": "x"}, "bad_key")):
            async with Socket("", path=PATH) as socket:
                await socket.send(message)
                assert (await socket.frame())["code"] == code
                with pytest.raises(Closed) as closed:
                    await socket.frame()
                assert (closed.value.code, closed.value.reason) == (1008, code)

    run(story())


def test_nothing_is_served_before_the_key_and_silence_ends(monkeypatch) -> None:
    monkeypatch.setattr(consumers, "_KEY_SECONDS", 0.05)

    async def story() -> None:
        keyed.fill(is_open=False)
        await put_market(3)
        async with Socket("", path=PATH) as socket:
            closed = await socket.close()
            assert (closed.code, closed.reason) == (1008, "key_required")

    run(story())


def test_any_message_gets_an_answer_in_the_protocols_words(request) -> None:
    def is_own(frame: bytes) -> bool:
        value = json.loads(frame)
        return value.get("success") is False or "cg_id" in value

    survives(request, PATH, any_message("is_append", "tokens", "api_key"), is_own)


def test_dialect_is_one_however_often_it_is_made() -> None:
    assert TokenMetrics() == TokenMetrics()
