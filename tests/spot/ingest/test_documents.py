"""Documents: fetched when somebody asks who has no answer that holds, and never with calls that polls need."""

import math

import pytest
from django.db import OperationalError

from providers import fetching, pacing
from providers.datasets import Dataset, Fetched
from providers.errors import OutOfBudget, ProviderError, Unavailable
from spot import signs, snapshots
from spot.clients import records
from spot.clients.models import Protocol
from spot.clients.protocols import Used, used
from spot.ingest import documents, tasks

TICKERS, GLOBAL = (Dataset("document", topic=name) for name in ("coins/bitcoin/tickers", "global"))
NOW = 1_795_896_000_000
pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.django_db]


class Site:
    """A worker and its store at a time that the test sets; `fetched` are the times (s) of upstream calls."""

    def __init__(self, monkeypatch, lasts: float = 60.0) -> None:
        self.at, self.lasts, self.fetched, self.rates = 0.0, lasts, [], []
        for module in (signs, documents, tasks):
            monkeypatch.setattr(module, "now_ms", self.now_ms)
        monkeypatch.setattr(fetching, "fetch", self.fetch)
        monkeypatch.setattr(pacing, "left_over", lambda *_args, **_how: 2.0)
        monkeypatch.setattr(tasks.fetch, "apply_async", lambda args, expires: tasks.fetch(*args))
        self.error: ProviderError | None = None

    def now_ms(self) -> int:
        return NOW + round(self.at * 1000)

    def fetch(self, dataset, ids=(), simulated=False, rate=math.inf, **_) -> Fetched:
        self.fetched.append(self.at)
        self.rates.append(rate)
        if self.error:
            self.error.calls = 0 if isinstance(self.error, OutOfBudget) else 1
            raise self.error
        row = {"id": dataset.topic, "status": 200, "body": f'{{"n":{len(self.fetched)}}}'}
        how = {"calls": 2, "source": "acme", "label": "Acme", "simulated": simulated, "lasts": self.lasts}
        return Fetched(dataset, [row], as_of=None, fetched_at=self.now_ms(), **how)

    def ask(self, *datasets: Dataset) -> None:
        """A client asks, and its web process wakes the worker."""
        snapshots.want(datasets)
        tasks.start([dataset.name for dataset in datasets])

    def tick(self) -> None:
        tasks.start_due(snapshots.wanted())


@pytest.fixture
def site(monkeypatch, settings) -> Site:
    settings.SPOT_DEMO = "off"
    return Site(monkeypatch)


def test_a_thousand_clients_cost_what_one_costs(site, redis) -> None:
    counts = []
    for clients in (1, 1000):
        redis.flushdb()
        site.fetched.clear()
        # Each asks every 30 s, one after another; whoever asks while the answer holds costs the store nothing.
        for second in range(3600):
            site.at = (counts and 10_000 + second) or second
            if any((second - client) % 30 == 0 for client in range(min(clients, 30))):
                snapshots.want([TICKERS])
            if second % 5 == 0:
                site.tick()
        counts.append(len(site.fetched))
    assert counts == [60, 60]


def test_nothing_is_fetched_for_a_client_that_is_gone(site) -> None:
    site.ask(TICKERS)
    site.at = 50
    site.ask(TICKERS)
    for site.at in range(60, 160, 10):
        site.tick()
    assert site.fetched == [0]
    site.ask(TICKERS)
    assert site.fetched == [0, 150]
    assert snapshots.load(TICKERS).rows[0]["body"] == '{"n":2}'
    assert snapshots.load(TICKERS).interval_ms == 60_000


def test_documents_use_their_share_of_what_polls_leave_over(site, settings) -> None:
    site.ask(TICKERS)
    settings.SPOT_DOCUMENT_SHARE = 5
    site.ask(GLOBAL)
    settings.SPOT_DOCUMENT_SHARE = 0
    site.at = 100
    site.ask(GLOBAL)
    assert site.rates == pytest.approx([0.6, 0.1, 0.0])


def test_a_protocol_has_its_own_share_from_the_next_fetch(site, monkeypatch) -> None:
    def set_share(percent: float | None) -> None:
        Protocol.objects.filter(name="coingecko").update(document_share=percent)

    records.add_protocols("default")
    for site.at, share in ((0, 10.0), (100, 0.0), (200, None), (300, 50.0)):
        set_share(share)
        site.ask(TICKERS)
    monkeypatch.setattr(Protocol.objects, "filter", unanswered)
    site.at = 400
    site.ask(TICKERS)
    assert site.rates == pytest.approx([0.2, 0.0, 0.6, 1.0, 1.0])


def unanswered(**_) -> None:
    raise OperationalError


def test_a_share_that_is_used_up_leaves_the_old_one_and_tells_when_to_come_back(site) -> None:
    site.ask(TICKERS)
    site.at, site.error = 61, OutOfBudget("used up", retry_after=90.0, reason="share")
    for _ in range(3):
        site.ask(TICKERS)
    assert site.fetched == [0, 61]
    assert snapshots.load(TICKERS).rows[0]["body"] == '{"n":1}'
    assert snapshots.trouble(TICKERS).next_try == NOW + 151_000
    site.at, site.error = 152, None
    site.ask(TICKERS)
    assert site.fetched == [0, 61, 152]
    assert snapshots.trouble(TICKERS) is None


def test_calls_are_counted_for_the_protocol_of_the_documents(site) -> None:
    site.ask(TICKERS)
    site.ask(TICKERS)
    site.at, site.error = 61, Unavailable("down", retry_after=1.0)
    site.ask(TICKERS)
    site.at, site.error = 70, OutOfBudget("used up", retry_after=90.0, reason="share")
    site.ask(TICKERS)
    assert used(snapshots.connection(), 1) == {"coingecko": Used(fetched=3)}


def test_documents_are_bounded(site, settings) -> None:
    settings.SPOT_DOCUMENTS = 2
    many = [Dataset("document", topic=f"coins/coin-{n}") for n in range(5)]
    site.ask(*many)
    assert len(site.fetched) == 2
