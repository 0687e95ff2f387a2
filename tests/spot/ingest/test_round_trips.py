"""How often a tick and a fetch ask Redis: each round trip costs the way there and back, on other machines 100 ms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection

import providers
from providers.datasets import COINS, CURRENCIES, MEMBERS, Dataset
from spot import snapshots
from spot.ingest import tasks
from spot.snapshots import claims
from tests.providers.conftest import Reply, Upstream, page_of
from tests.providers.conftest import coin as one
from tests.providers.test_adapters import candles, chart
from tests.spot.rows import USD, coin, fetched

pytestmark = pytest.mark.django_db
EUR, QUOTES = Dataset("markets", "eur"), Dataset("quotes", "usd")
CHART = Dataset("candles", "usd", "bitcoin", 30)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider on loopback."""
    made = Upstream()
    yield made
    made.stop()


@pytest.fixture
def trips(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to Redis, a text for each round trip."""
    sent: list[str] = []
    for kind in (AbstractConnection, AsyncConnection):
        _count(kind, sent, monkeypatch)
    return sent


def _count(kind: type, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., object] = kind.send_packed_command  # type: ignore[attr-defined]

    def counted(self: object, command: object, *args: object, **options: object) -> object:
        parts = [command] if isinstance(command, bytes) else list(command)  # type: ignore[call-overload]
        text = b"".join(parts).decode("latin-1")
        sent.append(" ".join(word for word in text.split("\r\n")[:8] if word[:1] not in "*$"))
        return original(self, command, *args, **options)

    monkeypatch.setattr(kind, "send_packed_command", counted)


def test_a_tick_with_nothing_due_takes_two(redis: Redis, settings: Any, trips: list[str]) -> None:
    settings.SPOT_DEMO = "auto"
    for listing, ids in ((CURRENCIES, ["usd"]), (COINS, ["bitcoin"])):
        snapshots.save(fetched(listing, [{"id": one, "symbol": one, "name": one} for one in ids]), 86_400)
    for dataset in (USD, EUR, CHART, *MEMBERS):
        snapshots.save(fetched(dataset, [coin("bitcoin")]), 60)
    snapshots.want([USD, EUR, CHART])
    snapshots.first_in("room", 60)
    trips.clear()
    tasks.tick()
    assert len(trips) == 2, trips


@pytest.mark.parametrize("dataset", [USD, CHART, QUOTES], ids=lambda dataset: dataset.kind)
def test_a_fetch_takes_no_more_than_eight(
    dataset: Dataset, redis: Redis, settings: Any, upstream: Upstream, trips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = (providers.get("coingecko"),)
    monkeypatch.setattr(providers, "all", lambda: only)
    settings.SPOT_DEMO, settings.COINGECKO_BASE_URL, settings.COINGECKO_CALLS_PER_MINUTE = "auto", upstream.url, 0
    monkeypatch.setattr(tasks.fetch, "apply_async", lambda *_args, **_more: None)
    snapshots.want([USD, CHART, QUOTES], {"usd": ["bitcoin"]})
    upstream.replies |= {
        "/coins/list": Reply([{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}]),
        "/simple/supported_vs_currencies": Reply(["usd"]),
        "/coins/markets": lambda query: Reply([one("bitcoin")] if "ids" in query else page_of(1, 9)),
        "/coins/bitcoin/ohlc": Reply(candles(3)),
        "/coins/bitcoin/market_chart": Reply(chart((candles(1)[0][0], 5.0))),
    }
    counts = []
    for _ in range(3):
        token = claims.claim(dataset, 30)
        trips.clear()
        tasks.fetch(dataset.name, token, 30.0)
        counts.append(len(trips))
    assert snapshots.load(dataset) is not None
    assert counts[-1] <= 8, (counts, trips)
