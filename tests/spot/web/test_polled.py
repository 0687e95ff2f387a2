"""Clients that poll other vendors' HTTP protocols for an hour of simulated time: the door, the hub, the worker's tasks,
pacing and budget as they are, over a stand-in of the provider on loopback."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import providers
from spot import snapshots
from spot.clients.desk import Desk
from spot.clients.protocols import Used, used, uses
from spot.hub import demand
from spot.hub.hub import Hub
from spot.ingest import tasks
from spot.web.waiting import PAGES
from spot_project.asgi import application
from tests.providers.conftest import KEY, Reply, Upstream, page_of
from tests.spot.asking import scope_of

pytestmark = pytest.mark.django_db
ROOT = "/compat/coingecko/api/v3/"
POLLED = (
    f"{ROOT}simple/price?ids=coin-1,coin-2&vs_currencies=usd",
    f"{ROOT}coins/markets?vs_currency=usd&per_page=5",
    f"{ROOT}coins/coin-1/tickers",
)
START = 1_775_001_600_000  # 2026-04-01 00:00 UTC
#: The seconds between two steps: in each somebody asks, and the worker looks once for what is due.
STEP, HOUR = 30, 3600


class Site:
    """A web process and a worker, which take turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = START
        self.statuses: Counter[int] = Counter()
        self.asked: list[asyncio.Task[None]] = []
        monkeypatch.setattr(time, "time_ns", lambda: self.ms * 1_000_000)
        monkeypatch.setattr(snapshots, "first_in", lambda _name, _seconds: True)  # it goes by the clock of Redis
        monkeypatch.setattr(demand.current_app, "send_task", lambda *_args, **_how: None)  # the worker's turn comes
        monkeypatch.setattr(tasks.fetch, "apply_async", lambda args, **_how: tasks.fetch(*args))

    def serve(self, clients: int) -> None:
        """An hour, in each step of which other clients ask, all of them in turn."""
        steps = HOUR // STEP
        turn = -(-clients // (steps // 3))  # each asks every twenty minutes, or in every step where there is one only
        with asyncio.Runner() as runner:
            for step in range(steps):
                self.ms = START + step * STEP * 1000
                numbers = {(step * turn + n) % clients for n in range(turn)}
                runner.run(self._begin([f"10.{n >> 8}.{n & 255}.1" for n in numbers]))
                tasks.start_due(tasks._wanted())
                self.ms += 1
                runner.run(self._finish())
            runner.run(self._close())

    async def _begin(self, addresses: list[str]) -> None:
        self.asked = [asyncio.create_task(self._ask(target, who)) for who in addresses for target in POLLED]
        await asyncio.sleep(0)
        await self._read()

    async def _finish(self) -> None:
        await self._read()
        await asyncio.gather(*self.asked)

    async def _read(self) -> None:
        """Have the hub read the store and tell it what is looked at, as it does every few seconds."""
        hub = Hub.current()
        hub._compare()
        while hub.read_at_ms != self.ms or hub._demanding:  # noqa: ASYNC110 - the hub has no event for this
            await asyncio.sleep(0.0005)

    async def _ask(self, target: str, address: str) -> None:
        async def receive() -> dict[str, Any]:
            return await asyncio.Future()  # the client stays

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                self.statuses[event["status"]] += 1

        await application(scope_of(target, address=address), receive, send)

    async def _close(self) -> None:
        await uses.flush(Desk.current().redis)
        await Hub.current().aclose()
        await Desk.current().aclose()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def site(redis, upstream: Upstream, settings, monkeypatch) -> Site:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN, settings.COINGECKO_BASE_URL = KEY, "pro", upstream.url
    settings.SPOT_DEMO, settings.SPOT_DEPTH, settings.SPOT_FIRST_ANSWER_SECONDS = "off", 250, 0.2
    settings.SPOT_REQUESTS_PER_MINUTE = settings.SPOT_NEW_DATASETS_PER_HOUR = 0
    only = (providers.get("coingecko"),)
    monkeypatch.setattr(providers, "all", lambda: only)
    coins = page_of(1, 20)
    upstream.replies = {
        "/simple/supported_vs_currencies": Reply(["usd"]),
        "/coins/list": Reply([{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in coins]),
        "/coins/markets": Reply(coins),
        "/coins/coin-1/tickers": Reply({"name": "Coin 1", "tickers": []}),
    }
    return Site(monkeypatch)


def test_a_thousand_clients_for_an_hour_cost_what_one_costs(site: Site, upstream: Upstream, redis) -> None:
    costs = []
    for clients in (1, 1000):
        redis.flushdb()
        PAGES.clear()
        upstream.asked.clear()
        site.statuses.clear()
        site.serve(clients)
        costs.append(Counter(upstream.paths))
        assert site.statuses[200] >= 0.97 * site.statuses.total(), site.statuses
    one, thousand = costs
    assert thousand == one
    assert one["/coins/coin-1/tickers"] == 30
    use = used(snapshots.connection(), 1)["coingecko"]
    assert use == Used(site.statuses.total(), use.waited, one["/coins/coin-1/tickers"])
    assert use.calls == 1000 * 3 * len(POLLED)
