"""The hub: what it survives, what it does once, what it asks workers for."""

import asyncio
import contextlib
import gc
import json
import subprocess
import time
import weakref

import pytest
from redis import Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from providers.datasets import Dataset
from spot import snapshots
from spot.codes import Close, Refused
from spot.dialects.envelope import Envelope
from spot.dialects.own import read_address
from spot.feeds import FEEDS
from spot.feeds.answer import Answer
from spot.hub import demand
from spot.hub import hub as hub_module
from spot.hub.hub import Hub
from spot.hub.topics import Topic
from spot.processes.redis_server import find
from spot.query.columns import Charts, Columns
from spot.snapshots import News, Trouble, nudges
from spot.snapshots.reader import Reader
from spot_project.redis_address import private
from spot_project.redis_connections import Server as RedisServer
from tests.spot.rows import COINS, CURRENCIES, USD, candles, coin, market
from tests.spot.sockets import Socket, eventually, put, put_lists, put_market, run
from tests.spot.watcher import Watcher

EUR, QUOTES = Dataset("markets", "eur"), Dataset("quotes", "usd")


def wish(channel: str, query: str = ""):
    return read_address(FEEDS[channel], query.encode(), 1000)


async def joined(channel: str, query: str = "") -> Watcher:
    """A member with its first state."""
    watcher = Watcher().join(wish(channel, query))
    await eventually(lambda: watcher.updates)
    return watcher


# --- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_equal_subscriptions_are_rendered_once_and_share_the_very_same_bytes(monkeypatch) -> None:
    encoded = []
    original = Answer._encode
    monkeypatch.setattr(Answer, "_encode", lambda self: encoded.append(1) or original(self))

    async def story() -> None:
        await put_market(5)
        members = [await joined("market", query) for query in ("search=E", "search=e", "page=1&search=%20e")]
        assert len(Hub.current().groups) == 1
        encoded.clear()
        await put(USD, market(5, shift=1.0))
        await eventually(lambda: all(len(member.updates) == 2 for member in members))
        assert len({id(member.updates[-1].message_after(None).text) for member in members}) == 1
        assert len(encoded) == 1

    run(story())


@pytest.mark.usefixtures("redis")
def test_who_leaves_leaves_nothing_behind() -> None:
    async def story() -> None:
        await put_market(2)
        hub = Hub.current()
        watcher = await joined("market")
        watcher.join(wish("market", "page_size=1"))
        assert len(hub.groups) == 1
        hub.leave(watcher)
        hub.leave(watcher)
        assert not hub.groups
        assert not any(topic.groups for topic in hub.topics.values())
        assert watcher.group is None

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_refused_wish_changes_nothing() -> None:
    async def story() -> None:
        await put_market(2)
        hub, watcher = Hub.current(), await joined("market")
        before = (set(hub.groups), set(hub.topics))
        with pytest.raises(Refused):
            watcher.join(wish("market", "vs_currency=xyz"))
        assert (set(hub.groups), set(hub.topics)) == before
        assert watcher.group.view.params["vs_currency"] == "usd"

    run(story())


@pytest.mark.usefixtures("redis")
def test_trouble_lasts_through_streamed_prices_and_ends_with_a_poll() -> None:
    def dearer(snapshot):
        return [{**row, "price": 7.5} for row in snapshot.rows], snapshot.meta

    async def story() -> None:
        await put_market(2)
        await joined("market")
        topic = Hub.current().topics[USD.name]
        await asyncio.to_thread(snapshots.set_trouble, USD, Trouble("upstream_error", "It did not answer.", 5, 9))
        await eventually(lambda: topic.trouble)
        await asyncio.to_thread(snapshots.amend, USD, dearer)
        await nudges.tell(USD.name)
        await eventually(lambda: topic.rows[0]["price"] == 7.5)
        assert topic.trouble
        await put_market(2)
        await eventually(lambda: topic.rows[0]["price"] != 7.5)
        assert topic.trouble is None

    run(story())


