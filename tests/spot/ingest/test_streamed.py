"""What clients are told of feeds that come by stream: nobody waits in silence for what nobody brings."""

import asyncio
import json
from dataclasses import asdict

import pytest

import providers
from providers import listings
from providers.datasets import LISTINGS, Dataset
from providers.streams.stream_state import StreamState
from spot import snapshots
from spot.ingest import announcements, streamed, tasks
from tests.spot.asking import ask
from tests.spot.rows import ONCHAIN_TOPIC, REQUIRED
from tests.spot.rows import listings as listing_rows
from tests.spot.sockets import Socket, put, put_lists, run

ONCHAIN = "&".join(f"{name}={value}" for name, value in REQUIRED["onchain"].items())
FEEDS = [("listings", "", LISTINGS), ("onchain", ONCHAIN, ONCHAIN_TOPIC)]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
each_feed = pytest.mark.parametrize(("channel", "query", "dataset"), FEEDS, ids=["listings", "onchain"])


@pytest.fixture(autouse=True)
def no_demo(settings) -> None:
    settings.SPOT_DEMO = "off"


def looked_after(redis, *datasets: Dataset) -> None:
    """A worker's look, at once."""
    redis.delete("spot:streamed")
    streamed.look_after(datasets)


def test_who_may_be_asked_is_who_has_a_key(settings) -> None:
    assert streamed.sources("listings") == []
    settings.CRYPTOLISTING_API_KEY = "dsk_0123456789"
    assert streamed.sources("listings") == [providers.get("cryptolisting")]
    assert streamed.sources("onchain") == []


@each_feed
def test_why_there_is_nothing_is_said_as_long_as_it_is_so(channel, query, dataset, redis, settings) -> None:
    looked_after(redis, dataset)
    said = snapshots.trouble(dataset)
    assert said.permanent
    assert "source is set up" in said.message
    settings.CRYPTOLISTING_API_KEY = settings.COINMARKETCAP_API_KEY = "dsk_0123456789"
    settings.COINMARKETCAP_PLAN = "startup"
    looked_after(redis, dataset)
    assert snapshots.trouble(dataset) is None


@each_feed
def test_beside_a_simulated_market_nothing_real_is_shown(channel, query, dataset, redis, settings) -> None:
    settings.SPOT_DEMO = "on"
    looked_after(redis, dataset)
    assert "simulated" in snapshots.trouble(dataset).message


@pytest.mark.parametrize(
    ("state", "reason", "permanent"),
    [
        (StreamState("live", 0, followed=1), None, None),
        (StreamState("connecting", 0), None, None),
        (StreamState("refused", 0, "The key is wrong."), "cryptolisting.ws: The key is wrong.", True),
        (StreamState("waiting", 0, "no such name", until=7), "cryptolisting.ws: no such name", False),
        (None, None, None),
    ],
)
def test_what_keeps_a_stream_from_standing_is_said(state, reason, permanent, redis, settings) -> None:
    settings.CRYPTOLISTING_API_KEY = "dsk_0123456789"
    looked_after(redis, LISTINGS)
    if state:
        redis.set("spot:stream:state:cryptolisting", json.dumps(asdict(state)))
    looked_after(redis, LISTINGS)
    said = snapshots.trouble(LISTINGS)
    assert (said and said.message, said and said.permanent) == (reason, permanent)
    if said:
        refused = "cryptolisting.ws refuses this site's access."
        assert said.public == (refused if permanent else "The connection to cryptolisting.ws is down.")
    if state and state.until:
        assert said.next_try == state.until


def test_a_look_brings_back_what_the_store_has_lost(redis, settings) -> None:
    made = listings.row("upbit", "spot_listing", "Upbit lists AAA", ["AAA"], None, snapshots.now_ms())
    announcements.announced(made, providers.get("cryptolisting"))
    redis.flushall()
    looked_after(redis, LISTINGS)
    assert snapshots.load(LISTINGS).rows[0]["title"] == "Upbit lists AAA"
    assert "No listings source" in snapshots.trouble(LISTINGS).message


def test_streamed_datasets_are_never_fetched(redis, monkeypatch) -> None:
    started = []
    monkeypatch.setattr(tasks.fetch, "apply_async", lambda *args, **_more: started.append(args))
    tasks.start_due([LISTINGS, ONCHAIN_TOPIC])
    assert started == []
    assert snapshots.trouble(LISTINGS) is not None


async def no_source(dataset: Dataset, message: str = "No source is set up here.") -> None:
    trouble = snapshots.Trouble("unavailable", "key …1", snapshots.now_ms(), None, permanent=True, public=message)
    await asyncio.to_thread(snapshots.set_trouble, dataset, trouble)


