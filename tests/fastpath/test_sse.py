"""Server-sent events: what a client gets, whatever the server can do, and what a stream costs when its client is gone,
does not read, or the server ends."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from providers.datasets import LISTINGS
from spot.clients.limits import admission, answering
from spot.clients.roster import roster
from spot.codes import Refused
from spot.hub.groups import Group
from spot.hub.hub import Hub
from spot.server.chunks import ChunkSocket
from spot.web import sse
from tests.fastpath.events import PREFIX, Events
from tests.fastpath.gateway import Gateway, alive, eventually, gateway, no_tracebacks, put, put_lists, put_market, run
from tests.spot.rows import listings

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]
both_paths = pytest.mark.parametrize("plain", [False, True], ids=["finished chunks", "plain sends"])


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog):
    """No test may leave a traceback in the log."""
    yield
    assert no_tracebacks(caplog)


def told(story: Any, *, count: int = 5, small: bool = False, lists: bool = True) -> None:
    """Tell a story that gets a gateway with a market."""

    async def whole() -> None:
        if lists:
            await put_lists()
        await put_market(count)
        async with gateway(small=small) as gate:
            await story(gate)

    run(whole())


async def listen(gate: Gateway, target: str, *headers: str, plain: bool = False, **options: Any) -> Events:
    """A client that is closed at the end of the story."""
    made = await Events.listen(gate.plain if plain else gate.fast, target, *headers, **options)
    gate.clients.append(made)
    return made


def direct(group: Group) -> int:
    """How many members broadcasts write to directly."""
    return sum(member in group.lanes for member in group.members)


# --- what comes -------------------------------------------------------------------------------------------------------


@both_paths
def test_a_feed_comes_as_the_envelopes_messages_with_their_numbers(plain: bool) -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market?page_size=2", plain=plain)
        assert (events.status, events.headers["content-type"]) == (200, "text/event-stream")
        assert events.headers["x-accel-buffering"] == "no"
        assert "no-cache" in events.headers["cache-control"]
        first = await events.until("snapshot")
        assert (len(first.data["data"]["rows"]), first.name, first.last_id) == (2, "", str(first.data["seq"]))
        await put_market(5, shift=1.0)
        second = await events.until("snapshot")
        assert second.data["data"] != first.data["data"]
        assert (second.last_id, int(second.last_id) > int(first.last_id)) == (str(second.data["seq"]), True)

    told(story)


def test_a_broadcast_goes_to_all_streams_of_a_group_as_one_finished_chunk() -> None:
    async def story(gate: Gateway) -> None:
        streams = [await listen(gate, "market?page_size=2") for _ in range(3)]
        for events in streams:
            await events.until("snapshot")
        (group,) = Hub.current().groups.values()
        assert direct(group) == len(streams)
        await put_market(5, shift=1.0)
        pages = [await events.until("snapshot") for events in streams]
        assert pages[0] == pages[1] == pages[2]
        assert group.update.full.frame.endswith(group.update.full.payload + b"\r\n")

    told(story)


@both_paths
def test_changes_are_sent_where_they_are_asked_for(plain: bool) -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market?page_size=2&delta=1", plain=plain)
        first = await events.until("snapshot")
        await put_market(5, shift=1.0)
        delta = await events.until("delta")
        assert delta.data["base"] == first.data["seq"]
        assert set(delta.data["changed"]) == {"bitcoin", "ethereum"}

    told(story)


@both_paths
def test_several_views_are_told_apart_by_the_names_of_their_events(plain: bool) -> None:
    async def story(gate: Gateway) -> None:
        labels = ["market?page_size=1", "market?page_size=1&page=2", "top-gainers?per_page=3"]
        target = "stream?" + "&".join(f"subscribe={quote(label, safe='?=')}" for label in labels)
        events = await listen(gate, target, plain=plain)
        pages: dict[str, Any] = {}
        while len(pages) < len(labels):
            event = await events.next()
            if event.data["type"] == "snapshot":
                pages[event.name] = event.data
        assert set(pages) == set(labels)
        assert [pages[label]["data"]["rows"][0][0] for label in labels[:2]] == [1, 2]
        assert pages[labels[2]]["channel"] == "top-gainers"
        await put_market(5, shift=1.0)
        assert {(await events.until("snapshot")).name for _ in labels} == set(labels)

    told(story)


def test_a_silent_stream_carries_comments(monkeypatch: Any) -> None:
    monkeypatch.setattr(sse, "_SILENCE_SECONDS", 0.01)

    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market?page_size=1")
        await events.until("snapshot")
        assert await events.comment() == "keep-alive"

    told(story)


# --- going on ---------------------------------------------------------------------------------------------------------

STREAM = "stream?subscribe=market&subscribe=listings?page_size=5"


async def announce(total: int) -> None:
    """Store the newest announcements of so many: `n0` was the first."""
    rows = listings(total)
    await put(LISTINGS, [{**row, "id": f"n{total - 1 - place}"} for place, row in enumerate(rows)])


async def announced(events: Events, kind: str) -> dict[str, Any]:
    """The next message of that type about announcements."""
    while (event := await events.next()).data["type"] != kind or event.data["channel"] != "listings":
        pass
    return event.data


@both_paths
@pytest.mark.parametrize("target", ["listings?page_size=5", STREAM], ids=["one view", "several"])
def test_events_go_on_after_the_last_one_that_a_client_saw(plain: bool, target: str) -> None:
    async def story(gate: Gateway) -> None:
        await announce(4)
        events = await listen(gate, target, plain=plain)
        assert len((await announced(events, "snapshot"))["data"]) == 4
        before = events.last_id or await events.moved("")
        await announce(6)
        first = await announced(events, "events")
        assert ([row["id"] for row in first["data"]], first["gap"]) == (["n4", "n5"], False)
        seen = events.last_id if events.last_id != before else await events.moved(before)
        events.close()
        await eventually(gate.idle)
        await Hub.current().aclose()  # as when the server restarts, or the client comes to another process
        await announce(8)
        again = await listen(gate, target, f"Last-Event-ID: {seen}", plain=plain)
        assert [row["id"] for row in (await announced(again, "events"))["data"]] == ["n6", "n7"]

    told(story)


def test_a_client_begins_anew_where_it_cannot_go_on() -> None:
    async def story(gate: Gateway) -> None:
        await announce(4)
        for last_id in ("17", "0=n3", "=&==&2=n3", "9" * 5000):
            events = await listen(gate, STREAM, f"Last-Event-ID: {last_id}")
            assert len((await announced(events, "snapshot"))["data"]) == 4
        for target, last_id in ((STREAM, "1=gone"), ("listings", "gone"), ("listings", "%")):
            events = await listen(gate, target, f"Last-Event-ID: {last_id}")
            missed = await announced(events, "events")
            assert (len(missed["data"]), missed["gap"]) == (4, True)

    told(story)


def test_prices_begin_with_the_newest_page_whatever_a_client_saw() -> None:
    async def story(gate: Gateway) -> None:
        first = await (await listen(gate, "market?page_size=1")).until("snapshot")
        again = await listen(gate, "market?page_size=1", f"Last-Event-ID: {first.last_id}")
        assert (await again.until("snapshot")).data == first.data

    told(story)


# --- refusals ---------------------------------------------------------------------------------------------------------

REFUSED = [
    ("market?page=0", 400, "bad_value", "page"),
    ("market?nonsense=1", 400, "unknown_field", "nonsense"),
    ("historical-ohlcv", 400, "missing_field", "coin_id"),
    ("historical-ohlcv?coin_id=nothing", 404, "unknown_coin", "coin_id"),
    ("market?vs_currency=xyz", 404, "unknown_currency", "vs_currency"),
    ("nothing", 404, "unknown_feed", None),
    ("stream", 400, "missing_field", "subscribe"),
    ("stream?subscribe=", 400, "bad_value", "subscribe"),
    ("stream?subscribe=nothing", 400, "bad_value", "subscribe"),
    ("stream?subscribe=market&page=2", 400, "unknown_field", "page"),
    ("stream?subscribe=market&subscribe=market?page=0", 400, "bad_value", "page"),
    ("stream?subscribe=market?search=%0aid:%201", 400, "bad_value", "subscribe"),
    ("stream?subscribe=market&subscribe=market?vs_currency=xyz", 404, "unknown_currency", "vs_currency"),
    ("stream?subscribe=market?search=" + 1000 * "x", 400, "bad_value", "subscribe"),
    ("stream?" + "&".join(f"subscribe=market?page={n}" for n in range(1, 52)), 429, "too_many_queries", "subscribe"),
]


def test_an_address_is_refused_before_the_answer_starts() -> None:
    async def story(gate: Gateway) -> None:
        await (await listen(gate, "market")).until("snapshot")  # the lists have been read
        for target, status, code, field in REFUSED:
            events = await listen(gate, target)
            body = await events.body()
            assert (events.status, body["code"], body.get("field")) == (status, code, field), target
        assert (len(admission), len(answering)) == (1, 0)

    told(story)


def test_a_view_that_turns_out_not_to_exist_is_refused_by_an_event_and_the_stream_ends() -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market?vs_currency=xyz")
        assert events.status == 200
        several = await listen(gate, "stream?subscribe=market&subscribe=market?vs_currency=xyz")
        await put_lists()
        error = await events.until("error")
        assert error.data["code"] == "unknown_currency"
        assert await events.ended()
        assert (await several.until("error")).name == "market?vs_currency=xyz"
        await put_market(5, shift=1.0)
        assert (await several.until("snapshot")).name == "market"

    told(story, lists=False)


def test_programs_that_take_no_events_are_told_so() -> None:
    async def story(gate: Gateway) -> None:
        for accept, status in (
            ("text/event-stream", 200),
            ("*/*", 200),
            ("text/html, text/*;q=0.1", 200),
            ("text/html", 406),
            ("text/event-stream;q=0", 406),
            ("application/json", 406),
        ):
            assert (await listen(gate, "market", f"Accept: {accept}")).status == status, accept

    told(story)


def test_other_methods_follow_nothing() -> None:
    async def story(gate: Gateway) -> None:
        head = await listen(gate, "market", method="HEAD")
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        assert "content-length" not in head.headers
        assert (await listen(gate, "market?page=0", method="HEAD")).status == 400
        assert (await listen(gate, "market", method="DELETE")).status == 405
        assert (await listen(gate, "market", method="OPTIONS")).status == 204
        assert (len(admission), len(Hub.current().groups)) == (0, 0)

    told(story)


def test_a_stream_counts_as_a_connection_of_its_client(settings: Any) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 2

    async def story(gate: Gateway) -> None:
        await listen(gate, "market")
        await gate.client("market")
        third = await listen(gate, "market")
        assert (third.status, (await third.body())["code"]) == (429, "too_many_connections")
        assert third.headers["retry-after"] == "10"
        assert len(answering) == 0

    told(story)


def test_a_plan_bounds_the_views_of_a_stream(settings: Any) -> None:
    settings.SPOT_SUBSCRIPTIONS = 2

    async def story(gate: Gateway) -> None:
        views = "&".join(f"subscribe=market?page={n}" for n in (1, 2, 3))
        refused = await listen(gate, f"stream?{views}")
        assert (refused.status, (await refused.body())["code"]) == (429, "too_many_queries")

    told(story)


def test_pages_of_listed_origins_may_read_a_stream(settings: Any) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://blog.example"]

    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market", "Origin: https://blog.example")
        assert events.headers["access-control-allow-origin"] == "https://blog.example"
        assert {"Accept", "Origin"} <= set(events.headers["vary"].split(", "))

    told(story)


# --- ends -------------------------------------------------------------------------------------------------------------


@both_paths
def test_nothing_is_left_of_a_client_that_has_gone(plain: bool) -> None:
    async def story(gate: Gateway) -> None:
        for end in ("close", "reset"):
            events = await listen(gate, "market", plain=plain)
            await events.until("snapshot")
            getattr(events, end)()
            await eventually(gate.idle)
        await eventually(lambda: not alive(ChunkSocket) and not alive(sse.EventsAnswer))

    told(story)


def test_a_reader_that_does_not_read_is_cut_and_nobody_else_notices(monkeypatch: Any) -> None:
    monkeypatch.setattr(ChunkSocket, "send_seconds", 0.2)

    async def story(gate: Gateway) -> None:
        slow = await listen(gate, "market?page_size=200", receive_buffer=4096)
        other = await listen(gate, "market?page_size=200")
        await other.until("snapshot")
        shift = 1.0
        while len(admission) == 2:
            await put_market(200, shift)
            assert (await other.until("snapshot")).data["data"]["rows"]
            shift += 1.0
        assert slow.is_reset
        assert not await slow.ended()

    told(story, count=200, small=True)


def test_a_stalled_reader_that_reads_again_gets_the_newest_page() -> None:
    async def story(gate: Gateway) -> None:
        slow = await listen(gate, "market?page_size=200", receive_buffer=4096)
        await slow.until("snapshot")
        (group,) = Hub.current().groups.values()
        await eventually(lambda: direct(group) == 1)
        published = 0
        while direct(group) == 1 or published < 20:
            published += 1
            await gate.settled(await put_market(200, float(published)))
        pages = 1
        while (await slow.until("snapshot")).data["seq"] != group.update.seq:
            pages += 1
        assert pages < published, "pages that were replaced have not been sent"
        await eventually(lambda: direct(group) == 1)

    told(story, count=200, small=True)


def test_the_server_ends_streams_in_order_when_it_ends() -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market")
        await events.until("snapshot")
        (connection,) = [one for one in gate.server.server_state.connections if getattr(one, "chunks", None)]
        connection.shutdown()
        assert await events.ended()
        await eventually(gate.idle)

    told(story)


@both_paths
def test_a_client_whose_key_ends_is_told_so_and_the_stream_ends(plain: bool) -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market", plain=plain)
        await events.until("snapshot")
        (connection,) = roster.connections
        connection.dismiss(Refused("key_revoked", "This key has been revoked."))
        assert (await events.until("error")).data["code"] == "key_revoked"
        assert await events.ended()
        await eventually(lambda: not roster.connections)

    told(story)


def test_a_request_that_came_together_with_that_for_a_stream_keeps_nothing_alive() -> None:
    async def story(gate: Gateway) -> None:
        request = f"GET {PREFIX}market HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        for end in ("close", "reset"):
            client = await Events.connect(gate.fast)
            await client.send_raw(request + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await eventually(lambda: len(Hub.current().groups) == 1)
            getattr(client, end)()
            await eventually(gate.idle)

    told(story)


def test_requests_behind_a_stream_are_not_answered() -> None:
    async def story(gate: Gateway) -> None:
        events = await listen(gate, "market")
        await events.until("snapshot")
        await events.send_raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        await put_market(5, shift=1.0)
        assert (await events.until("snapshot")).data["data"]["rows"]
        events.close()
        await eventually(gate.idle)

    told(story)
