"""On-chain events on their way from the stream to their snapshots."""

import pytest

import providers
from providers.datasets import Dataset
from spot import snapshots
from spot.ingest import onchain
from tests.spot.rows import ONCHAIN_TOPIC, events

ACME = providers.get("coinmarketcap")
TOPIC = ONCHAIN_TOPIC.topic
pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def no_demo(settings) -> None:
    settings.SPOT_DEMO = "off"


def kept() -> list[str]:
    return [row["id"] for row in snapshots.load(ONCHAIN_TOPIC).rows]


def test_events_stand_newest_first_each_once_and_the_oldest_drop_out(monkeypatch) -> None:
    monkeypatch.setattr(onchain, "KEPT", 4)
    oldest_first = events(6)[::-1]
    assert onchain.happened(TOPIC, oldest_first[:3], ACME) == 3
    assert kept() == ["e3", "e4", "e5"]
    assert onchain.happened(TOPIC, [*oldest_first[2:], oldest_first[5]], ACME) == 3
    assert kept() == ["e0", "e1", "e2", "e3"]


def test_repetitions_make_no_new_version() -> None:
    onchain.happened(TOPIC, events(2), ACME)
    version = snapshots.load(ONCHAIN_TOPIC).version
    assert onchain.happened(TOPIC, events(2), ACME) == 0
    assert snapshots.load(ONCHAIN_TOPIC).version == version


def test_a_topic_that_is_followed_and_silent_shows_an_empty_list() -> None:
    onchain.alive(ACME, [TOPIC])
    first = snapshots.load(ONCHAIN_TOPIC)
    assert (first.rows, first.source) == ([], "coinmarketcap")
    onchain.alive(ACME, [TOPIC])
    assert snapshots.load(ONCHAIN_TOPIC).version == first.version


def test_a_sign_of_life_keeps_the_events_and_renews_their_time(monkeypatch) -> None:
    onchain.happened(TOPIC, events(2), ACME)
    first, now = snapshots.load(ONCHAIN_TOPIC), snapshots.now_ms()
    monkeypatch.setattr(onchain, "now_ms", lambda: now + 31_000)
    onchain.alive(ACME, [TOPIC])
    renewed = snapshots.load(ONCHAIN_TOPIC)
    assert renewed.rows == first.rows
    assert renewed.as_of == now + 31_000


def test_no_more_topics_are_followed_than_the_limit_allows(settings) -> None:
    settings.SPOT_ONCHAIN_TOPICS = 2
    wanted = [Dataset("onchain", topic=f"transaction.14.0xabcdef0{n}") for n in range(5)]
    snapshots.want([*wanted, Dataset("markets", "usd")])
    assert len(onchain.topics()) == 2
    assert set(onchain.topics()) <= {dataset.topic for dataset in wanted}
    settings.SPOT_ONCHAIN_TOPICS = 0
    assert set(onchain.topics()) == {dataset.topic for dataset in wanted}