@each_feed
def test_a_plain_client_is_told_that_nobody_brings_it_and_gets_it_when_somebody_does(channel, query, dataset) -> None:
    async def story() -> None:
        await put_lists()
        async with Socket(channel, query) as early:
            assert await early.silent()
            await no_source(dataset)
            error = await early.frame()
            assert (error["type"], error["code"], error["message"]) == (
                "error",
                "unavailable",
                "No source is set up here.",
            )
            async with Socket(channel, query) as late:
                assert await late.frame() == error
                await put(dataset, [])
                assert await late.frame() == []
            assert await early.frame() == []
            assert await early.silent()

    run(story())


@each_feed
def test_a_client_of_the_envelope_is_told_by_its_status(channel, query, dataset) -> None:
    async def story() -> None:
        await put_lists()
        async with Socket(channel, f"{query}&envelope=1".lstrip("&")) as socket:
            assert (await socket.next("status"))["state"] == "waiting"
            await no_source(dataset)
            status = await socket.next("status")
            assert (status["state"], status["reason"]) == ("unavailable", "No source is set up here.")

    run(story())


@each_feed
def test_the_twin_answers_that_nobody_brings_it_without_making_one_wait(channel, query, dataset) -> None:
    async def story() -> None:
        await put_lists()
        await no_source(dataset)
        async with asyncio.timeout(5):
            response = await ask(f"/tzone_apis/services/spot/{channel}?{query}")
        assert response.status_code == 503
        assert response.json()["message"] == "No source is set up here."

    run(story())


def test_what_is_there_is_shown_although_its_source_has_gone() -> None:
    async def story() -> None:
        await put_lists()
        await put(LISTINGS, listing_rows(3), age_ms=10**7)
        await no_source(LISTINGS)
        async with Socket("listings", "envelope=1&page_size=1") as socket:
            while (status := await socket.next("status"))["state"] == "waiting":
                pass
            assert (status["state"], status["reason"]) == ("stale", "No source is set up here.")
        async with Socket("listings") as socket:
            assert len(await socket.frame()) == 3
            assert await socket.silent()

    run(story())


def test_deltas_name_the_announcement_that_came() -> None:
    async def story() -> None:
        await put_lists()
        await put(LISTINGS, listing_rows(4)[1:])
        async with Socket("listings", "envelope=1&delta=1&page_size=2") as socket:
            assert [row["id"] for row in (await socket.next("snapshot"))["data"]] == ["a1", "a2"]
            await put(LISTINGS, listing_rows(4))
            delta = await socket.next("delta")
            assert (list(delta["entered"]), delta["left"], delta["order"]) == (["a0"], ["a2"], ["a0", "a1"])

    run(story())


def test_a_csv_has_the_tickers_in_one_cell_and_runs_nothing() -> None:
    async def story() -> None:
        await put_lists()
        row = listing_rows(1)[0] | {"title": "=HYPERLINK(1)", "tickers": ["=A1", "B"]}
        await put(LISTINGS, [row])
        response = await ask("/tzone_apis/services/spot/listings?format=csv")
        header, line, *rest = response.content.decode().split("\r\n")
        assert header.endswith(",source,time_utc")
        assert "'=HYPERLINK(1),\"'=A1,B\"" in line
        assert line.endswith(",acme,2024-07-03T09:46:40+00:00")
        assert rest == [""]
        await put(ONCHAIN_TOPIC, [{"id": "e0", "at": 1_720_000_000_000, "data": {"c": 1}}])
        response = await ask(f"/tzone_apis/services/spot/onchain?{ONCHAIN}&format=csv")
        assert response["Content-Disposition"] == 'attachment; filename="onchain-kline-0xAb5801a7.csv"'
        assert response.content.decode().split("\r\n")[1] == ('e0,1720000000000,"{""c"":1}",2024-07-03T09:46:40+00:00')

    run(story())


def test_distinct_on_chain_topics_are_bounded(settings) -> None:
    settings.SPOT_ONCHAIN_TOPICS = 1

    async def story() -> None:
        await put_lists()
        await put(ONCHAIN_TOPIC, [])
        async with Socket("onchain", ONCHAIN) as first:
            assert await first.frame() == []
            async with Socket("onchain", ONCHAIN + "&page_size=1") as same:
                assert await same.frame() == []
            async with Socket("onchain", ONCHAIN.replace("1m", "5m")) as other:
                assert (await other.frame())["code"] == "too_many_datasets"
                assert await other.closed() == 4413

    run(story())


def test_what_is_looked_at_reaches_who_follows_it() -> None:
    async def story() -> None:
        await put_lists()
        async with Socket("onchain", ONCHAIN), Socket("listings"):
            async with asyncio.timeout(8):
                while {LISTINGS, ONCHAIN_TOPIC} - set(await asyncio.to_thread(snapshots.wanted)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    run(story())
