"""`/metrics`: who may read it, what it counts, and that no client can make it grow."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from redis import Redis
from redis.exceptions import ConnectionError as Away

from providers import counters
from providers.access import Access
from providers.base import Provider
from providers.breaker import PATIENCE, Breaker
from providers.budget import Budget
from providers.counters import Reporter, tell
from providers.errors import RateLimited, Unauthorized, Unavailable
from providers.metrics import counts
from spot import snapshots
from spot.hub.hub import Hub
from spot.metrics import METRICS
from spot.snapshots import now_ms
from spot.web import measured
from spot.web import metrics as door
from tests.providers.conftest import access_to
from tests.spot.asking import ask
from tests.spot.keyed import given, plan_with
from tests.spot.rows import USD, market
from tests.spot.sockets import Closed, Socket, eventually, put, put_market, run

pytestmark = pytest.mark.usefixtures("redis")
LOCAL = "127.0.0.1"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Accesses:
    """The keys of providers, without a database."""

    def __init__(self, *entries: tuple[Provider, list[Access]]) -> None:
        self._entries = list(entries)

    def lately(self) -> list[tuple[Provider, list[Access]]]:
        return self._entries


@pytest.fixture(autouse=True)
def fresh(monkeypatch) -> Iterator[None]:
    """Nothing counted before, no answer of a moment ago, and no keys of providers."""
    monkeypatch.setattr(door, "_PACE", 0.0)
    monkeypatch.setattr(measured, "_accesses", Accesses())
    counts.take()
    yield
    counts.take()


async def scrape() -> Samples:
    response = await ask("/metrics", address=LOCAL)
    assert response.status_code == 200, response.content
    return samples_of(parse(response.content.decode()))


def samples_of(families: Iterable[Any]) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


# --- who may read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"address": LOCAL}, 200),
        ({"address": "::1"}, 200),
        ({"address": "192.0.2.1"}, 403),
        ({"address": LOCAL, "headers": {"X-Forwarded-For": "192.0.2.1"}}, 403),
        ({"address": LOCAL, "headers": {"Host": "rebound.example"}}, 403),
        ({"address": LOCAL, "method": "POST"}, 405),
    ],
)
def test_without_a_token_only_this_machine_reads(request_: dict[str, Any], status: int) -> None:
    async def story() -> None:
        response = await ask("/metrics", **request_)
        assert response.status_code == status
        assert status != 403 or b"SPOT_METRICS_TOKEN" in response.content

    run(story())


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer a-token", 200),
        ("bearer a-token", 200),
        ("Bearer another", 401),
        ("Bearer a-token-", 401),
        ("Bearer ", 401),
        ("Basic a-token", 401),
        ("Bearer é", 401),
        (None, 401),
    ],
)
def test_with_a_token_whoever_shows_it_reads_by_any_name(settings, authorization: str | None, status: int) -> None:
    settings.SPOT_METRICS_TOKEN = "a-token"

    async def story() -> None:
        shown = {} if authorization is None else {"Authorization": authorization}
        for address in (LOCAL, "192.0.2.1"):
            response = await ask("/metrics", address=address, headers={"Host": "web:8000", **shown})
            assert response.status_code == status
            assert (response.get("WWW-Authenticate") == "Bearer") == (status == 401)

    run(story())


def test_prometheus_gets_the_format_that_it_asks_for() -> None:
    async def story() -> None:
        response = await ask(
            "/metrics", address=LOCAL, headers={"Accept": "application/openmetrics-text;version=1.0.0"}
        )
        assert response["Content-Type"].startswith("application/openmetrics-text")
        assert response.content.endswith(b"# EOF\n")

    run(story())


# --- what is counted --------------------------------------------------------------------------------------------------


def test_connections_groups_frames_and_bytes_are_those_that_clients_have() -> None:
    text, _ = given(plan_with(connections=5, name="gold"))

    async def story() -> None:
        await put_market(5)
        async with (
            Socket("market", "page_size=3") as first,
            Socket("market", "page_size=3") as second,
            Socket("market", "page_size=3&envelope=1", headers={"x-api-key": text}) as keyed,
        ):
            received = [await socket.text() for socket in (first, second)]
            received.append(await keyed.text())
            await put(USD, market(5, shift=1.0))
            received += [await socket.text() for socket in (first, second, keyed)]
            samples = await scrape()
            assert value(samples, "spot_connections", dialect="plain", plan="anonymous") == 2
            assert value(samples, "spot_connections", dialect="envelope", plan="gold") == 1
            assert value(samples, "spot_groups", feed="market") == 2
            assert value(samples, "spot_subscriptions", feed="market") == 3
            assert value(samples, "spot_connections_opened_total", door="socket") == 3
            counted = value(samples, "spot_frames_total", lane="outbox")
            assert counted is not None
            assert counted >= len(received)
            extra = [await _drain(socket) for socket in (first, second, keyed)]
            received += [text for texts in extra for text in texts]
            assert counted == len(received)
            assert value(samples, "spot_frame_bytes_total", lane="outbox") == sum(len(one.encode()) for one in received)
            assert value(samples, "spot_fanout_seconds_count", kind="markets") == 1
            assert value(samples, "spot_delivery_seconds_count", kind="markets") == 1
            assert value(samples, "spot_data_age_seconds", kind="markets", source="acme") is not None
            assert value(samples, "spot_datasets", kind="markets", state="live") == 1
        assert value(await scrape(), "spot_connections", dialect="envelope", plan="gold") is None

    run(story())


async def _drain(socket: Socket) -> list[str]:
    texts = []
    while not await socket.silent(0.05):
        texts.append(await socket.text())
    return texts


def test_refusals_and_closes_are_counted_by_code_and_door() -> None:
    async def story() -> None:
        await put_market(5)
        async with Socket("market", "per_page=soon") as socket:
            await socket.frame()
            with pytest.raises(Closed):
                await socket.frame()
        assert (await ask("/tzone_apis/services/spot/market?per_page=soon")).status_code == 400
        await ask("/compat/coingecko/api/v3/no/such/path")
        samples = await scrape()
        assert value(samples, "spot_refusals_total", door="socket", code="bad_value") == 1
        assert value(samples, "spot_refusals_total", door="http", code="bad_value") == 1
        assert sum(count for (name, labels), count in samples.items() if ("door", "compat") in labels) == 1
        assert value(samples, "spot_closes_total", code="4400") == 1
        assert value(samples, "spot_http_answers_total", status="400") == 1

    run(story())


def test_no_client_can_make_the_series_more() -> None:
    async def ask_nonsense(start: int) -> None:
        for number in range(start, start + 100):
            await ask(f"/tzone_apis/services/spot/nonsense-{number}")
            await ask(f"/tzone_apis/services/spot/market?vs_currency=x{number}&sort_by=y{number}")
            await ask(f"/tzone_apis/services/spot/market?search=z{number}", headers={"X-API-Key": f"key-{number}"})

    async def story() -> None:
        await put_market(5)
        await ask_nonsense(0)
        before = (await scrape()).keys()
        await ask_nonsense(100)
        after = (await scrape()).keys()
        allowed = {"spot_refusals_total", "spot_http_answers_total"}  # a limit was passed meanwhile
        assert {name for name, _ in after - before} <= allowed
        assert not [labels for _, labels in after if any("nonsense" in text or "key-" in text for _, text in labels)]

    run(story())


def test_another_process_is_counted_in_and_its_going_takes_back_only_what_it_serves(redis: Redis) -> None:
    async def story() -> None:
        await put_market(5)
        other = Reporter("web")
        report = {"memory": 5, "tasks": 6, "readings": [["spot_connections", ["plain", "anonymous"], 7]]}
        counts.add(METRICS[6], "broadcast", amount=1000)
        await asyncio.to_thread(tell, redis, other, report, now_ms())
        async with Socket("market", "page_size=3") as socket:
            await socket.frame()
            samples = await scrape()
            assert value(samples, "spot_connections", dialect="plain", plan="anonymous") == 8
            assert value(samples, "spot_frames_total", lane="broadcast") == 1000
            assert value(samples, "spot_processes", role="web") == 2
            assert value(samples, "spot_process_resident_bytes", role="web", process="1") == 5
            assert value(samples, "spot_process_tasks", role="web", process="1") == 6
            await asyncio.to_thread(tell, redis, other, report, now_ms() - 8500)
            samples = await scrape()
            assert value(samples, "spot_connections", dialect="plain", plan="anonymous") == 1
            assert value(samples, "spot_frames_total", lane="broadcast") == 1000

    run(story())


def test_uses_of_other_vendors_protocols_are_counted() -> None:
    async def story() -> None:
        await put_market(5)
        await ask("/compat/coingecko/api/v3/simple/price?ids=coin-1&vs_currencies=usd")
        samples = await scrape()
        assert value(samples, "spot_protocol_calls_total", protocol="coingecko", what="calls") == 1

    run(story())


def test_without_redis_it_says_so_and_tells_what_it_knows(monkeypatch) -> None:
    def away(*_: object) -> None:
        raise Away

    async def story() -> None:
        await put_market(5)
        async with Socket("market", "page_size=3") as socket:
            await socket.frame()
            monkeypatch.setattr(door, "read_all", away)
            samples = await scrape()
            assert value(samples, "spot_store_up") == 0
            assert value(samples, "spot_connections", dialect="plain", plan="anonymous") == 1
            monkeypatch.undo()
            monkeypatch.setattr(door, "_PACE", 0.0)
            monkeypatch.setattr(measured, "_accesses", Accesses())
            await eventually(lambda: Hub.current().read_at_ms)
            assert value(await scrape(), "spot_store_up") == 1

    run(story())


def test_everything_that_is_put_in_is_declared(redis: Redis) -> None:
    """Of each metric a sample, as far as they are counted; what another version has counted is left out."""
    for metric in METRICS:
        labels = [f"a-{label}" for label in metric.labels]
        if metric.type == "counter":
            counts.add(metric, *labels)
        elif metric.type == "histogram":
            counts.observe(metric, 0.3, *labels)
    redis.hset("spot:metrics:counters", mapping={"spot_of_another_version\tx": 3, "spot_frames_total": 4})
    tell(redis, Reporter("worker"), counters.process_facts(), now_ms())
    names = {family.name for family in measured.read().collect()}
    counted = {metric.name.removesuffix("_total") for metric in METRICS if metric.type != "gauge"}
    assert counted <= names
    assert "spot_of_another_version" not in names
    assert snapshots.realm()


# --- providers --------------------------------------------------------------------------------------------------------


def test_budgets_are_of_all_keys_together_without_those_that_are_refused(redis: Redis, monkeypatch) -> None:
    good, resting, refused = (
        access_to("http://127.0.0.1:9", plan="demo", key=f"CG-{name}-key-of-a-test", per_minute=30, per_month=10_000)
        for name in ("good", "resting", "refused")
    )
    monkeypatch.setattr(measured, "_accesses", Accesses((good.provider, [good, resting, refused])))
    budget = Budget(redis)
    for entry in (good, resting):
        budget.spend(entry, 4)
    budget.failed(resting, RateLimited("Slow down.", retry_after=60))
    budget.failed(refused, Unauthorized("No such key."))
    breaker, name = Breaker(redis), good.provider.name
    for _ in range(PATIENCE):
        breaker.failed(name, Unavailable("503"))
    samples = samples_of(measured.read().collect())
    states = {state: value(samples, "spot_upstream_keys", provider=name, state=state) for state in measured._KEY_STATES}
    assert states == {"ready": 1, "resting": 1, "refused": 1}
    assert value(samples, "spot_budget_minute_limit", provider=name) == 60
    assert value(samples, "spot_budget_minute_used", provider=name) == 8
    assert value(samples, "spot_budget_month_limit", provider=name) == 20_000
    assert value(samples, "spot_budget_month_used", provider=name) == 8
    assert 0 < (value(samples, "spot_budget_month_left", provider=name) or 0) < 20_000
    assert value(samples, "spot_breaker", provider=name, state="open") == 1
    assert value(samples, "spot_breaker", provider=name, state="closed") == 0


def test_a_plan_without_a_limit_has_none(monkeypatch) -> None:
    entry = access_to("http://127.0.0.1:9")
    monkeypatch.setattr(measured, "_accesses", Accesses((entry.provider, [entry])))
    names = {name for name, _ in samples_of(measured.read().collect())}
    assert {"spot_budget_month_used", "spot_budget_month_forecast"} <= names
    assert not {"spot_budget_month_limit", "spot_budget_month_left", "spot_budget_minute_limit"} & names
