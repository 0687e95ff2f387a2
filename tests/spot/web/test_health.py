"""What /readyz makes of each thing that can be missing, with a real Redis and database."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from django.db import connection
from redis import Redis

from providers.datasets import Dataset, Fetched
from spot import snapshots
from spot.hub.hub import Hub
from spot.server import listening
from spot.web import health
from tests.live import NOWHERE
from tests.spot import asking

pytestmark = pytest.mark.django_db(transaction=True)


def ready() -> tuple[int, dict[str, str]]:
    """Status and checks, once the hub has got going."""

    async def ask() -> tuple[int, dict[str, str]]:
        hub = Hub.current()
        async with asyncio.timeout(20):
            await hub.nudges.until_begun()
        response = await asking.ask("/readyz")
        await hub.aclose()
        return response.status_code, json.loads(response.content)["checks"]

    return asyncio.run(ask())


def store_a_snapshot() -> None:
    now = snapshots.now_ms()
    rows = [{"id": "bitcoin", "symbol": "BTC", "name": "Bitcoin"}]
    source = {"source": "sandbox", "label": "Sandbox", "simulated": True}
    snapshots.save(Fetched(health.FIRST, rows, 2, as_of=now, fetched_at=now, **source), 60)


@pytest.fixture
def store(redis: Redis, settings) -> Iterator[Redis]:
    settings.SPOT_DEMO = "on"
    yield redis
    listening.draining.clear()


@pytest.fixture
def working(store: Redis) -> Redis:
    """A store as it is while everything works."""
    snapshots.mark_worker()
    store_a_snapshot()
    return store


def test_when_nothing_is_missing_it_is_ready(working: Redis) -> None:
    status, checks = ready()
    assert (status, set(checks.values())) == (200, {"ok"})


def test_an_empty_store_is_not_ready_and_data_are_asked_for(store: Redis) -> None:
    snapshots.mark_worker()
    status, checks = ready()
    assert (status, checks["data"]) == (503, "no snapshot yet")
    assert Dataset("markets", "usd") in snapshots.wanted()


def test_a_worker_that_never_ran_is_named(working: Redis) -> None:
    working.delete("spot:worker")
    status, checks = ready()
    assert (status, checks["worker"]) == (503, "no worker has run yet")


def test_a_worker_that_fell_silent_is_named_with_the_time(working: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "worker_seen_ms", lambda: snapshots.now_ms() - 45_500)
    status, checks = ready()
    assert (status, checks["worker"]) == (503, "silent for 45 s")


def test_a_process_that_is_ending_wants_nothing_new(working: Redis) -> None:
    listening.draining.set()
    status, checks = ready()
    assert (status, checks["process"]) == (503, "the process is ending")


def test_a_database_without_tables_is_not_ready(working: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    monkeypatch.setattr(health, "_read_database", missing)
    status, checks = ready()
    assert (status, checks["database"]) == (503, "failed: OperationalError")


def test_a_redis_that_is_almost_full_is_told(working: Redis) -> None:
    used = working.info("memory")["used_memory"]
    try:
        working.config_set("maxmemory", int(used * 1.02))
        status, checks = ready()
    finally:
        working.config_set("maxmemory", 0)
    assert status == 503
    assert "memory" in checks["redis"] or checks["redis"].startswith("failed: OutOfMemory")


def test_without_redis_the_other_checks_still_answer(working: Redis, settings, monkeypatch) -> None:
    settings.REDIS = NOWHERE
    monkeypatch.setattr(snapshots.connection(), "get", _refused)
    status, checks = ready()
    assert status == 503
    assert checks["redis"] == "failed: ConnectionError"
    assert checks["process"] == checks["database"] == "ok"


def _refused(*_args: object) -> None:
    raise ConnectionRefusedError
