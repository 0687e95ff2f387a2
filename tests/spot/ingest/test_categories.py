"""Categories: which one a coin belongs to, and what asking for their members costs everything else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis

import providers
from providers import fetching, pacing
from providers.datasets import CATEGORIES, MEMBERS, Dataset, Fetched
from providers.errors import Unavailable
from providers.pipelines import Commands
from providers.stream import Tick
from spot import snapshots
from spot.ingest import categories, tasks
from spot.ingest.ticks import Board, Polled, Source
from spot.snapshots import commands
from tests.providers.conftest import KEY, Clock, Reply, Upstream, coin, page_of
from tests.providers.test_adapters import candles, chart
from tests.spot.rows import USD, fetched, market

pytestmark = pytest.mark.usefixtures("redis")
Answering = Callable[[dict[str, str]], object]
QUOTES, CHART = Dataset("quotes", "usd"), Dataset("candles", "usd", "coin-7", 7)


def have(*, simulated: bool = False, age_ms: int = 0, **members: str) -> None:
    """Store who is in which category: their names with _ for -, and ids with blanks between."""
    for name, ids in members.items():
        dataset = Dataset("category", topic=name.replace("_", "-"))
        rows = [{"id": one} for one in ids.split()]
        snapshots.save(fetched(dataset, rows, simulated=simulated, age_ms=age_ms), 86_400)


def of(dataset: Dataset = USD, **how: object) -> dict[str, str | None]:
    """What the coins of a market that was just fetched are labelled with."""
    made = categories.labelled(fetched(dataset, market(4), **how))
    return {row["id"]: row["category"] for row in made.rows}


# --- who belongs where ------------------------------------------------------------------------------------------------


def test_a_coin_belongs_to_the_first_category_that_has_it() -> None:
    members = {name: [{"id": "everywhere"}, {"id": name}] for name in reversed(CATEGORIES)}
    found = categories.assigned(members)
    assert found.pop("everywhere") == next(iter(CATEGORIES.values()))
    assert found == CATEGORIES


def test_rows_get_their_label_and_coins_without_one_get_none() -> None:
    have(layer_1="bitcoin ethereum", stablecoins="tether")
    assert of() == {"bitcoin": "Layer 1", "ethereum": "Layer 1", "tether": "Stablecoins", "solana": None}
    assert of(QUOTES) == of(USD)


def test_whoever_serves_the_market_its_coins_are_grouped() -> None:
    have(layer_1="bitcoin")
    assert of(source="other")["bitcoin"] == "Layer 1"


def test_the_rest_of_a_row_stays_as_it_came() -> None:
    have(layer_1="bitcoin")
    rows = [{name: value for name, value in row.items() if name != "category"} for row in market(4)]
    made = categories.labelled(fetched(USD, rows)).rows
    assert [{name: value for name, value in row.items() if name != "category"} for row in made] == rows


def test_without_any_list_nothing_is_grouped_and_nothing_fails() -> None:
    assert set(of().values()) == {None}


def test_old_lists_group_as_well_as_new_ones() -> None:
    have(layer_1="bitcoin", age_ms=30 * 86_400_000)
    assert of()["bitcoin"] == "Layer 1"


def test_a_newer_list_counts_from_the_next_poll_on() -> None:
    have(layer_1="bitcoin", age_ms=1000)
    assert of()["bitcoin"] == "Layer 1"
    have(layer_1="ethereum")
    assert of() == {"bitcoin": None, "ethereum": "Layer 1", "tether": None, "solana": None}


def test_simulated_lists_group_a_simulated_market_only() -> None:
    have(memes="bitcoin", simulated=True)
    assert of()["bitcoin"] is None
    assert of(simulated=True)["bitcoin"] == "Memes"


def test_what_a_stream_changes_in_a_row_is_not_its_category() -> None:
    have(layer_1="bitcoin")
    rows = categories.labelled(fetched(USD, market(4))).rows
    board = Board(5.0)
    later = rows[0]["last_updated"] + 1000
    board.hear(Source("acme", "Acme", 1), "bitcoin", Tick("x", "usd", {"price": rows[0]["price"] + 1}, later), later)
    made = board.shown(Polled(rows, {}, "poll", fresh=True), later)
    assert made is not None
    assert made[0][0]["price"] == rows[0]["price"] + 1
    assert made[0][0]["category"] == "Layer 1"


def test_a_poll_asks_for_lists_anew_only_when_there_are_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    have(layer_1="bitcoin", memes="solana", age_ms=1000)
    of()
    loaded: list[str] = []
    load = snapshots.load
    monkeypatch.setattr(snapshots, "load", lambda one, *where: loaded.append(one.name) or load(one, *where))
    of()
    assert loaded == []
    have(layer_1="bitcoin")
    of()
    assert sorted(loaded) == ["category:layer-1", "category:memes"]


# --- a first start without a key --------------------------------------------------------------------------------------


@dataclass
class Site:
    """A worker and its beat on a clock of their own, over real budgets and a provider on loopback. What is wanted, and
    what the provider was asked for and when, in seconds since the start."""

    clock: Clock
    wanted: list[Dataset] = field(default_factory=lambda: [USD, QUOTES])
    queue: list[tuple[int, tuple[str, str, float]]] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)

    def run(self, seconds: int) -> None:
        """Tick by tick, and do what is queued and due, as a worker does."""
        for _ in range(seconds):
            tasks.start_due(tasks._wanted())
            due = [task for task in self.queue if task[0] <= self.clock.ms]
            self.queue = [task for task in self.queue if task not in due]
            for _, args in due:
                tasks.fetch(*args)
            self.clock.forward(1)

    def queued(self, args: tuple[str, str, float], *, expires: float, countdown: float = 0) -> None:
        self.queue.append((self.clock.ms + round(countdown * 1000), args))

    @property
    def now(self) -> float:
        return (self.clock.ms - Clock.ms) / 1000

    def times(self, what: str) -> list[float]:
        return [at for at, name in self.asked if name.startswith(what)]


def answers(site: Site) -> dict[str, Reply | Callable[[dict[str, str]], Reply]]:
    """A provider with a thousand coins, which notes what it is asked for."""

    def noted(name: str, body: Answering) -> Callable[[dict[str, str]], Reply]:
        def reply(query: dict[str, str]) -> Reply:
            which = "category" if "category" in query else "quotes" if "ids" in query else name
            site.asked.append((site.now, which))
            return Reply(body(query))

        return reply

    def rows(query: dict[str, str]) -> object:
        if "ids" in query:
            return [coin(one) for one in query["ids"].split(",")]
        return page_of(1, 9) if "category" in query else page_of(250 * int(query["page"]) - 249, 250)

    listed = [{"id": f"coin-{n}", "symbol": f"c{n}", "name": f"Coin {n}"} for n in range(1000)]
    return {
        "/coins/markets": noted("market", rows),
        "/coins/list": noted("coins", lambda _query: listed),
        "/simple/supported_vs_currencies": noted("currencies", lambda _query: ["usd"]),
        "/coins/coin-7/ohlc": noted("chart", lambda _query: candles(3)),
        "/coins/coin-7/market_chart": noted("chart", lambda _query: chart((candles(1)[0][0], 5.0))),
    }


@pytest.fixture
def site(redis: Redis, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    clock, server, passed = Clock(), Upstream(), dict[str, int]()
    made = Site(clock)
    server.replies = answers(made)
    only = (providers.get("coingecko"),)
    settings.SPOT_DEMO, settings.COINGECKO_BASE_URL = "off", server.url

    def first_in(name: str, seconds: float) -> bool:
        if clock.ms - passed.get(name, 0) < seconds * 1000:
            return False
        passed[name] = clock.ms
        return True

    monkeypatch.setattr(providers, "all", lambda: only)
    for module, name in ((fetching, "fetch"), (fetching, "known"), (pacing, "known"), (pacing, "intervals")):
        monkeypatch.setattr(module, name, functools.partial(getattr(module, name), now_ms=clock))
    monkeypatch.setattr(tasks, "now_ms", clock)
    monkeypatch.setattr(snapshots, "first_in", first_in)
    monkeypatch.setattr(commands, "wanted", lambda: Commands([], lambda _answers: made.wanted))
    monkeypatch.setattr(commands, "wanted_coins", lambda *_: Commands([], lambda _answers: ["coin-900"]))
    monkeypatch.setattr(tasks.fetch, "apply_async", made.queued)
    yield made
    server.stop()


@pytest.mark.django_db
def test_at_a_first_start_without_a_key_everything_else_comes_first(site: Site) -> None:
    site.run(30)
    first = [name for _, name in site.asked]
    assert sorted(first) == ["coins", "currencies", "market", "market", "quotes"]  # the five calls of a minute
    assert set(first[:2]) == {"coins", "currencies"}


@pytest.mark.django_db
def test_categories_are_all_there_in_a_quarter_of_an_hour_and_keep_nobody_waiting(site: Site) -> None:
    site.run(5 * 60)
    before = len(site.asked)
    site.wanted.insert(0, CHART)
    site.run(60)
    assert [name for _, name in site.asked[before:]].count("chart") == 2
    site.run(9 * 60)
    assert len(site.times("category")) == len(MEMBERS)
    assert min(later - earlier for earlier, later in pairwise(site.times("category"))) >= 60
    market = site.times("market")
    assert max(later - earlier for earlier, later in pairwise(market)) <= 65
    every = [at for at, _ in site.asked]
    assert max(sum(at <= other < at + 60 for other in every) for at in every) <= 5
    assert {row["category"] for row in snapshots.load(USD).rows} == {next(iter(CATEGORIES.values())), None}


@pytest.mark.django_db
def test_they_use_up_no_month_before_a_chart_that_is_asked_for(site: Site, settings: Any) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    site.run(15 * 60)
    assert 3 <= len(site.times("category")) < len(MEMBERS)
    site.wanted.insert(0, CHART)
    site.run(3)
    assert len(site.times("chart")) == 2


@pytest.mark.django_db
def test_once_they_are_there_a_day_costs_one_call_each(site: Site) -> None:
    site.run(15 * 60)
    site.clock.forward(80_000)
    site.run(60)
    assert len(site.times("category")) == len(MEMBERS)
    site.clock.forward(6_400)
    site.run(15 * 60)
    assert len(site.times("category")) == 2 * len(MEMBERS)


@pytest.mark.django_db
def test_one_that_cannot_be_had_is_asked_for_once_an_hour_and_the_market_goes_on(site: Site, monkeypatch: Any) -> None:
    fetch = fetching.fetch

    def failing(dataset: Dataset, *args: Any, **how: Any) -> Fetched:
        if dataset.kind == "category":
            site.asked.append((site.now, "category"))
            raise Unavailable("Down.")
        return fetch(dataset, *args, **how)

    monkeypatch.setattr(fetching, "fetch", failing)
    site.run(15 * 60)
    assert len(site.times("category")) == len(MEMBERS)
    assert len(site.times("market")) >= 2 * 14
    assert snapshots.trouble(USD) is None


@pytest.mark.django_db
def test_while_nobody_looks_at_a_market_nobody_is_asked_for_categories(site: Site) -> None:
    site.wanted[:] = [CHART]
    site.run(180)
    assert not site.times("category")
