"""Many views over one socket, by the Python client: against the product, and against a server whose every frame is
given."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from providers.datasets import LISTINGS
from tests.clients.conftest import Site
from tests.clients.scripted import Peer, head, scripted, snapshot
from tests.live import wait_until
from tests.spot.rows import listings

WELCOME = {"type": "welcome", "ts": 1, "ping_interval_ms": 10_000, "messages_per_second": 0}


async def heard(peer: Peer) -> dict[str, Any]:
    """The next message of a client of the stream."""
    message: dict[str, Any] = json.loads(await peer.socket.recv())
    return message


async def welcomed(peer: Peer, count: int = 1) -> list[dict[str, Any]]:
    """Greet a client, and acknowledge its first subscriptions."""
    assert peer.path.endswith("/ws/stream")
    await peer.tell(WELCOME)
    asked = [await heard(peer) for _ in range(count)]
    await peer.tell(*({"type": "ack", "id": message["id"], "method": "subscribe"} for message in asked))
    return asked


# --- against the product ----------------------------------------------------------------------------------------------


def test_views_of_a_stream_share_a_socket_and_are_what_their_own_sockets_bring(spot_client: Any, site: Site) -> None:
    async def story() -> None:
        async with spot_client.Client(site.url) as client, client.stream() as stream:
            market = stream.watch("market", page_size=2)
            gainers = stream.watch("top-gainers", per_page=3)
            same = stream.watch("market", page_size=2, per_page=250)
            pages = await asyncio.gather(anext(market), anext(gainers), anext(same))
            assert site.sockets == 1
            assert [len(page) for page in pages] == [2, 3, 2]
            assert pages[0].rows == pages[2].rows == (await client.get("market", page_size=2)).rows
            site.put_market(5.0)
            assert (await anext(market))[0]["Price"] == (await anext(same))[0]["Price"] != pages[0][0]["Price"]
            await same.update(search="btc", page_size=1)
            assert [row["Symbol"] for row in await anext(same)] == ["BTC"]
            assert len(market.page) == 2
            await same.update(search=None, page_size=2)  # the same as the first again
            assert len(await anext(same)) == 2
            with pytest.raises(spot_client.BadRequest) as refused:
                await market.update(page_size=0)
            assert (refused.value.field, market.params) == ("page_size", {"page_size": 2})
            with pytest.raises(spot_client.BadRequest, match="is not a field"):
                await anext(stream.watch("market", sort_by="nope"))
            assert site.sockets == 1
        assert not client._streams or not site.sockets
        await asyncio.to_thread(wait_until, lambda: not site.sockets, 5)

    asyncio.run(story())


def test_events_of_a_stream_come_once_and_its_pages_begin_with_them(spot_client: Any, site: Site) -> None:
    async def story() -> None:
        site.put_announcements(5)
        async with spot_client.Client(site.url) as client, client.stream() as stream:
            tail, watch = stream.tail("listings", last=2), stream.watch("listings", page_size=3)
            rows = (await client.get("listings")).rows
            assert [await anext(tail), await anext(tail)] == rows[1::-1]
            assert (await anext(watch)).rows == rows[:3]
            site.put(LISTINGS, listings(20)[13:])
            news = [await anext(tail), await anext(tail)]  # the site has heard of the change before it is asked for it
            fresh = (await client.get("listings")).rows
            assert news == fresh[1::-1] != rows[1::-1]
            assert (await anext(watch)).rows == fresh[:3]

    asyncio.run(story())


def test_the_synchronous_stream_does_the_same(spot_client: Any, site: Site) -> None:
    with spot_client.sync.Client(site.url) as client, client.stream() as stream:
        market, tape = stream.watch("market", page_size=1), stream.watch("ticker-tape", coin_ids="bitcoin")
        assert (len(next(market)), len(next(tape)), site.sockets) == (1, 1, 1)
        market.update(page_size=2)
        assert len(next(market)) == 2
        assert next(stream.tail("listings", last=1))["exchange"]
    wait_until(lambda: not site.sockets, 5)


# --- coming back ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_after_a_drain_each_view_goes_on_where_it_was(spot_client: Any) -> None:
    async def first(peer: Peer) -> None:
        asked = await welcomed(peer, 2)
        assert [message["id"] for message in asked] == [1, 2]
        assert asked[0] == {
            "id": 1,
            "method": "subscribe",
            "channel": "market",
            "params": {"page_size": 1},
            "delta": True,
        }
        await peer.tell({**snapshot(5, "a"), "id": 1}, {**snapshot(6, "x"), "id": 2}, {"type": "drain", "code": 1012})
        await peer.close(1012)

    async def second(peer: Peer) -> None:
        asked = {message["channel"]: message for message in await welcomed(peer, 2)}
        assert (asked["market"]["since"], asked["market"]["epoch"]) == (5, "e")
        assert asked["listings"]["since"] == "x"
        assert "epoch" not in asked["listings"]
        changed = {"base": 5, "changed": {"a": {"price": 9}}, "id": asked["market"]["id"]}
        events = {"gap": False, "data": [{"id": "y"}], "total": 2, "id": asked["listings"]["id"]}
        await peer.tell(head("delta", 7, **changed), head("events", 8, **events))
        await peer.stay()

    async def story() -> None:
        async with scripted(first, second) as made, spot_client.Client(made.url) as client:
            stream = client.stream()
            market, listings = stream.watch("market", page_size=1), stream.watch("listings")
            assert [page[0]["id"] for page in await asyncio.gather(anext(market), anext(listings))] == ["a", "x"]
            assert (await anext(market)).rows == [{"id": "a", "price": 9}]
            assert [row["id"] for row in await anext(listings)] == ["y", "x"]
            assert len(made.asked) == 2

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_gap_brings_the_whole_page_and_a_tail_tells_what_is_lost(spot_client: Any) -> None:
    async def first(peer: Peer) -> None:
        await welcomed(peer)
        await peer.tell({**snapshot(1, "2", "1"), "id": 1})
        peer.socket.transport.abort()

    async def second(peer: Peer) -> None:
        await welcomed(peer)
        await peer.tell(head("events", 9, gap=True, data=[{"id": "8"}], id=1))
        left, again = await heard(peer), await heard(peer)
        assert (left["method"], again["method"], "since" in again) == ("unsubscribe", "subscribe", False)
        await peer.tell(
            {**snapshot(10, "old"), "id": 1},
            {"type": "ack", "id": left["id"]},
            {"type": "ack", "id": 1},
            {**snapshot(11, "9", "8"), "id": 1},
        )
        await peer.stay()

    async def story() -> None:
        async with scripted(first, second) as made, spot_client.Client(made.url) as client:
            tail = client.stream().tail("listings", last=1)
            seen = [await anext(tail) for _ in range(4)]
            assert [seen[0]["id"], seen[1], seen[2]["id"], seen[3]["id"]] == ["2", spot_client.Gap("2"), "8", "9"]

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_key_that_ends_is_said_to_every_view(spot_client: Any) -> None:
    revoked = {"type": "error", "code": "key_revoked", "message": "This key was revoked.", "retry": False}

    async def ended(peer: Peer) -> None:
        await welcomed(peer, 2)
        await peer.tell({**snapshot(1, "a"), "id": 1}, {**snapshot(1, "b"), "id": 2}, revoked)
        await peer.close(4401)

    async def story() -> None:
        async with scripted(ended) as made, spot_client.Client(made.url, key="secret") as client:
            stream = client.stream()
            watches = [stream.watch("market"), stream.watch("listings")]
            await asyncio.gather(*map(anext, watches))
            for watch in watches:
                with pytest.raises(spot_client.Unauthorized, match="revoked") as raised:
                    async for _ in watch:
                        pass
                assert raised.value.code == "key_revoked"
            assert made.asked[0]["X-API-Key"] == "secret"

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_silent_server_is_pinged_and_then_left(spot_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spot_client.streaming.ANSWER_SECONDS", 0.05)

    async def silent(peer: Peer) -> None:
        await peer.tell({**WELCOME, "ping_interval_ms": 50})
        await heard(peer)
        assert await heard(peer) == {"id": "ping", "method": "ping"}
        await peer.stay()

    async def alive(peer: Peer) -> None:
        await welcomed(peer)
        await peer.tell({**snapshot(1, "a"), "id": 1})
        await peer.stay()

    async def story() -> None:
        async with scripted(silent, alive) as made, spot_client.Client(made.url) as client:
            assert len(await anext(client.stream().watch("listings"))) == 1

    asyncio.run(story())


def test_messages_keep_the_servers_pace(spot_client: Any) -> None:
    from spot_client.retrying import Pace

    pace = Pace(10)
    assert [pace.wait(0.0) for _ in range(18)] == [0.0] * 18
    assert pace.wait(0.0) == pytest.approx(1 / 9)
    assert pace.wait(1.0) == 0.0
    assert Pace(0).wait(0.0, 1e9) == 0.0
