"""`/status.json`: which source serves what, how old it is, what has changed; and nothing that is not public."""

import asyncio
import json
from dataclasses import asdict

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Away

from providers.datasets import Dataset
from providers.streams import stream_state
from providers.streams.stream_state import StreamState
from spot import snapshots
from spot.snapshots import Trouble
from spot.web import status
from tests.spot.asking import ask
from tests.spot.rows import USD, candles, fetched, market

BITCOIN, ETHER = (Dataset("candles", "usd", coin, 30) for coin in ("bitcoin", "ethereum"))
pytestmark = pytest.mark.usefixtures("redis")


def told(**conditions):
    """The only row that meets the conditions."""
    rows = [row for row in status.read()["data"] if conditions.items() <= row.items()]
    assert len(rows) == 1, rows
    return rows[0]


def test_a_row_says_from_whom_as_of_when_and_how_long_that_will_do() -> None:
    snapshots.want([USD])
    made = fetched(USD, market(3), age_ms=5000)
    snapshots.save(made, 60)
    row = told(kind="markets")
    assert (row["source"], row["label"], row["as_of"], row["state"]) == ("acme", "Acme", made.as_of, "live")
    assert (row["interval_ms"], row["max_age_ms"], row["currency"], row["count"]) == (60_000, 120_000, "usd", 1)


def test_what_is_old_is_stale_while_somebody_looks_and_idle_when_nobody_does() -> None:
    snapshots.save(fetched(USD, market(3), age_ms=10**7), 60)
    assert told(kind="markets")["state"] == "idle"
    snapshots.want([USD])
    assert told(kind="markets")["state"] == "stale"


def test_what_cannot_be_had_says_why() -> None:
    snapshots.want([USD])
    assert told(kind="markets")["state"] == "waiting"
    snapshots.set_trouble(USD, Trouble("unavailable", "key 1", snapshots.now_ms(), 123, public="Nobody answers."))
    row = told(kind="markets")
    assert (row["state"], row["reason"], row["next_try"]) == ("unavailable", "Nobody answers.", 123)
    snapshots.set_trouble(USD, Trouble("unavailable", "No source.", snapshots.now_ms(), None, permanent=True))
    assert told(kind="markets")["state"] == "missing"


def test_charts_are_told_together_as_the_worst_of_them_and_no_coin_is_named() -> None:
    snapshots.want([BITCOIN, ETHER])
    snapshots.save(fetched(BITCOIN, candles(3), age_ms=10**7), 60)
    snapshots.save(fetched(ETHER, candles(3)), 60)
    row = told(kind="candles")
    assert (row["count"], row["state"]) == (2, "stale")
    assert "bitcoin" not in json.dumps(status.read())


def test_a_change_of_source_is_remembered_once_for_all_of_its_kind() -> None:
    for dataset in (BITCOIN, ETHER):
        snapshots.save(fetched(dataset, candles(3), source="acme"), 60)
    assert status.read()["changes"] == []
    for dataset in (BITCOIN, ETHER, BITCOIN):
        snapshots.save(fetched(dataset, candles(3), source="other"), 60)
    (change,) = status.read()["changes"]
    assert (change["kind"], change["currency"], change["before"], change["after"]) == (
        "candles",
        "usd",
        "Acme",
        "Other",
    )


def test_the_last_twenty_changes_are_kept_newest_first() -> None:
    for number in range(25):
        snapshots.save(fetched(USD, market(3), source=f"source{number}"), 60)
    kept = [change["after"] for change in snapshots.changes()]
    assert kept == [f"Source{number}" for number in range(24, 4, -1)]


def test_a_stream_is_told_without_what_only_the_operator_may_know(redis: Redis) -> None:
    state = StreamState("live", 2000, message="secret", since=1000, heard=1500, account="account", code="code")
    redis.set("spot:stream:state:coinmarketcap", json.dumps(asdict(state)))
    assert stream_state.read(redis, "coinmarketcap") == state
    (stream,) = status.read()["streams"]
    assert (stream["label"], stream["state"], stream["since"], stream["heard"]) == ("CoinMarketCap", "live", 1000, 1500)
    assert "ticks" in stream["brings"]
    assert stream.keys() == {"source", "label", "url", "brings", "state", "since", "heard"}


def test_the_demo_says_that_it_is_one(settings) -> None:
    settings.SPOT_DEMO = "on"
    snapshots.want([USD])
    snapshots.save(fetched(USD, market(3), simulated=True), 60)
    facts = status.read()
    assert facts["simulated"] is True
    assert [row["source"] for row in facts["data"]] == ["sham"]


def test_however_many_ask_the_store_is_read_once_a_while(monkeypatch) -> None:
    reads, read = [], status.read
    monkeypatch.setattr(status, "read", lambda: reads.append(1) or read())

    async def story() -> None:
        answers = await asyncio.gather(*(ask("/status.json") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert all(json.loads(answer.content)["now"] > 0 for answer in answers)

    asyncio.run(story())
    assert reads == [1]


def test_a_store_that_is_away_is_said_in_a_sentence(monkeypatch) -> None:
    def away() -> None:
        raise Away("no")

    monkeypatch.setattr(status, "read", away)

    async def story() -> None:
        answer = await ask("/status.json")
        assert answer.status_code == 503
        assert json.loads(answer.content)["message"] == "The store of this site does not answer at the moment."
        assert (await ask("/status.json", "post")).status_code == 405

    asyncio.run(story())
