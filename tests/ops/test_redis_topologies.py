"""Redis behind Sentinels, and a Cluster, with real servers: all that the site does with its store, also after the
primary has died. Whole sites on them are in `tests/topologies`."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from redis.exceptions import RedisError

from providers import counters
from providers.admin.sign_in import Attempts
from providers.breaker import Breaker
from providers.budget import Budget, wall_ms
from providers.errors import OutOfBudget, Unavailable
from providers.metrics import counts
from providers.streams.stream_state import Lead
from spot import snapshots
from spot.alerts import memory
from spot.clients import tickets, usage
from spot.clients.leases import Leases
from spot.doctor import topology
from spot.doctor.site import Site as Examined
from spot.hub.hub import Hub
from spot.metrics import TASKS
from spot.processes.redis_server import trouble
from spot.snapshots import claims, room
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.live import wait_until
from tests.providers.conftest import access_to
from tests.redis_servers import Cluster, Guarded, eventually
from tests.spot.rows import USD, fetched, market
from tests.spot.sockets import Socket, put, put_market, run

PASSWORD, SENTINEL_PASSWORD = "s3cret", "gu4rd"


class Site:
    """Servers, and their address."""

    def __init__(self, servers: Guarded | Cluster, url: str) -> None:
        self.servers, self.server = servers, Server(parse(url))


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "cluster":
        made: Guarded | Cluster = Cluster(folder)
        url = made.url
    else:
        made = Guarded(folder, password=PASSWORD, sentinel_password=SENTINEL_PASSWORD)
        url = made.url.replace("://", f"://:{PASSWORD}@") + f"?sentinel_password={SENTINEL_PASSWORD}"
    yield Site(made, url)
    made.close()


@pytest.fixture
def site(servers: Site, settings: Any) -> Iterator[Site]:
    """The servers as the Redis of this process."""
    settings.REDIS = servers.server
    config = {"hosts": [servers.server.async_pool], "prefix": "spot-0-"}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}
    }
    snapshots.connection.cache_clear()
    snapshots._store_script.cache_clear()
    eventually(lambda: snapshots.connection().flushall())
    yield servers
    snapshots.connection().close()
    snapshots.connection.cache_clear()
    snapshots._store_script.cache_clear()


def test_budgets_breakers_locks_and_counters_work(site: Site) -> None:
    client, account = snapshots.connection(), access_to("http://127.0.0.1:9", per_minute=5, per_month=10_000)
    budget = Budget(client)
    budget.settle(budget.spend(account, 2, rate=1.0), 2)
    assert budget.charge(account, 1000) == 0
    with pytest.raises(OutOfBudget):
        budget.spend(account, 4)
    assert (budget.usage(account).minute, budget.usage(account).month) == (2, 3)
    other = access_to("http://127.0.0.1:9", plan="demo", key="CG-other", per_minute=5)
    assert [one.used for one in budget.standings([account, other])] == [3, 0]

    breaker = Breaker(client)
    for _ in range(3):
        breaker.failed("acme", Unavailable("500"))
    assert breaker.state("acme").state == "open"

    token = claims.claim(USD, 30)
    assert token
    assert claims.claim(USD, 30) is None
    assert claims.taking_over(USD, token, 30).run(snapshots.connection())
    claims.release(USD, token)
    assert claims.claim(USD, 30)

    attempts = Attempts()
    for _ in range(6):
        attempts.failed("192.0.2.1", "somebody")
    assert attempts.wait("192.0.2.1", "somebody") > 0
    assert client.keys("spot:signin*"), "counted in memory only"

    counts.add(TASKS, "tick", "SUCCESS")
    counters.tell(client, counters.Reporter("worker"), {"cpu": 1}, wall_ms())
    totals, reports = counters.read(client, wall_ms())
    assert totals[TASKS.name]["tick", "SUCCESS"]
    assert reports[0].content == {"cpu": 1}


def test_what_alerts_clients_and_streams_keep_works(site: Site) -> None:
    memory.note("abc", memory.Seen("v1", ["bitcoin"], b"[1]"))
    assert memory.seen(["abc", "xyz"]) == {"abc": "v1", "xyz": ""}

    async def story() -> None:
        client = site.server.async_blocking_client(2, 1)
        here, there = Leases(), Leases()
        await here.exchange(client, {"open": {}, "spent": {}})
        assert await there.exchange(client, {"open": {}, "spent": {}}) == {here.process: {"open": {}, "spent": {}}}
        ticket = await tickets.issue(client, b"digest")
        assert await tickets.redeem(client, ticket) == b"digest"
        lead = Lead(client, "acme", 10)
        assert await lead.acquire()
        await lead.release()
        await client.hset("spot:client:usage:2026-01-01", "1 requests", 5)
        await client.aclose()

    asyncio.run(story())
    listed = list(snapshots.connection().scan_iter(usage._name("*")))
    assert listed == [b"spot:client:usage:2026-01-01"]
    before = datetime(2026, 1, 1, tzinfo=UTC).date() - timedelta(days=1)
    assert snapshots.connection().delete(*listed) == 1, before


def test_snapshots_are_stored_amended_and_evicted(site: Site) -> None:
    first = snapshots.save(fetched(USD, market(3)), 60)
    amended = snapshots.amend(USD, lambda known: ([dict(row, price=1.0) for row in known.rows], known.meta))
    assert amended is not None
    assert amended.version > first
    loaded = snapshots.load(USD)
    assert loaded is not None
    assert [row["price"] for row in loaded.rows] == [1.0, 1.0, 1.0]
    assert room.make([]) == []
    snapshots.save(fetched(USD, market(3), simulated=True), 60)
    snapshots._end_demo(snapshots.connection())
    assert snapshots.load(USD, "demo") is None


@pytest.mark.usefixtures("site")
def test_celery_queues_a_task_and_takes_it() -> None:
    with Connection("gateway://redis", transport_options=options()) as connection, connection.SimpleQueue("q") as queue:
        queue.put({"n": 1})
        message = queue.get(timeout=5)
        message.ack()
        assert message.payload == {"n": 1}


def options() -> dict[str, str]:
    from django.conf import settings

    return {"global_keyprefix": f"{settings.REDIS.key_prefix}celery:"}


def test_a_client_stays_and_hears_of_a_new_primary(site: Site) -> None:
    """Sockets, nudges, the queue and the store go on; old pages are kept, and nothing falls back to an older page."""

    async def story() -> None:
        await put_market(3)
        async with Socket("market", "envelope=1") as socket:
            before = await socket.next("snapshot")
            killed = await asyncio.to_thread(site.servers.kill_primary)
            async with Socket("market") as late:  # served from the memory of the process
                assert len((await late.frame())["rows"]) == 3
            await asyncio.to_thread(eventually, lambda: asyncio.run(put(USD, market(3, shift=1.0))))
            after = await socket.next("snapshot")
            assert after["version"] > before["version"]
            assert after["epoch"] == before["epoch"]
            await asyncio.to_thread(eventually, lambda: snapshots.connection().ping())
            async with asyncio.timeout(20):
                await Hub.current().nudges.until_begun()
            await asyncio.to_thread(killed.start)

    run(story())
    with Connection("gateway://redis", transport_options=options()) as connection, connection.SimpleQueue("q") as queue:
        queue.put({"n": 2})
        assert queue.get(timeout=5).payload == {"n": 2}


@pytest.mark.parametrize("servers", ["sentinel"], indirect=True)
def test_a_sentinel_that_is_cut_off_misleads_nobody_for_long(servers: Site, tmp_path: Path) -> None:
    """It goes on naming a primary that is dead."""
    assert isinstance(servers.servers, Guarded)
    stray = servers.servers.stray(tmp_path / "stray")
    first = f"127.0.0.1:{stray.port},"
    url = servers.servers.url.replace("://", f"://:{PASSWORD}@{first}") + f"?sentinel_password={SENTINEL_PASSWORD}"
    client = Server(parse(url)).client()
    with pytest.raises(RedisError):
        client.set("spot:a", 1)
    assert client.set("spot:a", 1)
    stray.close()


def test_what_is_wrong_is_said(servers: Site, settings: Any) -> None:
    address = servers.server.address
    assert trouble(servers.server) == ""
    nodes = ",".join(f"{host}:{port}" for host, port in address.nodes)
    if isinstance(servers.servers, Cluster):
        wrong = {
            "redis+cluster://127.0.0.1:9,127.0.0.1:10": "it cannot be found: none of the servers in REDIS_URL answers",
            f"redis://127.0.0.1:{servers.servers.stranger.port}/0": "REDIS_URL must begin with redis+cluster://",
        }
    else:
        wrong = {
            "redis+sentinel://127.0.0.1:9/spot": "it cannot be found: none of the servers in REDIS_URL answers",
            f"redis+sentinel://{nodes}/spot": "the Sentinels refuse the user or the password",
            f"redis+sentinel://{nodes}/other?sentinel_password={SENTINEL_PASSWORD}": "watches the service",
            f"redis+sentinel://{nodes}/spot?sentinel_password={SENTINEL_PASSWORD}": "the password in REDIS_URL",
        }
    for url, words in wrong.items():
        assert words in trouble(Server(parse(url))), url


def found(settings: Any, servers: Site) -> dict[str, str]:
    """The sentences of the doctor's check of the servers, with their levels."""
    settings.REDIS = servers.server
    return {finding.sentence: finding.level for finding in topology.failover(Examined(online=False))}


def test_the_doctor_says_what_a_failover_lacks(servers: Site, settings: Any) -> None:
    wait_until(lambda: not found(settings, servers), what="servers that are well")
    made = servers.servers
    if isinstance(made, Cluster):
        made.stranger.kill()
        wait_until(lambda: made.state(made.owner)["cluster_state"] == "fail", what="a cluster that knows it")
        assert "nobody serves Spot's keys" in trouble(servers.server)
        problem, silent = "The cluster says that its state is fail.", made.stranger
    else:
        for sentinel in made.sentinels[1:]:
            sentinel.kill()
        problem, silent = "The Sentinels could not replace a primary that dies", made.sentinels[1]
        wait_until(lambda: any(problem in one for one in found(settings, servers)), what="Sentinels that know it")
        assert trouble(servers.server) == ""
    sentences = found(settings, servers)
    assert any(f"127.0.0.1:{silent.port}: Redis cannot be reached." in one for one in sentences)
    assert [level for one, level in sentences.items() if problem in one] == ["problem"]
    if isinstance(made, Guarded):
        made.replica.kill()
        wait_until(lambda: any("no replica" in one for one in found(settings, servers)), what="a lost replica")
