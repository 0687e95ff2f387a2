"""What is asked of workers: whoever looks wants, over a socket or by HTTP; bounds are shared among clients."""

import asyncio
import gc
import json
import weakref

import pytest

from providers.datasets import Dataset
from spot import snapshots
from spot.codes import Refused
from spot.hub import demand
from spot.hub.hub import Hub
from spot.web.waiting import PAGES
from tests.spot.hub.test_hub import wish
from tests.spot.rows import COINS, CURRENCIES, USD, candles, coin, market
from tests.spot.sockets import Socket, eventually, put, put_lists, put_market, run
from tests.spot.watcher import Watcher
from tests.spot.web.test_twins import get

EUR, QUOTES = Dataset("markets", "eur"), Dataset("quotes", "usd")
CHART = Dataset("candles", "usd", "bitcoin", 30)
pytestmark = pytest.mark.usefixtures("redis")


async def wanted() -> set[Dataset]:
    await Hub.current()._demand()
    return set(await asyncio.to_thread(snapshots.wanted))


# --- who looks, wants -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feed", "query", "dataset"),
    [
        ("market", "", USD),
        ("market", "vs_currency=eur", EUR),
        ("coin-heatmap", "", USD),
        ("ticker-tape", "coin_ids=bitcoin", USD),
        ("ticker-tape", "coin_ids=bitcoin,rare", QUOTES),
        ("top-gainers", "", USD),
        ("historical-ohlcv", "coin_id=bitcoin", CHART),
    ],
)
def test_a_request_renews_demand_though_it_is_gone_at_once(feed, query, dataset) -> None:
    async def story() -> None:
        await put_lists(coins=("bitcoin", "rare"))
        await put(USD, [coin("bitcoin")])
        await put(EUR, [coin("bitcoin")])
        await put(CHART, candles(3))
        await put(QUOTES, [coin("rare")], meta={"asked": ["rare"]})
        assert (await get(feed, query)).status_code == 200
        assert not Hub.current().groups
        assert {dataset, CURRENCIES, COINS} <= await wanted()
        if dataset == QUOTES:
            assert await asyncio.to_thread(snapshots.wanted_coins, "usd", 10) == ["rare"]

    run(story())


def test_a_coin_that_has_never_been_fetched_is_asked_for_at_once_and_once(monkeypatch) -> None:
    kicks: list[list[str]] = []
    monkeypatch.setattr(demand.current_app, "send_task", lambda _task, args, **_: kicks.append(args[0]))

    async def story() -> None:
        await put_lists(coins=("bitcoin", "rare", "rarer"))
        await put(USD, [coin("bitcoin")])
        await put(QUOTES, [coin("rare")], meta={"asked": ["rare"]})
        async with Socket("ticker-tape", "coin_ids=bitcoin,rare") as known:
            await known.frame()
            await wanted()
            assert [QUOTES.name] not in kicks
            async with Socket("ticker-tape", "coin_ids=bitcoin,rarer") as new:
                await new.frame()
                await eventually(lambda: [QUOTES.name] in kicks)
                await wanted()
        assert kicks.count([QUOTES.name]) == 1

    run(story())


def test_demand_is_told_again_to_a_store_that_lost_it(redis) -> None:
    async def story() -> None:
        await put_market(2)
        await get("market")
        redis.delete("spot:wanted:markets")
        assert USD in await wanted()

    run(story())


def test_demand_is_as_old_as_the_last_look_and_ends(monkeypatch) -> None:
    async def story() -> None:
        await put_market(2)
        await get("market")
        looked_at = snapshots.now_ms()
        later = looked_at + demand.LINGER_MS - 5_000
        monkeypatch.setattr(demand, "now_ms", lambda: later)
        await wanted()
        at = snapshots.connection().zscore("spot:wanted:markets", USD.name)
        assert looked_at - 5_000 < at <= looked_at  # not later: nobody has looked since
        monkeypatch.setattr(demand, "now_ms", lambda: looked_at + demand.LINGER_MS + 5_000)
        snapshots.connection().delete("spot:wanted:markets")
        assert USD not in await wanted()
        assert USD.name not in Hub.current().topics

    run(story())


def test_tables_that_nobody_looks_at_any_more_are_freed_without_the_garbage_collector(monkeypatch) -> None:
    monkeypatch.setattr(demand, "LINGER_MS", -1)

    async def story() -> None:
        await put_lists(coins=("bitcoin", "rare"))
        await put(USD, [coin("bitcoin")])
        await put(EUR, [coin("bitcoin")])
        await put(QUOTES, [coin("rare")], meta={"asked": ["rare"]})
        await get("market", "vs_currency=eur&search=b")
        await get("ticker-tape", "coin_ids=bitcoin,rare&sort_by=price")
        hub = Hub.current()
        looked_at = [topic.table for name, topic in hub.topics.items() if name not in (COINS.name, CURRENCIES.name)]
        tables = weakref.WeakSet([*looked_at, *(table for _, table in hub._merged.values())])
        del looked_at
        assert hub._merged
        assert len(tables) >= 3
        PAGES.clear()
        gc.collect()
        gc.disable()
        try:
            await hub._demand()
            assert not list(tables)
        finally:
            gc.enable()

    run(story())


