"""The Python client against a server whose every frame is given: deltas, gaps, reconnects, ends, ages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spot.codes import CLOSES
from tests.clients.scripted import Peer, head, scripted, snapshot


def delta(seq: int, base: int, **body: Any) -> dict[str, Any]:
    return head("delta", seq, base=base, **{"changed": {}, **body})


def test_deltas_change_enter_leave_and_order(spot_client: Any) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a", "b", "c"))
        entered = {"d": {"id": "d", "price": 7}}
        await peer.tell(delta(2, 1, changed={"b": {"price": 5}}, left=["a"], entered=entered, order=["d", "c", "b"]))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            async for page in client.watch("listings"):
                if page.head["seq"] == 2:
                    break
            assert page.rows == [{"id": "d", "price": 7}, {"id": "c", "price": 1}, {"id": "b", "price": 5}]
            assert page.params == {}

    asyncio.run(story())


def test_cells_of_a_table_are_named_by_its_headers(spot_client: Any) -> None:
    table = {"headers": ["Row", "Price"], "rows": [[1, 5.0]], "ids": ["x"], "as_of": [9], "stale": [False]}

    async def fed(peer: Peer) -> None:
        await peer.tell(head("snapshot", 1, params={}, data=table))
        entered = {"y": {"0": 2, "1": 3.0, "as_of": None, "stale": True}}
        await peer.tell(delta(2, 1, changed={"x": {"1": 6.0, "stale": True}}, entered=entered))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            async for page in client.watch("market"):
                if page.head["seq"] == 2:
                    break
            assert page.rows == [
                {"id": "x", "Row": 1, "Price": 6.0, "as_of": 9, "stale": True},
                {"id": "y", "Row": 2, "Price": 3.0, "as_of": None, "stale": True},
            ]
            assert page.headers == ["Row", "Price"]

    asyncio.run(story())


@pytest.mark.parametrize(
    "unfit",
    [
        {"base": 7},
        {"base": 1, "changed": {"nobody": {"price": 1}}},
        {"base": 1, "order": ["a"]},
        {"base": 1, "order": ["a", "c"]},
    ],
)
def test_a_delta_that_does_not_fit_is_answered_with_a_resync(spot_client: Any, unfit: dict[str, Any]) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a", "b"), delta(2, **unfit), delta(3, 2, changed={"a": {"price": 9}}))
        assert await peer.heard() == {"action": "resync"}
        await peer.tell(snapshot(4, "z"))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            seen = []
            async for page in client.watch("listings"):
                seen.append(page.head["seq"])
                if seen[-1] == 4:
                    break
            assert not {2, 3} & set(seen)
            assert page.rows == [{"id": "z", "price": 4}]

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_it_comes_back_after_a_close_that_invites_it_and_after_a_lost_connection(spot_client: Any) -> None:
    async def restarting(peer: Peer) -> None:
        await peer.tell(snapshot(5, "a"))
        await peer.close(1012)

    async def lost(peer: Peer) -> None:
        await peer.tell(snapshot(1, "b"))  # numbers begin anew
        peer.socket.transport.abort()

    async def last(peer: Peer) -> None:
        await peer.tell(snapshot(1, "c"))
        await peer.stay()

    async def story() -> None:
        async with scripted(restarting, lost, last) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings")
            seen = [row["id"] async for page in take(watch, 3) for row in page]
            assert seen == ["a", "b", "c"]
            assert watch.connected
            assert not watch.trouble

    asyncio.run(story())


async def take(pages: Any, count: int) -> Any:
    async for page in pages:
        yield page
        count -= 1
        if not count:
            return


@pytest.mark.parametrize("code", [int(code) for code, fact in CLOSES.items() if not fact.reconnect])
def test_a_final_close_is_raised(spot_client: Any, code: int) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a"))
        await peer.close(code)

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings")
            assert len(await anext(watch)) == 1
            with pytest.raises(spot_client.Refused, match=str(code)) as raised:
                await anext(watch)
            assert raised.value.code == str(code)

    asyncio.run(story())


def test_the_error_before_a_final_close_is_the_one_that_is_raised(spot_client: Any) -> None:
    error = {"type": "error", "code": "bad_value", "message": "No.", "retry": False, "field": "page", "allowed": "1"}

    async def fed(peer: Peer) -> None:
        await peer.tell(error)
        await peer.close(4400)

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            with pytest.raises(spot_client.BadRequest, match=r"No\.") as raised:
                await anext(client.watch("listings"))
            assert (raised.value.field, raised.value.allowed, raised.value.retry) == ("page", "1", False)

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_silent_server_is_pinged_and_then_left(spot_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spot_client.protocol.SILENCE_SECONDS", 0.05)
    monkeypatch.setattr("spot_client.protocol.ANSWER_SECONDS", 0.05)

    async def silent(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a"))
        assert [await peer.socket.recv(), await peer.socket.recv()] == ['{"action":"ping"}'] * 2
        await peer.stay()

    async def alive(peer: Peer) -> None:
        await peer.tell(snapshot(2, "b"))
        await peer.stay()

    async def story() -> None:
        async with scripted(silent, alive) as made, spot_client.Client(made.url) as client:
            seen = [page[0]["id"] async for page in take(client.watch("listings"), 2)]
            assert seen == ["a", "b"]

    asyncio.run(story())


def test_a_page_comes_again_when_it_has_become_stale(spot_client: Any) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a", max_age_ms=150))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings")
            fresh, stale = await anext(watch), await anext(watch)
            assert fresh.rows == stale.rows
            assert stale.stale
            assert stale.age >= 0.15
            assert watch.connected

    asyncio.run(story())


def test_a_heartbeat_tells_that_the_page_is_stale_and_a_status_why(spot_client: Any) -> None:
    status = {"type": "status", "channel": "listings", "state": "unavailable", "reason": "Acme cannot be reached."}

    async def fed(peer: Peer) -> None:
        now = {"type": "heartbeat", "channel": "listings", "ts": 1, "seq": 1, "as_of": 5, "age_ms": 1, "stale": True}
        await peer.tell(snapshot(1, "a"), {**status, "as_of": 5, "fetched_at": 7}, now)
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings")
            async for page in watch:
                if page.stale:
                    break
            assert page.head["as_of"] == 5
            assert watch.trouble == "Acme cannot be reached."

    asyncio.run(story())


def test_ages_are_by_the_servers_clock(spot_client: Any) -> None:
    hour = 3_600_000

    async def fed(peer: Peer) -> None:
        assert await peer.socket.recv() == '{"action":"ping"}'
        made = snapshot(1, "a")
        await peer.tell({"type": "pong", "ts": made["as_of"] + hour})
        await peer.tell({**made, "as_of": made["as_of"] + hour - 2000})
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            page = await anext(client.watch("listings"))
            assert 2 <= page.age < 20
            assert not page.stale

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_change_that_is_made_without_a_connection_is_in_the_next_address(spot_client: Any) -> None:
    async def first(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a"))
        assert await peer.heard() == {"search": "b", "page": None}
        peer.socket.transport.abort()

    async def second(peer: Peer) -> None:
        assert "search=b" in peer.path
        assert "page=" not in peer.path
        await peer.tell(snapshot(2, "b"))
        await peer.stay()

    async def story() -> None:
        async with scripted(first, second) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings", page=2)
            await anext(watch)
            await watch.update(search="b", page=None)
            assert watch.params == {"search": "b"}
            assert (await anext(watch))[0]["id"] == "b"

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_change_that_is_refused_after_a_reconnect_leaves_the_watch(spot_client: Any) -> None:
    refusal = {"type": "error", "code": "bad_value", "message": "No.", "retry": False, "field": "page_size"}

    async def first(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a"))
        assert await peer.heard() == {"page_size": 0}
        peer.socket.transport.abort()

    async def second(peer: Peer) -> None:
        assert "page_size=0" in peer.path
        await peer.tell(refusal)
        await peer.close(4400)

    async def third(peer: Peer) -> None:
        assert "page_size" not in peer.path
        await peer.tell(snapshot(2, "b"))
        await peer.stay()

    async def story() -> None:
        async with scripted(first, second, third) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings")
            await anext(watch)
            with pytest.raises(spot_client.BadRequest):
                await watch.update(page_size=0)
            assert (await anext(watch))[0]["id"] == "b"

    asyncio.run(story())


def test_a_change_that_is_refused_is_raised_and_taken_back(spot_client: Any) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "a"))
        assert await peer.heard() == {"page_size": 0}
        await peer.tell({"type": "error", "code": "bad_value", "message": "No.", "retry": False, "field": "page_size"})
        assert await peer.heard() == {"page_size": 9}
        await peer.tell(snapshot(2, "b"))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed) as made, spot_client.Client(made.url) as client:
            watch = client.watch("listings", page_size=5)
            await anext(watch)
            with pytest.raises(spot_client.BadRequest) as raised:
                await watch.update(page_size=0)
            assert raised.value.field == "page_size"
            assert watch.params == {"page_size": 5}
            await watch.update(page_size=9)
            assert (await anext(watch))[0]["id"] == "b"

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_events_come_once_in_order_and_a_gap_is_told(spot_client: Any) -> None:
    async def first(peer: Peer) -> None:
        assert "page_size=500" in peer.path
        await peer.tell(snapshot(1, "3", "2", "1"), snapshot(2, "5", "4", "3", "2"))
        await peer.close(1012)

    async def second(peer: Peer) -> None:
        await peer.tell(snapshot(1, "6", "5", "4"))
        await peer.close(1012)

    async def third(peer: Peer) -> None:
        await peer.tell(snapshot(1, "99", "98"))
        await peer.stay()

    async def story() -> None:
        async with scripted(first, second, third) as made, spot_client.Client(made.url) as client:
            seen = [
                event if isinstance(event, spot_client.Gap) else event["id"]
                async for event in take(client.tail("listings", last=2), 8)
            ]
            assert seen == ["2", "3", "4", "5", "6", spot_client.Gap("6"), "98", "99"]

    asyncio.run(story())


def test_a_tail_goes_on_after_an_event_that_was_seen_before(spot_client: Any) -> None:
    async def fed(peer: Peer) -> None:
        await peer.tell(snapshot(1, "3", "2", "1"))
        await peer.stay()

    async def story() -> None:
        async with scripted(fed, fed) as made, spot_client.Client(made.url) as client:
            assert [event["id"] async for event in take(client.tail("listings", since="1"), 2)] == ["2", "3"]
            assert [event async for event in take(client.tail("listings", since="0"), 1)] == [spot_client.Gap("0")]

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_refusals_of_the_handshake_are_read(spot_client: Any) -> None:
    later = {"type": "error", "code": "too_many_connections", "message": "Later.", "retry": True}
    wrong = {"type": "error", "code": "unauthorized", "message": "No such key.", "retry": False}

    async def story() -> None:
        answers = ((429, later, {"Retry-After": "0"}), (401, wrong, {}))
        async with scripted(answers=answers) as made, spot_client.Client(made.url, key="secret") as client:
            with pytest.raises(spot_client.Unauthorized, match="No such key") as raised:
                await anext(client.watch("listings"))
            assert raised.value.status == 401
            assert [headers["X-API-Key"] for headers in made.asked] == ["secret", "secret"]
            assert "secret" not in repr(client)

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_redirect_is_not_followed_since_the_key_is_for_the_server_named(spot_client: Any) -> None:
    async def story() -> None:
        async with scripted() as other, scripted(answers=((302, {}, {"Location": other.url}),) * 2) as made:
            async with spot_client.Client(made.url, key="secret", patience=0) as client:
                with pytest.raises(spot_client.Unreachable, match="redirects"):
                    await client.get("listings")
                with pytest.raises(spot_client.Unreachable, match="redirects"):
                    await anext(client.watch("listings"))
            assert not other.asked

    asyncio.run(story())


@pytest.mark.usefixtures("at_once")
def test_a_get_is_repeated_while_the_server_asks_to_come_back(spot_client: Any) -> None:
    later = {"type": "error", "code": "unavailable", "message": "Later.", "retry": True}
    answers = (
        (503, later, {"Retry-After": "0"}),
        (502, "", {}),
        (200, snapshot(1, "a"), {"ETag": 'W/"1"'}),
        (304, "", {}),
    )

    async def story() -> None:
        async with scripted(answers=answers) as made, spot_client.Client(made.url) as client:
            page = await client.get("listings")
            assert page[0]["id"] == "a"
            assert (await client.get("listings")).rows is page.rows
            assert [headers.get("If-None-Match") for headers in made.asked] == [None, None, None, 'W/"1"']

    asyncio.run(story())


def test_a_get_gives_up_when_its_patience_is_over(spot_client: Any) -> None:
    later = {"type": "error", "code": "too_many_requests", "message": "Later.", "retry": True}

    async def story() -> None:
        answers = ((429, later, {"Retry-After": "60"}),)
        async with scripted(answers=answers) as made, spot_client.Client(made.url, patience=5) as client:
            with pytest.raises(spot_client.TooMany) as raised:
                await client.get("listings")
            assert raised.value.retry_after == 60

    asyncio.run(story())


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://user:pass@x"])
def test_an_address_that_is_none_is_refused_in_words(spot_client: Any, url: str) -> None:
    with pytest.raises(ValueError, match="url must be the address of a server"):
        spot_client.Client(url)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "clé"])
def test_a_key_that_no_header_can_carry_is_refused(spot_client: Any, key: str) -> None:
    with pytest.raises(ValueError, match="key must be"):
        spot_client.Client("http://x", key=key)