# --- charts -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_charts_stay_in_the_store_until_somebody_shows_them() -> None:
    async def story() -> None:
        await put_market(3)
        hub = Hub.current()
        without = await joined("market", "sparkline=false")
        mover = await joined("most-active", "envelope=1")
        topic = hub.topics[USD.name]
        version = topic.version
        assert not topic.snapshot.has_charts
        shown = await joined("market", "sparkline=true")
        expected, _ = wish("market", "sparkline=true")
        assert shown.updates[0].answer.data == Answer(expected, expected.feed.table(snapshots.load(USD).rows)).data
        assert (topic.version, topic.snapshot.has_charts) == (version, True)
        assert len(without.updates) == len(mover.updates) == 1  # nothing has changed for those who show none
        await put(USD, market(3, shift=1.0))
        await eventually(lambda: len(shown.updates) == 2 and len(without.updates) == 2)
        assert topic.snapshot.has_charts
        hub.leave(shown)
        await hub._demand()
        await put(USD, market(3, shift=2.0))
        await eventually(lambda: len(without.updates) == 3)
        assert not topic.snapshot.has_charts

    run(story())


@pytest.mark.usefixtures("redis")
def test_charts_are_read_again_only_when_they_have_changed(monkeypatch) -> None:
    texts = []
    original = Charts.__init__
    monkeypatch.setattr(Charts, "__init__", lambda self, text, *more: texts.append(text) or original(self, text, *more))

    def dearer(snapshot):
        return [{**row, "price": row["price"] * 2} for row in snapshot.rows], snapshot.meta

    async def story() -> None:
        await put_market(3)
        shown = await joined("market", "sparkline=true")
        other = [{**row, "sparkline": [4.5, 6.25]} for row in market(3)]

        def rows():
            return json.loads(shown.updates[-1].message_after(None).payload)["rows"]

        def charts(rows):
            return [cell for row in rows for cell in row if isinstance(cell, list)]

        first = rows()
        texts.clear()
        await asyncio.to_thread(snapshots.amend, USD, dearer)
        await nudges.tell(USD.name)
        await eventually(lambda: len(shown.updates) == 2)
        assert charts(rows()) == charts(first)
        assert rows() != first
        assert not any(texts)
        for polled, count, reads in ((market(3), 3, 0), (other, 4, 1)):
            texts.clear()
            await put(USD, polled)
            await eventually(lambda count=count: len(shown.updates) == count)
            text = Columns.pack(polled).charts.text
            texts.pop()
            assert texts.count(text) == 1 + reads  # one was made by the worker
        assert charts(rows()) == [[4.5, 6.25]] * 3

    run(story())


# --- coins outside the market -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_a_tape_is_joined_of_the_market_and_of_quotes() -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("ticker-tape", "coin_ids=rare,bitcoin") as socket:
            assert [item["name"] for item in await socket.frame()] == ["Bitcoin"]
            await put(QUOTES, [coin("rare", price=7.0), coin("bitcoin", price=-1.0)])
            answer = await socket.frame()
            assert [(item["name"], item["price"]) for item in answer] == [
                ("Rare", 7.0),
                ("Bitcoin", market(1)[0]["price"]),
            ]
        assert set(snapshots.wanted_coins("usd", 9)) == {"rare"}
        assert QUOTES in snapshots.wanted()

    run(story())


@pytest.mark.usefixtures("redis")
def test_old_quotes_that_a_tape_does_not_need_do_not_make_it_stale() -> None:
    async def story() -> None:
        await put_market(2)
        await put(QUOTES, [coin("rare", price=7.0)], age_ms=10**9)
        async with Socket("ticker-tape", "coin_ids=bitcoin,rare&envelope=1") as needs:
            while len((frame := await needs.next("snapshot"))["data"]) < 2:
                pass
            assert frame["stale"]
            async with Socket("ticker-tape", "coin_ids=bitcoin&envelope=1") as does_not:
                assert not (await does_not.next("snapshot"))["stale"]

    run(story())


# --- demand -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_what_is_watched_is_wanted_and_what_is_not_known_to_exist_is_not() -> None:
    async def story() -> None:
        hub, watcher, other = Hub.current(), Watcher(), Watcher()
        watcher.join(wish("historical-ohlcv", "coin_id=bitcoin"))
        other.join(wish("market", "vs_currency=eur"))
        await eventually(lambda: hub.read_at_ms)
        await asyncio.sleep(0.2)
        chart = Dataset("candles", "usd", "bitcoin", 30)
        assert not {chart, EUR} & set(await asyncio.to_thread(snapshots.wanted))
        await put_lists()
        for _ in range(100):
            if {CURRENCIES, COINS, chart, EUR} <= set(await asyncio.to_thread(snapshots.wanted)):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("not wanted")

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_topic_that_nobody_watches_is_forgotten_after_a_while(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.1)
    monkeypatch.setattr(demand, "LINGER_MS", 200)

    async def story() -> None:
        await put_market(2)
        hub, watcher = Hub.current(), await joined("market")
        hub.leave(watcher)
        assert USD.name in hub.topics
        await eventually(lambda: USD.name not in hub.topics)
        assert {CURRENCIES.name, COINS.name} <= set(hub.topics)

    run(story())