def test_what_does_not_exist_is_not_wanted() -> None:
    async def story() -> None:
        await put_lists(currencies=("usd",))
        assert (await get("market", "vs_currency=xyz")).status_code == 404
        assert not any(dataset.currency == "xyz" for dataset in await wanted())

    run(story())


def test_the_lists_are_wanted_by_whoever_cannot_be_judged_without_them() -> None:
    async def story() -> None:
        Watcher().join(wish("market"))
        assert await wanted() == {CURRENCIES, COINS}

    run(story())


def test_viewers_are_counted_by_client_and_over_all_processes(redis) -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("market") as one, Socket("market") as two, Socket("coin-heatmap") as other:
            for socket in (one, two, other):
                await socket.frame()
            stranger = Watcher(client="192.0.2.9")
            stranger.join(wish("market"))
            await wanted()
            assert (await asyncio.to_thread(snapshots.viewers))[USD.name] == 2
            now = snapshots.now_ms()
            redis.hset("spot:viewers", "another", json.dumps({"at": now, "viewers": {USD.name: 5}}))
            redis.hset("spot:viewers", "ended", json.dumps({"at": now - 60_000, "viewers": {USD.name: 9}}))
            assert (await asyncio.to_thread(snapshots.viewers))[USD.name] == 7

    run(story())


# --- bounds and shares ------------------------------------------------------------------------------------------------


def chart(name: str, client: str) -> Watcher:
    watcher = Watcher(client=client)
    watcher.join(wish("historical-ohlcv", f"coin_id={name}"))
    return watcher


NAMES = tuple(f"coin{n}" for n in range(12))


async def ready_for_charts() -> None:
    await put_lists(coins=NAMES)
    await put(USD, market(2))
    topics = Hub.current().topics
    await eventually(lambda: topics[COINS.name].table is not None and topics[CURRENCIES.name].table is not None)


def test_one_client_cannot_hold_all_charts_while_others_have_none(settings) -> None:
    settings.SPOT_CHARTS = 4

    async def story() -> None:
        await ready_for_charts()
        greedy = [chart(name, "192.0.2.1") for name in NAMES[:4]]
        with pytest.raises(Refused) as caught:
            chart(NAMES[4], "192.0.2.1")
        assert caught.value.code == "too_many_datasets"
        first, second = chart(NAMES[5], "192.0.2.2"), chart(NAMES[6], "192.0.2.2")
        assert [watcher.refusals for watcher in greedy].count(["too_many_datasets"]) == 2
        assert not first.refusals
        assert not second.refusals
        with pytest.raises(Refused):  # two each: a third would hold more than the first
            chart(NAMES[7], "192.0.2.2")
        assert not chart(NAMES[8], "192.0.2.3").refusals

    run(story())


def test_what_several_watch_does_not_give_way(settings) -> None:
    settings.SPOT_CHARTS = 2

    async def story() -> None:
        await ready_for_charts()
        shared = [chart(NAMES[0], "192.0.2.1"), chart(NAMES[0], "192.0.2.2"), chart(NAMES[1], "192.0.2.1"),
                  chart(NAMES[1], "192.0.2.2")]  # fmt: skip
        with pytest.raises(Refused):
            chart(NAMES[2], "192.0.2.3")
        assert not any(watcher.refusals for watcher in shared)

    run(story())


def test_requests_count_for_a_while_after_their_answer(settings) -> None:
    settings.SPOT_CHARTS = 2

    async def story() -> None:
        await ready_for_charts()
        for name in NAMES[:2]:
            Hub.current().leave(chart(name, "192.0.2.1"))
        with pytest.raises(Refused):
            chart(NAMES[2], "192.0.2.1")
        assert not chart(NAMES[3], "192.0.2.2").refusals  # the other's look of a moment ago gives way

    run(story())


def test_pinned_data_are_always_admitted_and_never_give_way(settings) -> None:
    settings.SPOT_CURRENCIES, settings.SPOT_CHARTS = 1, 1
    settings.SPOT_PINNED_CURRENCIES, settings.SPOT_PINNED_COINS = ["usd"], ["bitcoin"]

    async def story() -> None:
        await put_lists(currencies=("usd", "eur", "gbp"), coins=("bitcoin", *NAMES))
        await put(USD, market(2))
        hub = Hub.current()
        await eventually(lambda: hub.topics[COINS.name].table is not None)
        Watcher(client="192.0.2.1").join(wish("market", "vs_currency=eur"))
        pinned = Watcher(client="192.0.2.2")
        pinned.join(wish("market"))
        with pytest.raises(Refused):
            Watcher(client="192.0.2.1").join(wish("market", "vs_currency=gbp"))
        chart(NAMES[0], "192.0.2.1")
        chart("bitcoin", "192.0.2.1")
        assert not pinned.refusals

    run(story())


def test_coins_outside_the_market_are_shared_as_well(settings) -> None:
    settings.SPOT_EXTRA_COINS = 4

    async def story() -> None:
        await ready_for_charts()
        hub = Hub.current()
        Watcher().join(wish("market"))
        await eventually(lambda: hub.topics[USD.name].table is not None)
        greedy = Watcher(client="192.0.2.1")
        greedy.join(wish("ticker-tape", f"coin_ids={','.join(NAMES[:4])}"))
        modest = Watcher(client="192.0.2.2")
        modest.join(wish("ticker-tape", f"coin_ids={NAMES[5]}"))
        assert (greedy.refusals, modest.refusals) == (["too_many_datasets"], [])

    run(story())
