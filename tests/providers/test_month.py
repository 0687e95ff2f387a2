"""A month of CoinGecko's demo plan, 30 calls a minute and 10,000 a month, through the real budget on a real Redis and
the real pacing, with a clock that goes from event to event. `pytest -s` on this file prints what came of it."""

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from statistics import median

import pytest
from redis import Redis

import providers
from providers import access, chains, pacing
from providers.access import Access
from providers.attempt import Rank, rank
from providers.budget import Budget, month_of
from providers.datasets import COINS, CURRENCIES, MEMBERS, Dataset
from providers.errors import OutOfBudget
from spot.snapshots import _SLACK_SECONDS
from tests.providers.conftest import KEY, Clock

pytestmark = pytest.mark.django_db
APRIL = 1_775_001_600_000  # 2026-04-01 00:00 UTC; the month has 30 days
HOUR, DAY = 3_600_000, 86_400_000
USD = Dataset("markets", "usd")
LISTS = [CURRENCIES, COINS]
EIGHT = ("usd", "eur", "btc", "gbp", "jpy", "aud", "cad", "chf")
Audience = Callable[[int], list[Dataset]]


@dataclass
class Stored:
    """What the store knows of a dataset."""

    fetched_at: int | None = None
    next_try: int = 0
    stale_after: float = 0.0


@dataclass
class Gateway:
    """What `spot.ingest.tasks` does with a dataset that is due, in place of which every answer is a 200."""

    redis: Redis
    clock: Clock
    entry: Access
    store: dict[Dataset, Stored] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    charts: int = 0

    def __post_init__(self) -> None:
        self.budget = Budget(self.redis, self.clock)

    def intervals(self, wanted: list[Dataset]) -> dict[str, float]:
        return pacing.intervals(wanted, redis=self.redis, now_ms=self.clock)

    def step(self, wanted: list[Dataset]) -> int:
        """Fetch what is due and can be paid; the time of the next event."""
        paces, refused = self.intervals(wanted), dict[str, int]()
        for dataset in wanted:
            stored = self.store.setdefault(dataset, Stored())
            if self.due(dataset, paces[dataset.name]) > self.clock.ms:
                continue
            (endpoint,) = (endpoint for _, endpoint in chains.of(dataset.kind))
            calls, ranked = endpoint.calls(dataset, ("bitcoin",), self.clock.ms), rank(dataset)
            alike = f"{len(calls)} {ranked}"
            # Who asks for as much in the same moment is told the same: that need not be tried a hundred times.
            if wait := refused.get(alike):
                stored.next_try = wait
            elif self.spent(len(calls), ranked):
                self.renewed(dataset, stored, wanted)
            else:
                refused[alike] = stored.next_try = self.clock.ms + self.wait
        return min(self.due(dataset, paces[dataset.name]) for dataset in wanted)

    def due(self, dataset: Dataset, pace: float) -> int:
        stored = self.store[dataset]
        return max(stored.next_try, 0 if stored.fetched_at is None else stored.fetched_at + int(pace * 1000))

    def spent(self, calls: int, ranked: Rank) -> bool:
        try:
            self.budget.settle(self.budget.spend(self.entry, calls, **ranked), calls)
        except OutOfBudget as error:
            self.wait = int(error.retry_after * 1000) + 1
            return False
        self.calls += [self.clock.ms] * calls
        return True

    def renewed(self, dataset: Dataset, stored: Stored, wanted: list[Dataset]) -> None:
        before, stored.fetched_at = stored.fetched_at, self.clock.ms
        self.charts += dataset.kind == "candles"
        if dataset != USD:
            return
        if before is not None:
            self.gaps.append((self.clock.ms - before) / 1000)
            if self.gaps[-1] > stored.stale_after:
                self.stale.append(f"{self.gaps[-1]:.0f} s old, stale from {stored.stale_after:.0f} s")
        self.paces.append(pace := self.intervals(wanted)[dataset.name])
        stored.stale_after = max(2 * pace, pace + _SLACK_SECONDS) + 60  # as `spot.snapshots.save` has it

    def gone(self) -> None:
        """The last viewer has left: what the next one is shown at first is renewed at once."""
        self.store[USD] = Stored()