# --- what it survives -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_a_lost_nudge_costs_a_few_seconds_and_no_data(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.3)

    async def story() -> None:
        await put_market(2)
        watcher = await joined("market")
        monkeypatch.setattr(snapshots, "nudge", lambda *_: None)
        await put(USD, market(2, shift=1.0))
        await eventually(lambda: len(watcher.updates) == 2)

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_lost_nudge_is_made_good_however_many_others_come(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.5)
    send = snapshots.nudge

    async def story() -> None:
        await put_market(2)
        await put(EUR, market(2))
        lost, busy = await joined("market"), await joined("market", "vs_currency=eur")
        monkeypatch.setattr(snapshots, "nudge", lambda name, *more: name == EUR.name and send(name, *more))
        await put(USD, market(2, shift=1.0))
        deadline = time.monotonic() + 5
        shift = 1.0
        while len(lost.updates) == 1 and time.monotonic() < deadline:
            await put(EUR, market(2, shift := shift + 1.0))
            await asyncio.sleep(0.1)
        assert len(lost.updates) == 2
        assert len(busy.updates) > 2

    run(story())


@pytest.mark.usefixtures("redis")
def test_an_emptied_store_keeps_what_is_shown_and_begins_a_new_epoch(redis, monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.2)

    async def story() -> None:
        await put_market(2)
        async with Socket("market", "envelope=1") as socket:
            first = await socket.next("snapshot")
            await asyncio.to_thread(redis.flushall)
            await asyncio.sleep(0.5)
            async with Socket("market") as late:
                assert len((await late.frame())["rows"]) == 2
            await put(USD, market(2, shift=1.0))
            second = await socket.next("snapshot")
            assert second["epoch"] != first["epoch"]
            assert second["seq"] > first["seq"]

    run(story())


def spoil(redis, dataset: Dataset, column: str | None = None) -> None:
    """Make a stored snapshot unreadable, or one column of it, as a newer version that nobody was nudged about."""
    key = f"spot:live:table:{dataset.name}"
    cells, version = redis.hmget(key, "cells", "version")
    head, *lines = cells.split(b"\n")
    names = json.loads(head)[1]
    if column is None:
        cells = b"not json"
    else:
        lines[names.index(column)] = b"not json"
        cells = b"\n".join([head, *lines])
    redis.hset(key, mapping={"cells": cells, "version": int(version) + 1})


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("column", [None, "price"])
def test_an_unreadable_snapshot_leaves_the_last_good_one_in_place(redis, monkeypatch, column) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.1)

    async def story() -> None:
        await put_market(2)
        await put(EUR, market(3))
        dollars, euros = await joined("market"), await joined("market", "vs_currency=eur")
        with capture_logs() as logs:
            await asyncio.to_thread(spoil, redis, EUR, column)
            await eventually(lambda: any(entry["event"] == "snapshot cannot be read" for entry in logs))
        late = await joined("market", "vs_currency=eur&page_size=1")
        assert len(json.loads(late.updates[0].message_after(None).payload)["rows"]) == len(euros.updates) == 1
        await put(USD, market(2, shift=1.0))
        await eventually(lambda: len(dollars.updates) == 2)
        await put(EUR, market(3, shift=1.0))
        await eventually(lambda: len(euros.updates) == 2)

    run(story())


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("column", [None, "price"])
def test_a_feed_whose_first_snapshot_cannot_be_read_waits_for_the_next(redis, column) -> None:
    async def story() -> None:
        await put_market(2)
        await put(EUR, market(1))
        await asyncio.to_thread(spoil, redis, EUR, column)
        watcher = Watcher()
        with capture_logs() as logs:
            watcher.join(wish("market", "vs_currency=eur"))
            await eventually(lambda: any(entry["event"] == "snapshot cannot be read" for entry in logs))
        await put(EUR, market(1))
        await eventually(lambda: watcher.updates)

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_join_that_fails_leaves_nothing_behind(redis) -> None:
    async def story() -> None:
        await put_market(2)
        hub, watcher = Hub.current(), await joined("market", "envelope=1")
        topic = hub.topics[USD.name]
        await asyncio.to_thread(spoil, redis, USD, "high_24h")  # which nobody shows
        await nudges.tell(USD.name)
        await eventually(lambda: len(watcher.updates) == 2)
        groups = set(hub.groups)
        sorts_by_it = wish("market", "sort_by=high_24h")
        with pytest.raises(Refused) as refused:
            Watcher().join(sorts_by_it)
        assert refused.value.code == "unavailable"
        with pytest.raises(Refused):
            watcher.join(sorts_by_it)
        assert set(hub.groups) == groups
        assert {group.key for group in topic.groups} == groups
        assert watcher.group.dialect == Envelope()
        async with Socket("market", "sort_by=high_24h") as socket:
            assert (await socket.frame())["code"] == "unavailable"
            assert await socket.closed() == Close.OVERLOADED
        assert set(hub.groups) == groups

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_group_that_cannot_be_rendered_holds_up_no_other_and_is_tried_again(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 0.2)

    async def story() -> None:
        await put_market(3)
        bad, *others = [await joined("market", f"search={letter}") for letter in "bhetn"]
        original = Answer._encode

        def encode(self):
            if failing and self.view.query.search == "b":
                raise ValueError("spoilt")
            return original(self)

        failing = True
        monkeypatch.setattr(Answer, "_encode", encode)
        await put(USD, market(3, shift=1.0))
        await eventually(lambda: all(len(watcher.updates) == 2 for watcher in others))
        assert len(bad.updates) == 1
        failing = False
        await eventually(lambda: len(bad.updates) == 2)

    run(story())


