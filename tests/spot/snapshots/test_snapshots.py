"""The store: versions, realms, demand, claims, trouble; one nudge a snapshot, and none that is needed."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from channels.layers import get_channel_layer
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.lock import Lock

from providers.datasets import Dataset
from providers.facts import Facts
from spot import signs, snapshots
from spot.snapshots import Trouble, claims, commands, holders, nudges
from spot.snapshots.commands import realm_of
from spot.snapshots.reader import Reader
from tests.spot.rows import USD, candles, fetched, market

EUR = Dataset("markets", "eur")
BITCOIN = Dataset("candles", "usd", "bitcoin", 30)
pytestmark = pytest.mark.usefixtures("redis")


def reading(story):
    """Run a story with a reader of the store."""

    async def told():
        reader = Reader()
        try:
            return await story(reader)
        finally:
            await reader.aclose()

    return asyncio.run(told())


def test_what_is_saved_is_loaded_on_both_sides() -> None:
    made = fetched(BITCOIN, candles(3), age_ms=700, settle_ms=9000, meta={"volume_basis": "rolling_24h"})
    version = snapshots.save(made, 900)
    sync = snapshots.load(BITCOIN)
    both = reading(lambda reader: _news_and_load(reader, BITCOIN))
    assert both == sync
    assert (sync.version, sync.rows, sync.as_of, sync.source, sync.label) == (
        version,
        candles(3),
        made.as_of,
        "acme",
        "Acme",
    )
    assert (sync.interval_ms, sync.max_age_ms, sync.meta) == (900_000, 1_809_000, {"volume_basis": "rolling_24h"})
    assert not sync.simulated


async def _news_and_load(reader, dataset):
    await reader.news([dataset.name])
    return (await reader.latest(dataset, charts=True))[1]


def test_rows_come_back_as_they_were() -> None:
    rows = market(5)
    rows[0] |= {"name": "比特币 🚀", "price": 1e-12, "market_cap": 10**15, "sparkline": None}
    snapshots.save(fetched(USD, rows), 60)
    loaded = snapshots.load(USD).rows
    for row in loaded:
        row["sparkline"] = None if row["sparkline"] is None else orjson.loads(str(row["sparkline"]))
    assert loaded == rows


def test_versions_only_grow_and_an_epoch_lasts() -> None:
    versions = [snapshots.save(fetched(dataset, market(1)), 60) for dataset in (USD, EUR, USD)]
    assert versions == sorted(set(versions))
    assert snapshots.load(USD).epoch == snapshots.load(EUR).epoch


def test_an_emptied_store_begins_a_new_epoch(redis) -> None:
    snapshots.save(fetched(USD, market(1)), 60)
    before = snapshots.load(USD).epoch
    redis.flushall()
    assert snapshots.load(USD) is None
    snapshots.save(fetched(USD, market(1)), 60)
    assert snapshots.load(USD).epoch != before


def test_everything_that_is_stored_ends_by_itself_or_is_bounded(redis) -> None:
    snapshots.save(fetched(USD, market(1)), 60)
    snapshots.set_trouble(EUR, Trouble("unavailable", "x", 1, 2))
    claims.claim(USD, 5)
    snapshots.first_in("tick", 5)
    snapshots.mark_worker()
    lasting = {key.decode() for key in redis.scan_iter("*") if redis.ttl(key) == -1}
    assert lasting == {"spot:seen-live", "spot:live:epoch", "spot:live:version"}


# --- realms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "seen", "realm"),
    [
        ("on", True, "demo"),
        ("on", False, "demo"),
        ("off", False, "live"),
        ("off", True, "live"),
        ("auto", False, "demo"),
        ("auto", True, "live"),
    ],
)
def test_the_mode_and_what_was_seen_choose_the_realm(mode, seen, realm) -> None:
    assert realm_of(mode, seen) == realm


def test_simulated_and_real_values_never_meet(settings) -> None:
    settings.SPOT_DEMO = "auto"
    snapshots.save(fetched(USD, market(1), simulated=True), 5)
    assert snapshots.load(USD).simulated
    snapshots.save(fetched(EUR, market(1)), 60)
    assert snapshots.load(USD) is None
    assert not snapshots.load(EUR).simulated
    settings.SPOT_DEMO = "on"
    assert snapshots.load(EUR) is None


def test_the_first_real_snapshot_ends_the_demo(redis) -> None:
    snapshots.save(fetched(USD, market(1), simulated=True), 5)
    snapshots.set_trouble(EUR, Trouble("unavailable", "x", 1, 2))
    snapshots.save(fetched(EUR, market(1)), 60)
    assert not list(redis.scan_iter("spot:demo:*"))


def test_a_late_simulated_answer_does_not_come_back_after_real_data() -> None:
    snapshots.save(fetched(USD, market(1)), 60)
    snapshots.save(fetched(USD, market(3), simulated=True), 5)
    assert len(snapshots.load(USD).rows) == 1


def test_a_reader_follows_the_realm_in_one_question(settings) -> None:
    settings.SPOT_DEMO = "auto"

    async def story(reader):
        await asyncio.to_thread(snapshots.save, fetched(USD, market(1), simulated=True), 5)
        demo = (await reader.news([USD.name]))[USD.name]
        await asyncio.to_thread(snapshots.save, fetched(USD, market(2)), 60)
        live = (await reader.news([USD.name]))[USD.name]
        assert demo.epoch != live.epoch
        assert len((await reader.latest(USD, charts=False))[1].rows) == 2

    reading(story)


# --- amendments -------------------------------------------------------------------------------------------------------


def priced(price: float):
    """A change that gives every coin that price, and notes it in the meta."""
    return lambda snapshot: ([{**row, "price": price} for row in snapshot.rows], {**snapshot.meta, "priced": price})


def test_an_amendment_is_a_newer_version_with_the_times_of_the_poll() -> None:
    made = fetched(USD, market(3), age_ms=5000, settle_ms=9000, meta={"kept": 1})
    version = snapshots.save(made, 60)
    before = snapshots.load(USD)
    amended = snapshots.amend(USD, priced(7.5))
    assert amended == snapshots.load(USD, charts=False)
    assert list(snapshots.load(USD).rows.column("sparkline")) == list(before.rows.column("sparkline"))
    assert amended.version > version
    assert [row["price"] for row in amended.rows] == [7.5] * 3
    assert amended.meta == {"kept": 1, "priced": 7.5}
    for fact in ("epoch", "as_of", "fetched_at", "source", "label", "interval_ms", "max_age_ms", "simulated"):
        assert getattr(amended, fact) == getattr(before, fact)
    assert snapshots.ages([USD])[USD.name] == (made.fetched_at, None)


def test_an_amendment_leaves_the_trouble_and_the_term_of_the_poll(redis) -> None:
    snapshots.save(fetched(USD, market(3)), 60)
    redis.expire("spot:live:table:markets:usd", 100)
    trouble = Trouble("upstream_error", "It did not answer.", 5, 9)
    snapshots.set_trouble(USD, trouble)
    snapshots.amend(USD, priced(7.5))
    assert snapshots.trouble(USD) == trouble
    assert redis.ttl("spot:live:table:markets:usd") <= 100
    snapshots.save(fetched(USD, market(3)), 60)
    assert snapshots.trouble(USD) is None
    assert redis.ttl("spot:live:table:markets:usd") > 100


def test_a_poll_during_an_amendment_wins(redis) -> None:
    snapshots.save(fetched(USD, market(2)), 60)
    seen = []

    def change(snapshot):
        if not seen:
            snapshots.save(fetched(USD, market(4, shift=100.0)), 60)
        seen.append(len(snapshot.rows))
        return priced(9.0)(snapshot)

    amended = snapshots.amend(USD, change)
    assert seen == [2, 4]
    assert len(snapshots.load(USD).rows) == 4
    assert amended == snapshots.load(USD, charts=False)


def test_an_amendment_that_is_always_overtaken_gives_up() -> None:
    snapshots.save(fetched(USD, market(2)), 60)

    def change(snapshot):
        snapshots.save(fetched(USD, market(2, shift=50.0)), 60)
        return priced(9.0)(snapshot)

    snapshots.amend(USD, change)
    assert snapshots.load(USD).rows[0]["price"] == market(2, shift=50.0)[0]["price"]
    assert "priced" not in snapshots.load(USD).meta


def test_versions_grow_in_the_order_in_which_they_are_stored(monkeypatch) -> None:
    frozen = snapshots.now_ms()
    monkeypatch.setattr(snapshots, "now_ms", lambda: frozen)
    versions = [snapshots.save(fetched(USD, market(1)), 60)]
    for price in (1.0, 2.0, 3.0):
        versions.append(snapshots.amend(USD, priced(price)).version)
        versions.append(snapshots.save(fetched(USD, market(1)), 60))
    assert versions == sorted(set(versions))


def test_nothing_is_amended_where_nothing_is_or_nothing_changes() -> None:
    assert snapshots.amend(USD, priced(1.0)) is None
    version = snapshots.save(fetched(USD, market(1)), 60)
    assert snapshots.amend(USD, lambda _snapshot: None).version == version
    assert snapshots.load(USD).version == version


def test_what_is_known_is_read_again_only_when_it_is_old() -> None:
    snapshots.save(fetched(USD, market(1)), 60)
    known = snapshots.amend(USD, priced(1.0))
    given = []
    snapshots.amend(USD, given.append, known)
    assert given[0] is known
    snapshots.save(fetched(USD, market(2)), 60)
    snapshots.amend(USD, given.append, known)
    assert len(given[1].rows) == 2


def test_only_real_snapshots_are_amended() -> None:
    snapshots.save(fetched(USD, market(1), simulated=True), 5)
    assert snapshots.amend(USD, priced(1.0)) is None


def test_an_amendment_keeps_the_rows_that_charts_belong_to() -> None:
    snapshots.save(fetched(USD, market(2)), 60)
    with pytest.raises(ValueError, match="markets:usd"):
        snapshots.amend(USD, lambda snapshot: (list(snapshot.rows)[:1], snapshot.meta))
    assert len(snapshots.load(USD).rows) == 2


@pytest.mark.parametrize("field", ["cells", "charts", "meta"])
def test_a_snapshot_that_cannot_be_read_is_none_to_those_who_replace_it(redis, field) -> None:
    snapshots.save(fetched(USD, market(2)), 60)
    redis.hset("spot:live:table:markets:usd", field, b"not json")
    assert snapshots.load(USD) is None
    if field != "charts":
        assert snapshots.amend(USD, priced(1.0)) is None
    snapshots.save(fetched(USD, market(3)), 60)
    assert len(snapshots.load(USD).rows) == 3


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_trouble_is_told_until_a_fetch_succeeds() -> None:
    snapshots.save(fetched(USD, market(1)), 60)
    trouble = Trouble("unavailable", "No.", 1, 2, permanent=True)
    snapshots.set_trouble(USD, trouble)
    assert snapshots.trouble(USD) == trouble
    assert reading(lambda reader: reader.news([USD.name]))[USD.name].trouble == trouble
    assert snapshots.load(USD) is not None
    fetched_at, next_try = snapshots.ages([USD, EUR])[USD.name]
    assert (fetched_at, next_try) == (snapshots.load(USD).fetched_at, 2)
    snapshots.save(fetched(USD, market(1)), 60)
    assert snapshots.trouble(USD) is None
    assert snapshots.ages([USD, EUR])[EUR.name] == (None, None)


# --- demand and claims ------------------------------------------------------------------------------------------------


def test_what_is_wanted_is_remembered_for_a_while(monkeypatch) -> None:
    snapshots.want([USD], {"usd": ["rare"]})
    reading(
        lambda reader: reader.want(
            {EUR.name: snapshots.now_ms()}, {"usd": {"rarer": snapshots.now_ms()}, "eur": {}}, {EUR.name: 2}
        )
    )
    assert set(snapshots.wanted()) == {USD, EUR}
    assert set(snapshots.wanted_coins("usd", 10)) == {"rare", "rarer"}
    assert len(snapshots.wanted_coins("usd", 1)) == 1
    assert snapshots.wanted_coins("eur", 10) == []
    later = snapshots.now_ms() + commands.LINGER_MS + 1
    monkeypatch.setattr(signs, "now_ms", lambda: later)
    assert snapshots.wanted() == []
    assert snapshots.wanted_coins("usd", 10) == []


def test_one_claim_at_a_time_and_only_its_holder_ends_it() -> None:
    token = claims.claim(USD, 10)
    assert token is not None
    assert claims.claim(USD, 10) is None
    assert claims.claim(EUR, 10) is not None
    claims.release(USD, "another")
    assert claims.taking_over(USD, token, 10).run(snapshots.connection())
    claims.release(USD, token)
    assert not claims.taking_over(USD, token, 10).run(snapshots.connection())
    assert claims.claim(USD, 10) is not None


def test_a_claim_ends_by_itself(redis) -> None:
    token = claims.claim(USD, 0.05)
    deadline = time.monotonic() + 5
    while redis.exists(f"spot:claim:{USD.name}") and time.monotonic() < deadline:
        time.sleep(0.01)
    again = claims.claim(USD, 10)
    assert again is not None
    claims.release(USD, token)
    assert claims.taking_over(USD, again, 10).run(snapshots.connection())


@pytest.fixture
def worker(monkeypatch) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, for which this one speaks in the test."""
    with subprocess.Popen(["sleep", "60"]) as process:
        monkeypatch.setattr(os, "getpid", lambda: process.pid)
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel tells of no processes in /proc")
def test_the_claim_of_a_process_that_was_killed_is_nobodys(worker) -> None:
    queued = claims.claiming(USD, 60, 60).run(snapshots.connection())
    token = claims.taking_over(USD, queued, 60).run(snapshots.connection())
    assert token.startswith(queued)
    assert claims.claim(USD, 60) is None
    assert claims.claiming(USD, 60, 60).run(snapshots.connection()) is False
    worker.kill()
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # its parent has not asked how it ended
    assert claims.claiming(USD, 60, 60).run(snapshots.connection()) is True
    assert claims.claim(USD, 60) not in (None, token)
    claims.release(USD, token)
    assert claims.claiming(USD, 60, 60).run(snapshots.connection()) is False


