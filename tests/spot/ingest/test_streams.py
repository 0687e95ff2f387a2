"""The sink: what is followed, streamed prices in the store, and what else streams bring."""

import asyncio
from dataclasses import replace

import pytest
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError

from providers import announcements as stored
from providers.datasets import LISTINGS, Dataset
from providers.stream import Channel, Tick
from providers.streams import stream_state
from spot import snapshots
from spot.ingest import announcements, onchain, streams
from spot.ingest.streams import Streams
from spot.snapshots import nudges
from tests.providers.streams import provider, until
from tests.spot.rows import USD, fetched, listings, market

EUR = Dataset("markets", "eur")
ACME = provider("acme")
pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def real_market(settings) -> None:
    settings.SPOT_DEMO = "off"


def poll(age_ms=2000, **fields):
    """Store a market whose rows are that old."""
    rows = [{**row, "last_updated": snapshots.now_ms() - age_ms} for row in market(8)]
    return snapshots.save(fetched(USD, rows, **fields), 60)


def sink() -> Streams:
    """A sink that follows the market."""
    made = Streams()
    snapshots.want([USD])
    made.channels(ACME, 5, 0)
    return made


def hear(made: Streams, coin: str, price: float, at: int | None = None) -> None:
    asyncio.run(made.ticks(ACME, [Tick(coin, "usd", {"price": price}, at or snapshots.now_ms())]))


def row(coin="bitcoin"):
    return next(one for one in snapshots.load(USD).rows if one["id"] == coin)


# --- what is followed -------------------------------------------------------------------------------------------------


def test_the_largest_coins_of_what_is_watched_are_followed() -> None:
    poll()
    snapshots.want([USD, Dataset("candles", "usd", "bitcoin", 30)])
    assert Streams().channels(ACME, 3, 0) == [Channel("bitcoin"), Channel("ethereum"), Channel("tether")]
    assert Streams().channels(ACME, 3, 2) == [Channel("bitcoin"), Channel("ethereum")]
    assert Streams().channels(ACME, 0, 0) == []


def test_nothing_is_followed_that_nobody_watches_or_that_is_not_there() -> None:
    assert Streams().channels(ACME, 3, 0) == []
    snapshots.want([USD])
    assert Streams().channels(ACME, 3, 0) == []
    poll()
    assert len(Streams().channels(ACME, 3, 0)) == 3


def test_currencies_that_a_stream_has_not_are_left_out() -> None:
    poll()
    snapshots.save(fetched(EUR, market(2)), 60)
    snapshots.want([USD, EUR])
    assert {topic.currency for topic in Streams().channels(ACME, 3, 0)} == {"usd"}
    any_currency = provider("acme", currencies=frozenset())
    assert {topic.currency for topic in Streams().channels(any_currency, 3, 0)} == {"usd", "eur"}


def test_beside_a_simulated_market_nothing_is_followed(settings) -> None:
    poll()
    snapshots.want([USD])
    settings.SPOT_DEMO = "on"
    assert list(Streams().channels(ACME, 3, 0)) == []


def test_channels_are_followed_while_somebody_watches_them() -> None:
    topic = "kline.14.0xabcdef12.1m"
    both = provider("acme", brings=frozenset({"ticks", "onchain"}))
    snapshots.want([Dataset("onchain", topic=topic)])
    assert Streams().channels(both, 3, 0) == [Channel(onchain=topic)]
    assert Streams().channels(ACME, 3, 0) == []


@pytest.mark.django_db
def test_coins_go_by_the_names_that_the_provider_has_for_them() -> None:
    from providers.models import Asset, AssetAlias

    foreign = replace(provider("acme"), foreign=True)
    asset = Asset.objects.create(id="bitcoin", symbol="BTC", name="Bitcoin")
    AssetAlias.objects.create(provider="acme", foreign_id="1", symbol="BTC", name="Bitcoin", asset=asset)
    poll()
    snapshots.want([USD])
    made = Streams()
    assert made.channels(foreign, 3, 0) == [Channel("1")]
    hear(made, "1", 100_001.0)
    asyncio.run(made.flush())
    assert row()["price"] == 100_001.0


# --- prices -----------------------------------------------------------------------------------------------------------


def test_a_streamed_price_is_in_the_store_with_the_times_of_the_poll() -> None:
    version = poll()
    before, made, at = snapshots.load(USD), sink(), snapshots.now_ms()
    hear(made, "bitcoin", 100_001.5, at)
    asyncio.run(made.flush())
    after = snapshots.load(USD)
    assert after.version > version
    assert (row()["price"], row()["last_updated"]) == (100_001.5, at)
    assert (after.as_of, after.fetched_at, after.source) == (before.as_of, before.fetched_at, before.source)
    assert after.meta["streams"] == [{"source": "acme", "label": "Acme", "url": None, "coins": 1, "as_of": at}]