@pytest.mark.usefixtures("redis")
def test_one_bad_group_does_not_end_the_watch_over_staleness(monkeypatch) -> None:
    original = Topic.turned
    failures = []

    def turned(self, now_ms) -> bool:
        if not failures:
            failures.append(1)
            raise ValueError("once")
        return original(self, now_ms)

    monkeypatch.setattr(Topic, "turned", turned)

    async def story() -> None:
        await put_lists()
        await put(USD, market(2), interval=1.0, age_ms=5500)
        async with Socket("market", "envelope=1") as socket:
            assert not (await socket.next("snapshot"))["stale"]
            assert (await socket.next("snapshot"))["stale"]
        assert failures

    run(story())


@pytest.mark.usefixtures("redis")
def test_real_data_take_the_place_of_all_simulated_ones_at_once() -> None:
    async def story() -> None:
        await put_market(3, simulated=True)
        await put(EUR, market(3), simulated=True)
        async with Socket("market", "envelope=1") as dollars, Socket("market", "envelope=1&vs_currency=eur") as euros:
            for socket in (dollars, euros):
                assert (await socket.next("snapshot"))["simulated"]
            await put_market(2)
            frame = await dollars.next("snapshot")
            assert (frame["simulated"], frame["total"]) == (False, 2)
            assert (await euros.next("notice"))["code"] == "realm_changed"
            assert (await euros.next("status"))["state"] == "waiting"
            async with Socket("market", "vs_currency=eur") as late:
                assert await late.silent()
            await put(EUR, market(1))
            assert not (await euros.next("snapshot"))["simulated"]

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_realm_that_changes_between_two_readings_is_never_mixed_with_the_other(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "_SLOW_TIMER", 60.0)
    read, changed = Reader.latest, []

    async def latest(self, dataset, **options):
        if not changed:
            changed.append(await put(EUR, market(1)))
        return await read(self, dataset, **options)

    async def story() -> None:
        await put_market(3, simulated=True)
        await put(EUR, market(3), simulated=True)
        dollars, euros = await joined("market"), await joined("market", "vs_currency=eur")
        hub = Hub.current()
        await eventually(lambda: hub.topics[EUR.name].news and hub.topics[USD.name].news)
        monkeypatch.setattr(snapshots, "nudge", lambda *_: None)
        for dataset in (USD, EUR):
            await put(dataset, market(3, shift=1.0), simulated=True)
        monkeypatch.setattr(Reader, "latest", latest)
        hub._compare()
        await eventually(lambda: not euros.updates[-1].facts.simulated)
        assert all(update.facts.simulated for update in dollars.updates)
        assert dollars.group.update is None
        assert not hub.topics[USD.name].rows

    run(story())


def test_a_topic_keeps_its_last_good_values() -> None:
    topic = Topic(USD)
    assert topic.differs(News("e", 1, None))
    topic.take(None)
    assert topic.rows == []