def a_month(gateway: Gateway, audience: Audience) -> None:
    clock, end = gateway.clock, month_of(gateway.clock.ms)[1]
    while clock.ms < end:
        if wanted := audience(clock.ms):
            due = gateway.step(wanted)
        else:
            gateway.gone()
            due = clock.ms + HOUR
        clock.ms = min(max(due, clock.ms + 1000), clock.ms + HOUR // 3)


def one_viewer(now: int) -> list[Dataset]:
    """One dashboard, open around the clock, and every six hours some coin's chart, for twenty minutes."""
    chart = Dataset("candles", "usd", coin=f"coin-{now // (6 * HOUR) % 7}", days=7)
    return [*LISTS, USD, *([chart] if now % (6 * HOUR) < HOUR // 3 else []), *MEMBERS]


def working_hours(now: int) -> list[Dataset]:
    """The same, open from nine to five only."""
    return one_viewer(now) if 9 * HOUR <= now % DAY < 17 * HOUR else []


def a_thousand(now: int) -> list[Dataset]:
    """Eight currencies, coins of tapes in each, and fifty charts of which every hour five are new."""
    return a_thousand_in(now // HOUR)


@cache
def a_thousand_in(hour: int) -> list[Dataset]:
    charts = [Dataset("candles", EIGHT[n % 8], coin=f"coin-{n}", days=30) for n in range(5 * hour, 5 * hour + 50)]
    asked = random.Random(hour).sample(charts, len(charts))
    return [*LISTS, *asked, *(Dataset(kind, one) for one in EIGHT for kind in ("markets", "quotes")), *MEMBERS]


def most_in_a_minute(times: list[int]) -> int:
    return max(bisect_right(times, at + 60_000) - n for n, at in enumerate(times))


def ages(gaps: list[float]) -> Iterator[float]:
    """The age of the data, looked at every half minute."""
    for gap in gaps:
        yield from range(0, int(gap) + 1, 30)


@pytest.fixture
def gateway(redis: Redis, settings, monkeypatch, calls: int) -> Gateway:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    settings.COINGECKO_CALLS_PER_MONTH = calls
    only = (providers.get("coingecko"),)
    found = access.all_of(*only)
    monkeypatch.setattr(providers, "all", lambda: only)
    monkeypatch.setattr(access, "all_of", lambda _provider: found)  # nothing changes them for a month
    return Gateway(redis, Clock(APRIL), *found)


@pytest.mark.timeout(400)  # many thousand steps, on a machine that may be busy
@pytest.mark.parametrize(
    ("audience", "calls", "least_used", "oldest", "charts"),
    # With a thousand viewers a third of the calls, which leaves a third of the steps.
    [(working_hours, 10_000, 9_300, 800, 25), (a_thousand, 3_300, 3_200, 12_000, 700)],
    ids=["1 viewer in working hours", "1,000 viewers"],
)
def test_a_month_lasts_and_the_market_is_as_fresh_as_its_pace(
    gateway: Gateway, audience: Audience, calls: int, least_used: int, oldest: float, charts: int
) -> None:
    a_month(gateway, audience)
    found = (
        f"{audience.__name__}: {len(gateway.calls):,} calls, at most {most_in_a_minute(gateway.calls)} a minute; "
        f"age of markets:usd: median {median(ages(gateway.gaps)):.0f} s, at most {max(gateway.gaps):.0f} s; "
        f"interval: {min(gateway.paces):.0f} to {max(gateway.paces):.0f} s; charts: {gateway.charts:,}"
    )
    print(f"\n{found}")  # noqa: T201 - what `pytest -s` is run for
    assert gateway.stale == [], found
    assert least_used <= len(gateway.calls) <= calls, found
    assert most_in_a_minute(gateway.calls) <= 30, found
    assert max(gateway.gaps) <= oldest, found
    assert gateway.charts >= charts, found
    for day in range(31):
        assert bisect_right(gateway.calls, APRIL + day * DAY) <= calls * day / 30 + 20
    gateway.clock.ms -= 1000 + gateway.clock.ms - month_of(APRIL)[1]
    assert Budget(gateway.redis, gateway.clock).usage(gateway.entry).month == len(gateway.calls)