def test_what_is_streamed_is_told_once_for_many_ticks() -> None:
    poll()
    made = sink()

    async def story() -> list[str]:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(nudges.GROUP, channel)
        now = snapshots.now_ms()
        for n in range(10_000):
            await made.ticks(ACME, [Tick("bitcoin", "usd", {"price": 100_000.0 + n / 100}, now + n)])
        await made.flush()
        await made.flush()
        told = []
        while True:
            try:
                told.append((await asyncio.wait_for(layer.receive(channel), 0.3))["name"])
            except TimeoutError:
                await layer.flush()
                return told

    assert asyncio.run(story()) == [USD.name]
    assert row()["price"] == 100_099.99


def test_a_burst_makes_a_few_versions_only() -> None:
    poll()
    made, versions = sink(), set()

    async def story() -> None:
        running = asyncio.create_task(made.run())
        start = snapshots.now_ms()
        for n in range(10_000):
            await made.ticks(ACME, [Tick("bitcoin", "usd", {"price": 100_000.0 + n / 100}, start + n)])
            if n % 500 == 0:
                await asyncio.sleep(0.05)
                versions.add(snapshots.load(USD).version)
        await until(lambda: row()["price"] == 100_099.99)
        running.cancel()

    asyncio.run(story())
    assert len(versions) <= 5


def test_the_first_price_after_a_pause_is_not_held_back(monkeypatch) -> None:
    monkeypatch.setattr(streams, "FLUSH_SECONDS", 3600)
    poll()
    made = sink()

    async def story() -> None:
        running = asyncio.create_task(made.run())
        await made.ticks(ACME, [Tick("bitcoin", "usd", {"price": 100_001.0}, snapshots.now_ms())])
        await until(lambda: row()["price"] == 100_001.0)
        running.cancel()

    asyncio.run(story())


def test_after_a_poll_what_is_younger_is_shown_again_and_what_is_older_is_not() -> None:
    poll()
    made = sink()
    hear(made, "bitcoin", 100_001.0)
    asyncio.run(made.flush())
    poll(age_ms=60_000)
    assert row()["price"] == 100_000.0
    asyncio.run(made.flush())
    assert row()["price"] == 100_001.0
    poll(age_ms=-1000)
    asyncio.run(made.flush())
    assert row()["price"] == 100_000.0


def test_a_poll_in_the_middle_of_an_amendment_wins(monkeypatch) -> None:
    poll()
    made, shown = sink(), streams.Board.shown

    def slow(board, polled, now_ms):
        if len(snapshots.load(USD).rows) == 8:
            snapshots.save(fetched(USD, [{**one, "last_updated": now_ms + 5000} for one in market(9)]), 60)
        return shown(board, polled, now_ms)

    monkeypatch.setattr(streams.Board, "shown", slow)
    hear(made, "bitcoin", 100_001.0)
    asyncio.run(made.flush())
    assert len(snapshots.load(USD).rows) == 9
    assert row()["price"] == 100_000.0


def test_what_is_not_believed_is_shown_and_counted_for_operators() -> None:
    poll()
    made = sink()
    hear(made, "bitcoin", 120_000.0)
    hear(made, "ethereum", -3.0)
    asyncio.run(made.flush())
    assert row()["price"] == 100_000.0
    assert [one["id"] for one in snapshots.load(USD).meta["disputed"]] == ["bitcoin"]
    assert stream_state.counts(snapshots.connection(), "disputed", "acme") == {"bitcoin": 1}
    assert stream_state.counts(snapshots.connection(), "absurd", "acme") == {"ethereum": 1}


def test_a_poll_that_is_too_old_is_believed_less_than_a_stream() -> None:
    snapshots.save(fetched(USD, [{**one, "last_updated": 1} for one in market(3)], age_ms=600_000), 60)
    made = sink()
    hear(made, "bitcoin", 120_000.0)
    asyncio.run(made.flush())
    assert row()["price"] == 120_000.0


def test_coins_that_were_not_asked_for_are_passed_over() -> None:
    version = poll()
    made = sink()
    hear(made, "stellar", 1.0)
    asyncio.run(made.flush())
    assert snapshots.load(USD).version == version


