"""Room in the store: what nobody looks at gives way, by weight and last use."""

import pytest

from providers.datasets import Dataset
from spot import snapshots
from spot.snapshots import Trouble, room
from tests.spot.rows import COINS, CURRENCIES, USD, candles, fetched, market

EUR, GBP = Dataset("markets", "eur"), Dataset("markets", "gbp")
CHARTS = [Dataset("candles", "usd", coin, 365) for coin in ("bitcoin", "ethereum", "tether", "solana")]
pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def real_market(settings) -> None:
    settings.SPOT_DEMO = "off"


def stored(redis) -> set[str]:
    return {key.decode().removeprefix("spot:live:table:") for key in redis.scan_iter("spot:live:table:*")}


def store(*datasets: Dataset) -> None:
    for dataset in datasets:
        rows = (
            market(5) if dataset.kind == "markets" else candles(300) if dataset.kind == "candles" else [{"id": "usd"}]
        )
        snapshots.save(fetched(dataset, rows), 60)


def unused(redis, monkeypatch, seconds: dict[str, int]) -> None:
    """Make the store say how long each snapshot has been unused: 0 where nothing is given."""
    client = snapshots.connection()
    pipeline = client.pipeline

    def pipe(**options):
        made = pipeline(**options)
        made.object = lambda _word, key: made.eval(
            "return tonumber(ARGV[1])", 0, seconds.get(key.removeprefix("spot:live:table:"), 0)
        )
        return made

    monkeypatch.setattr(client, "pipeline", pipe)


def test_least_recently_used_snapshots_give_way_past_the_weight(redis, monkeypatch) -> None:
    store(*CHARTS)
    weight = redis.memory_usage(f"spot:live:table:{CHARTS[0].name}", samples=0)
    monkeypatch.setattr(room, "MOST_BYTES", int(weight * 2.5))
    unused(redis, monkeypatch, {dataset.name: 10 * n for n, dataset in enumerate(CHARTS)})
    assert set(room.make([])) == {CHARTS[2].name, CHARTS[3].name}
    assert stored(redis) == {CHARTS[0].name, CHARTS[1].name}


def test_what_is_wanted_pinned_or_a_list_stays_whatever_it_weighs(redis, monkeypatch, settings) -> None:
    settings.SPOT_PINNED_CURRENCIES = ["usd"]
    store(USD, EUR, GBP, CHARTS[0], CURRENCIES, COINS)
    monkeypatch.setattr(room, "MOST_BYTES", 1)
    assert set(room.make([EUR, CHARTS[0]])) == {GBP.name}
    assert stored(redis) == {dataset.name for dataset in (USD, EUR, CHARTS[0], CURRENCIES, COINS)}


def test_charts_are_kept_for_a_short_while_after_the_last_visitor(redis, monkeypatch) -> None:
    store(USD, *CHARTS[:3])
    unused(redis, monkeypatch, {USD.name: 5000, CHARTS[1].name: 901, CHARTS[2].name: 901})
    assert room.make([CHARTS[2]]) == [CHARTS[1].name]


def test_weighing_is_no_use(redis) -> None:
    store(CHARTS[0])
    key = f"spot:live:table:{CHARTS[0].name}"
    seen = redis.object("idletime", key)
    for _ in range(3):
        redis.delete("spot:room")
        room.make([])
    assert redis.object("idletime", key) >= seen


# --- demand and trouble without end -----------------------------------------------------------------------------------


def test_a_flood_of_one_kind_pushes_no_other_out_of_sight(redis) -> None:
    snapshots.want([USD, CHARTS[0]])
    topics = [Dataset("onchain", topic=f"kline.14.0x{n:08x}.1m") for n in range(3000)]
    for start in range(0, len(topics), 500):
        snapshots.want(topics[start : start + 500])
    wanted = snapshots.wanted()
    assert {USD, CHARTS[0]} <= set(wanted)
    assert len(wanted) == 1002
    assert redis.zcard("spot:wanted:onchain") == 1000


def test_trouble_does_not_outlive_its_next_try_by_long(redis) -> None:
    now = snapshots.now_ms()
    for dataset, rest in ((USD, None), (EUR, 30_000), (GBP, 86_400_000)):
        snapshots.set_trouble(dataset, Trouble("unavailable", "x", now, None if rest is None else now + rest))
    lives = [redis.ttl(f"spot:live:trouble:{dataset.name}") for dataset in (USD, EUR, GBP)]
    assert lives[0] <= 240
    assert 240 < lives[1] <= 270
    assert lives[2] == 3600


@pytest.mark.django_db
def test_no_more_topics_are_explained_than_can_be_watched(redis, settings) -> None:
    from spot.ingest import tasks

    settings.SPOT_ONCHAIN_TOPICS = 5
    topics = [Dataset("onchain", topic=f"kline.14.0x{n:08x}.1m") for n in range(300)]
    tasks.start_due(topics)
    assert len(list(redis.scan_iter("spot:live:trouble:*"))) == 5
    redis.expire(f"spot:live:trouble:{topics[0].name}", 5)
    redis.delete("spot:streamed")
    tasks.start_due(topics)
    assert redis.ttl(f"spot:live:trouble:{topics[0].name}") > 5