def test_the_claim_of_a_process_elsewhere_lasts(worker, monkeypatch) -> None:
    monkeypatch.setattr(holders, "_here", lambda: "another machine")
    assert claims.claim(USD, 60)
    worker.kill()
    monkeypatch.undo()
    assert claims.claim(USD, 60) is None


def test_a_queued_task_has_its_claim_whichever_process_queued_it(worker) -> None:
    assert claims.claiming(USD, 60, 60).run(snapshots.connection())
    worker.kill()
    worker.wait()
    assert claims.claim(USD, 60) is None


def test_a_claim_that_passes_on_while_it_is_released_stays_with_the_new_holder(monkeypatch, redis) -> None:
    """The check and the deletion are one step: between two steps the claim can change hands."""
    token, read, passed_on = claims.claim(USD, 10), Redis.get, []

    def slowly(client, name):
        value = read(client, name)
        passed_on.append(redis.set(name, "another", px=10_000))
        return value

    monkeypatch.setattr(Redis, "get", slowly)
    claims.release(USD, token)
    monkeypatch.undo()
    assert redis.get("spot:claim:markets:usd") == (b"another" if passed_on else None)


def test_a_claim_that_cannot_be_released_ends_by_itself(monkeypatch, redis) -> None:
    token = claims.claim(USD, 0.05)
    monkeypatch.setattr(Lock, "do_release", lambda *_: (_ for _ in ()).throw(NoConnection))
    claims.release(USD, token)
    deadline = time.monotonic() + 5
    while redis.exists(f"spot:claim:{USD.name}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert claims.claim(USD, 10) is not None


def test_one_of_many_is_first() -> None:
    assert [snapshots.first_in("tick", 10) for _ in range(3)] == [True, False, False]
    assert snapshots.resting("tick")
    assert not snapshots.resting("probe")


def test_the_worker_leaves_a_mark() -> None:
    assert snapshots.worker_seen_ms() is None
    snapshots.mark_worker()
    assert abs(snapshots.now_ms() - snapshots.worker_seen_ms()) < 10_000


# --- lost nudges ------------------------------------------------------------------------------------------------------


class NoLayer:
    """A channel layer whose Redis is out of reach."""

    async def group_send(self, *_: object) -> None:
        raise NoConnection("out of reach")


def test_a_lost_nudge_changes_no_outcome(monkeypatch) -> None:
    monkeypatch.setattr(nudges, "get_channel_layer", NoLayer)
    version = snapshots.save(fetched(USD, market(1)), 60)
    assert snapshots.load(USD).version == version
    snapshots.set_trouble(USD, Trouble("unavailable", "x", 1, 2))
    assert snapshots.trouble(USD)
    snapshots.end_trouble(USD)
    assert snapshots.trouble(USD) is None
    asyncio.run(nudges.tell(USD.name))


def test_what_follows_a_stored_snapshot_cannot_undo_it(monkeypatch) -> None:
    snapshots.save(fetched(USD, market(1)), 60)

    def broken(*_: object) -> bool:
        raise NoConnection("out of reach")

    monkeypatch.setattr(snapshots, "first_in", broken)
    assert snapshots.save(fetched(USD, market(2), source="other"), 60)
    assert len(snapshots.load(USD).rows) == 2


# --- nudges -----------------------------------------------------------------------------------------------------------


def test_one_small_nudge_goes_out_for_a_snapshot_of_any_size() -> None:
    async def story() -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(nudges.GROUP, channel)
        await asyncio.to_thread(snapshots.save, fetched(USD, market(200)), 60)
        message = await asyncio.wait_for(layer.receive(channel), 5)
        assert message == {"type": "snapshot.news", "name": "markets:usd", "stored": "live"}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(layer.receive(channel), 0.2)
        await layer.flush()

    asyncio.run(story())


def test_a_claim_and_a_turn_of_a_clock_that_was_set_back_count_for_nothing(redis) -> None:
    assert claims.claim(USD, 30) is not None
    assert snapshots.first_in("tick", 0.8)
    assert claims.claim(USD, 30) is None
    redis.pexpire(f"spot:claim:{USD.name}", 3_630_000)  # as a clock set back by an hour leaves it
    redis.pexpire("spot:tick", 3_600_800)
    assert claims.claim(USD, 30) is not None
    assert snapshots.first_in("tick", 0.8)
    assert claims.claim(USD, 30) is None


def test_a_stale_claim_goes_to_one_of_two_that_find_it(monkeypatch, redis) -> None:
    """The second acquires it between the first one's look at its time to live and the release."""
    look, tokens = Redis.pttl, []
    assert claims.claim(USD, 30) is not None
    redis.pexpire(f"spot:claim:{USD.name}", 3_630_000)

    def overtaken(client, name):
        left = look(client, name)
        monkeypatch.undo()
        tokens.append(claims.claim(USD, 30))
        return left

    monkeypatch.setattr(Redis, "pttl", overtaken)
    tokens.append(claims.claim(USD, 30))
    assert tokens[0] is not None
    assert tokens[1] is None
    assert claims.taking_over(USD, tokens[0], 10).run(snapshots.connection())


def test_demand_of_a_clock_that_was_set_back_is_forgotten(redis) -> None:
    redis.zadd("spot:wanted:markets", {USD.name: snapshots.now_ms() + 3_600_000, EUR.name: snapshots.now_ms()})
    assert snapshots.wanted() == [EUR]


def test_facts_are_stored_under_the_keys_that_other_versions_read(redis) -> None:
    made = fetched(USD, market(2), settle_ms=9000, meta={"universe": 2})
    snapshots.save(made, 60)
    stored = orjson.loads(redis.hget(f"spot:live:table:{USD.name}", "meta"))
    assert stored == {
        "as_of": made.as_of,
        "fetched_at": made.fetched_at,
        "source": "acme",
        "label": "Acme",
        "simulated": False,
        "interval_ms": 60_000,
        "max_age_ms": 129_000,
        "meta": {"universe": 2},
    }
    assert snapshots.facts([USD])[USD.name] == (Facts(**stored), None)