def test_an_outage_of_the_store_is_survived(settings, monkeypatch) -> None:
    poll()
    made = sink()
    hear(made, "bitcoin", 100_001.0)
    amend = snapshots.amend
    monkeypatch.setattr(snapshots, "amend", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
    asyncio.run(made.flush())
    monkeypatch.setattr(snapshots, "amend", amend)
    asyncio.run(made.flush())
    assert row()["price"] == 100_001.0


# --- announcements and events -----------------------------------------------------------------------------------------


def test_events_are_shown_newest_first_once_each() -> None:
    topic = "kline.14.0xabcdef12.1m"
    made = Streams()

    async def story() -> None:
        for number in (1, 2, 2, 3):
            await made.happened(ACME, topic, {"id": str(number), "at": number, "data": {}})
        await made.flush()
        await made.happened(ACME, topic, {"id": "4", "at": 4, "data": {}})
        await made.flush()

    asyncio.run(story())
    rows = snapshots.load(Dataset("onchain", topic=topic)).rows
    assert [one["id"] for one in rows] == ["4", "3", "2", "1"]


def test_events_of_a_round_that_the_store_does_not_take_are_shown_later(monkeypatch) -> None:
    topics = ["kline.14.0xabcdef12.1m", "kline.14.0xabcdef34.1m"]
    made, happened = Streams(), onchain.happened

    def away(topic, rows, provider):
        raise ConnectionRefusedError

    async def story() -> None:
        for topic in topics:
            await made.happened(ACME, topic, {"id": "1", "at": 1, "data": {}})
        monkeypatch.setattr(onchain, "happened", away)
        await made.flush()
        for number in range(2, onchain.KEPT + 10):
            await made.happened(ACME, topics[0], {"id": str(number), "at": number, "data": {}})
        await made.flush()
        monkeypatch.setattr(onchain, "happened", happened)
        await made.flush()

    asyncio.run(story())
    first, second = (snapshots.load(Dataset("onchain", topic=topic)).rows for topic in topics)
    assert [row["id"] for row in second] == ["1"]
    assert [row["id"] for row in first] == [str(onchain.KEPT + 9 - n) for n in range(onchain.KEPT)]
    assert not made._events


def test_a_lost_nudge_after_a_price_holds_up_no_event(monkeypatch) -> None:
    poll()
    made, topic = sink(), "kline.14.0xabcdef12.1m"

    class NoLayer:
        async def group_send(self, *_: object) -> None:
            raise ConnectionRefusedError

    monkeypatch.setattr(nudges, "get_channel_layer", NoLayer)
    hear(made, "bitcoin", 100_001.0)
    asyncio.run(made.happened(ACME, topic, {"id": "1", "at": 1, "data": {}}))
    asyncio.run(made.flush())
    assert row()["price"] == 100_001.0
    assert snapshots.load(Dataset("onchain", topic=topic)).rows


def test_what_was_not_believed_is_counted_though_the_store_was_away(monkeypatch) -> None:
    poll()
    made, count = sink(), stream_state.count
    hear(made, "bitcoin", 120_000.0)
    monkeypatch.setattr(stream_state, "count", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
    asyncio.run(made.flush())
    monkeypatch.setattr(stream_state, "count", count)
    asyncio.run(made.flush())
    assert stream_state.counts(snapshots.connection(), "disputed", "acme") == {"bitcoin": 1}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("database", [True, False])
def test_an_announcement_that_the_store_does_not_take_is_shown_with_the_next_flush(monkeypatch, database) -> None:
    made, save = Streams(), snapshots.save
    monkeypatch.setattr(snapshots, "save", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
    if not database:
        monkeypatch.setattr(stored, "store", lambda *_: (_ for _ in ()).throw(DatabaseError()))
    (announcement,) = listings(1)
    asyncio.run(made.announced(ACME, announcement))
    monkeypatch.setattr(snapshots, "save", save)
    asyncio.run(made.flush())
    assert [row["id"] for row in snapshots.load(LISTINGS).rows] == ["a0"]
    assert not made._unshown


def test_announcements_are_handed_on_and_an_outage_of_the_store_is_survived(monkeypatch) -> None:
    rows = []
    monkeypatch.setattr(announcements, "announced", lambda row, _provider: rows.append(row))
    asyncio.run(Streams().announced(ACME, {"id": "a", "title": "t"}))
    assert rows == [{"id": "a", "title": "t"}]

    def broken(row, provider):
        raise ConnectionRefusedError

    monkeypatch.setattr(announcements, "announced", broken)
    asyncio.run(Streams().announced(ACME, {"id": "a", "title": "t"}))


def test_signs_of_life_are_passed_on_now_and_then(monkeypatch) -> None:
    said = []
    monkeypatch.setattr(announcements, "alive", lambda one: said.append(one.name))
    monkeypatch.setattr(onchain, "alive", lambda _one, channels: said.extend(channels))
    now = [100.0]
    made = Streams(clock=lambda: now[0])
    both = provider("acme", brings=frozenset({"onchain"}))
    topic = "kline.14.0xabcdef12.1m"
    snapshots.want([Dataset("onchain", topic=topic)])
    made.channels(both, 3, 0)

    async def story() -> None:
        for _ in range(3):
            await made.alive(both, 1)
        now[0] += 5.0
        await made.alive(both, 1)

    asyncio.run(story())
    assert said == ["acme", topic] * 2