class Server:
    """A Redis server of the test's own that it may kill."""

    def __init__(self, folder) -> None:
        self.socket = folder / "own.sock"
        self.url = f"unix://{self.socket}"
        self._binary = find().path

    def start(self) -> None:
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.socket.parent),
        ]
        self.process = subprocess.Popen([self._binary, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        with Redis.from_url(self.url) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(RedisError):
                    client.ping()
                    return
                time.sleep(0.02)
        raise RuntimeError("no Redis")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path_factory, settings):
    server = Server(tmp_path_factory.mktemp("r"))
    server.start()
    settings.REDIS = RedisServer(private(str(server.socket)))
    hosts = [settings.REDIS.async_pool]
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": hosts, "prefix": "spot"},
        }
    }
    snapshots.connection.cache_clear()
    yield server
    snapshots.connection().close()
    snapshots.connection.cache_clear()
    server.kill()


def test_redis_killed_and_started_again_costs_no_socket_and_begins_a_new_epoch(own_redis) -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("market", "envelope=1") as socket, Socket("market") as plain:
            first = await socket.next("snapshot")
            await plain.frame()
            await asyncio.to_thread(own_redis.kill)
            await asyncio.sleep(0.3)
            await plain.send({"page_size": 1})
            assert len((await plain.frame())["rows"]) == 1
            await socket.send({"action": "ping"})
            assert (await socket.next("pong"))["ts"]
            async with Socket("market") as late:
                assert len((await late.frame())["rows"]) == 2
            await asyncio.to_thread(own_redis.start)
            snapshots.connection().connection_pool.disconnect()
            await put_market(2, shift=1.0)
            second = await socket.next("snapshot")
            while second["version"] == first["version"] and second["epoch"] == first["epoch"]:
                second = await socket.next("snapshot")
            assert second["epoch"] != first["epoch"]
            assert second["seq"] > first["seq"]
            assert len((await plain.frame())["rows"]) == 1

    run(story())


def test_a_hub_that_starts_before_redis_serves_when_it_comes(own_redis) -> None:
    async def story() -> None:
        await asyncio.to_thread(own_redis.kill)
        async with Socket("market") as socket, Socket("market", "status=1") as told:
            assert (await told.frame())["state"] in ("waiting", "unavailable")
            await asyncio.sleep(0.3)
            await asyncio.to_thread(own_redis.start)
            snapshots.connection().connection_pool.disconnect()
            await put_market(2)
            assert len((await socket.frame())["rows"]) == 2

    run(story())


@pytest.mark.usefixtures("redis")
def test_a_hub_closes_at_once_even_while_it_is_starting() -> None:
    async def story() -> None:
        Hub.current()
        await asyncio.sleep(0)

    started = time.monotonic()
    for _ in range(5):
        run(story())
    assert time.monotonic() - started < 60
    assert not Hub._of_loop


@pytest.mark.usefixtures("redis")
def test_candles_are_a_topic_of_their_own_per_range() -> None:
    async def story() -> None:
        await put_lists()
        for days in (7, 30):
            await put(Dataset("candles", "usd", "bitcoin", days), candles(days, step=86_400_000))
        five = await joined("historical-ohlcv", "coin_id=bitcoin&days=5")
        seven = await joined("historical-ohlcv", "coin_id=bitcoin&days=7")
        month = await joined("historical-ohlcv", "coin_id=bitcoin")
        assert [len(one.updates[0].answer.keys()) for one in (five, seven, month)] == [5, 7, 30]
        assert {name for name in Hub.current().topics if name.startswith("candles")} == {
            "candles:bitcoin:usd:7",
            "candles:bitcoin:usd:30",
        }

    run(story())


@pytest.mark.usefixtures("redis")
def test_an_old_snapshot_is_gone_without_the_garbage_collector() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, market(20))
        feeds = [("market", "page_size=5&envelope=1&delta=1"), ("top-gainers", ""), ("coin-heatmap", "sort_by=price")]
        watchers = [await joined(*feed) for feed in feeds]
        topic = Hub.current().topics[USD.name]
        old = weakref.ref(topic.table)
        for shift in (1.0, 2.0):
            version = topic.version
            await put(USD, market(20, shift))
            await eventually(lambda version=version: topic.version > version)
            await eventually(lambda: all(len(watcher.updates) > 1 for watcher in watchers))
            for watcher in watchers:
                assert watcher.updates[-1].message_after(0)
                del watcher.updates[:-1]
        await eventually(lambda: old() is None)

    gc.disable()
    try:
        run(story())
    finally:
        gc.enable()
