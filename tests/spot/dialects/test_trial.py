"""One file is a dialect: a made-up one, served by both servers, with a hundred subscriptions on one connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis import Redis

from providers.datasets import LISTINGS
from spot.snapshots import nudges
from tests.fastpath.client import BINARY, PING, TEXT, Client, Closed, framed
from tests.served import serving
from tests.spot.rows import COINS, CURRENCIES, USD, coin, listings
from tests.spot.sockets import put

pytestmark = [pytest.mark.flow]
NAMES = [f"coin-{number}" for number in range(120)]


def market(shift: float = 0.0) -> list[dict[str, Any]]:
    return [coin(name, market_cap=1000.0 - place, price=place + shift) for place, name in enumerate(NAMES)]


@pytest.fixture(
    scope="module", params=["uvicorn", "uvicorn plain", "daphne"], ids=["finished frames", "plain sends", "daphne"]
)
def port(request: pytest.FixtureRequest, redis_url: str) -> Iterator[int]:
    """The port of a web process that serves the dialect besides the product's own."""
    with Redis.from_url(redis_url) as store:
        store.flushall()
    with serving("tests.spot.dialects.trial_site", *request.param.split()) as port:
        yield port


class Peer:
    """A client of the dialect."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def say(self, **wish: Any) -> None:
        await self.client.send_raw(framed(BINARY, json.dumps(wish).encode()))

    async def hear(self, *names: str) -> dict[str, Any]:
        """The next message that has one of these fields."""
        while not (message := json.loads(await self.client.message())).keys() & set(names):
            pass
        return message

    async def prices(self, count: int) -> dict[str, float]:
        """The next prices of so many coins."""
        prices: dict[str, float] = {}
        while len(prices) < count:
            prices |= await self.hear(*NAMES)
        return prices


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    client = await Client.open(port, "/trial")
    try:
        yield Peer(client)
    finally:
        client.close()


async def store(shift: float = 0.0) -> None:
    await put(CURRENCIES, [{"id": "usd"}], 86_400)
    await put(COINS, [{"id": name, "symbol": name, "name": name} for name in NAMES], 86_400)
    await put(USD, market(shift), 600)


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_a_hundred_coins_on_one_connection(port) -> None:
    async def story() -> None:
        await store()
        async with peer(port) as client:
            assert (await client.hear("hello"))["limit"] == 100
            await client.say(do="follow", coins=NAMES[:100], id="all")
            assert await client.prices(100) == {name: float(place) for place, name in enumerate(NAMES[:100])}
            await store(shift=0.5)
            assert await client.prices(100) == {name: place + 0.5 for place, name in enumerate(NAMES[:100])}
            await client.say(do="follow", coins=NAMES[100:101], id="more")
            assert await client.hear("no") == {"no": "more", "code": "too_many_queries"}
            await client.say(do="drop", coin=NAMES[0], id="less")
            assert await client.hear("ok") == {"ok": "less", "count": 99, "limit": 100}

    told(story)


def test_its_mistakes_cost_nothing_and_its_heart_beats(port) -> None:
    async def story() -> None:
        await store()
        async with peer(port) as client:
            await client.client.send_raw(framed(TEXT, b"nonsense"))
            assert await client.hear("no") == {"no": None, "code": "bad_message"}
            await client.say(do="follow", coins=["nosuch"], id=1)
            assert await client.hear("no") == {"no": 1, "code": "unknown_coin"}
            await client.say(do="ping", id=2)
            assert (await client.hear("ok"))["ok"] == 2
            assert (await client.hear("alive"))["alive"] > 0

    told(story)


def test_a_dialect_that_raises_costs_its_own_connection_only(port) -> None:
    async def story() -> None:
        await store()
        async with peer(port) as broken, peer(port) as whole:
            await whole.say(do="follow", coins=NAMES[:1])
            await whole.prices(1)
            await broken.say(do="raise")
            with pytest.raises(Closed) as closed:
                await broken.hear("ok")
            assert closed.value.code == 1011
            await store(shift=2.5)
            assert await whole.prices(1) == {NAMES[0]: 2.5}

    told(story)


def test_announcements_go_on_after_the_last_one_seen(port) -> None:
    async def publish(count: int) -> None:
        await put(LISTINGS, listings(count), 600)
        await nudges.tell(LISTINGS.name)

    async def story() -> None:
        await store()
        await publish(3)
        async with peer(port) as follower, peer(port) as leaver:
            for client in (follower, leaver):
                await client.say(do="news")
            page = await follower.hear("news")
            assert page["news"] == 3
            seen = (await leaver.hear("news"))["last"]
            leaver.client.close()
            await publish(5)
            events = await follower.hear("titles")
            assert (len(events["titles"]), events["gap"]) == (2, False)
            async with peer(port) as again:
                await again.say(do="news", after=seen)
                resumed = await again.hear("titles")
                assert resumed["titles"] == events["titles"]
                assert not resumed["gap"]
                await again.say(do="news", after=seen - 10_000)
                assert (await again.hear("titles"))["gap"]

    told(story)


def test_its_pings_come_in_its_own_interval(port) -> None:
    async def story() -> None:
        async with peer(port) as client:
            while not any(frame.opcode == PING for frame in client.client.controls):
                await client.hear("alive")

    told(story)


def test_protocols_of_other_vendors(port) -> None:
    async def story() -> None:
        await store()
        client = await Client.open(port, "/compat/tokenmetrics?api_key=anonymous")
        await client.send('{"is_append": 0, "tokens": ["coin-1", "coin-2"]}')
        assert {json.loads(await client.message())["cg_id"] for _ in range(2)} == {"coin-1", "coin-2"}
        client.close()

        client = await Client.open(port, "/compat/coinapi/v1/")
        hello = {"type": "hello", "heartbeat": True, "subscribe_data_type": ["exrate"]}
        await client.send(json.dumps(hello | {"subscribe_filter_asset_id": ["COIN/USD"]}))  # all have this symbol
        rate = json.loads(await client.message())
        assert (rate["type"], rate["asset_id_base"], rate["rate"]) == ("exrate", "COIN", 0.0)
        assert await client.message() == b'{"type":"hearbeat"}'
        await client.send(json.dumps(hello | {"subscribe_data_type": ["trade"]}))
        assert "trade cannot be served" in json.loads(await client.message())["message"]
        with pytest.raises(Closed) as closed:
            await client.message()
        assert (closed.value.code, closed.value.reason) == (1008, "bad_value")
        client.close()

        old = [row | {"id": f"old{place}"} for place, row in enumerate(listings(2))]
        await put(LISTINGS, old, 600)
        await nudges.tell(LISTINGS.name)
        async with peer(port) as other:
            await other.say(do="news")
            while (await other.hear("news", "titles")).get("news") != 2:
                await other.say(do="news")
        client = await Client.open(port, "/compat/cryptolisting?cex=binance")
        assert json.loads(await client.message())["allowedCex"] == ["binance"]
        await client.send('{"type": "test"}')
        assert json.loads(await client.message())["type"] == "test_announcement"
        await put(LISTINGS, [old[0] | {"id": "new", "title": "New"}, *old], 600)
        await nudges.tell(LISTINGS.name)
        assert json.loads(await client.message())["title"] == "New"
        await client.send("x" * 1025)
        with pytest.raises(Closed) as closed:
            await client.message()
        assert (closed.value.code, closed.value.reason) == (1009, "frame_too_large")
        client.close()

    told(story)


@pytest.mark.parametrize("port", ["uvicorn"], indirect=True)  # a server has no part in it, and it takes five seconds
def test_who_says_nothing_is_closed_with_its_own_code(port) -> None:
    async def story() -> None:
        async with peer(port) as client:
            with pytest.raises(Closed) as closed:
                await client.hear("ok")
            assert closed.value.code == 4900

    told(story)
