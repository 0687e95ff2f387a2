"""The tasks: what is due starts once, what fails rests, what is not in the lists reaches no provider."""

from typing import Any

import pytest

from providers import fetching, pacing
from providers.datasets import MEMBERS, Dataset, Fetched
from providers.errors import INSIDE, NotFound, OutOfBudget, RateLimited, Unauthorized, Unavailable, Unreachable
from providers.pipelines import Commands
from spot import snapshots
from spot.ingest import tasks
from spot.snapshots import Trouble, claims, nudges
from spot.web import status
from tests.spot.rows import COINS, CURRENCIES, USD, candles, coin, fetched, market

EUR, QUOTES = Dataset("markets", "eur"), Dataset("quotes", "usd")
CHART = Dataset("candles", "usd", "bitcoin", 30)
pytestmark = pytest.mark.usefixtures("redis")


class Upstream:
    """The providers as `spot.ingest.tasks` sees them; every call is kept. `fail` maps a dataset to what it raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...], bool]] = []
        self.befores: list[Any] = []
        self.fail: dict[Dataset, Exception] = {}
        self.unreachable = False

    def fetch(self, dataset: Dataset, ids=(), simulated: bool = False, before=None, **_: object) -> Fetched:
        self.calls.append((dataset.name, tuple(ids), simulated))
        self.befores.append(before)
        if self.unreachable and not simulated:
            raise Unreachable("No route.")
        if dataset in self.fail:
            raise self.fail[dataset]
        rows = {
            "markets": lambda: market(3),
            "quotes": lambda: [coin(id_) for id_ in ids],
            "candles": lambda: candles(3),
            "currencies": lambda: [{"id": "usd"}, {"id": "eur"}],
            "category": lambda: [{"id": "bitcoin"}],
            "coins": lambda: [{"id": name, "symbol": name, "name": name} for name in ("bitcoin", "rare", "Odd")],
        }[dataset.kind]()
        return fetched(dataset, rows, simulated=simulated)

    def intervals(self, datasets, simulated: bool = False, **_: object) -> dict[str, float]:
        return {dataset.name: 5.0 if simulated else 60.0 for dataset in datasets}

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


@pytest.fixture
def upstream(monkeypatch, settings):
    settings.SPOT_DEMO = "off"
    made = Upstream()
    monkeypatch.setattr(fetching, "fetch", made.fetch)
    monkeypatch.setattr(pacing, "intervals", made.intervals)
    for module in (fetching, pacing):  # neither is asked anything by these
        monkeypatch.setattr(module, "known", lambda *_what, **_how: Commands([], lambda _answers: None))
    return made


@pytest.fixture
def queue(monkeypatch):
    """What was queued, instead of a broker: arguments and expiry of each fetch."""
    queued: list[tuple[tuple, float]] = []
    monkeypatch.setattr(tasks.fetch, "apply_async", lambda args, expires, **_later: queued.append((args, expires)))
    return queued


def have_lists(**how) -> None:
    """The provider's lists are there: what currencies and coins are held against."""
    snapshots.save(fetched(CURRENCIES, [{"id": "usd"}, {"id": "eur"}], **how), 86_400)
    snapshots.save(fetched(COINS, [{"id": "bitcoin"}], **how), 86_400)


def work(queue) -> None:
    """Do what is queued, as a worker does."""
    while queue:
        tasks.fetch(*queue.pop(0)[0])


# --- what is due ------------------------------------------------------------------------------------------------------


def test_what_is_wanted_is_fetched_and_stored(upstream, queue) -> None:
    snapshots.want([USD, CURRENCIES])
    tasks.tick()
    work(queue)
    assert len(snapshots.load(USD).rows) == 3
    assert snapshots.load(USD).interval_ms == 60_000
    assert snapshots.worker_seen_ms()


def test_what_nobody_wants_is_not_fetched(upstream, queue) -> None:
    tasks.tick()
    assert not queue


def test_two_beats_start_one_fetch(upstream, queue) -> None:
    snapshots.want([USD])
    tasks.tick()
    tasks.tick()
    tasks.start([USD.name])
    tasks.start([USD.name])
    assert len(queue) == 1


def test_fresh_data_are_not_fetched_again_and_old_ones_are(upstream, queue) -> None:
    have_lists()
    snapshots.save(fetched(USD, market(1)), 60)
    snapshots.save(fetched(EUR, market(1), age_ms=61_000), 60)
    tasks.start_due([USD, EUR])
    assert [args[0] for args, _ in queue] == [EUR.name]


def test_on_a_cold_start_the_lists_come_first_and_the_rest_follows_at_once(upstream, queue) -> None:
    snapshots.want([USD])
    tasks.tick()
    assert [args[0] for args, _ in queue] == [CURRENCIES.name]
    work(queue)
    assert snapshots.load(USD) is not None
    assert snapshots.trouble(USD) is None


def test_categories_come_with_a_market_one_by_one_and_the_widest_first(upstream, queue, redis) -> None:
    snapshots.want([USD])
    tasks.tick()
    work(queue)
    assert upstream.names == [CURRENCIES.name, USD.name]
    for _ in range(3):
        redis.delete("spot:tick")
        tasks.tick()
        work(queue)
    assert upstream.names[2:] == [MEMBERS[-1].name]
    assert redis.pttl("spot:category") > 60_000
    redis.delete("spot:tick", "spot:category")
    tasks.tick()
    work(queue)
    assert upstream.names[3:] == [MEMBERS[-2].name]


def test_a_demo_has_its_own_with_every_tick(upstream, queue, settings, redis) -> None:
    settings.SPOT_DEMO = "on"
    snapshots.want([USD])
    for _ in range(len(MEMBERS) + 1):
        redis.delete("spot:tick")
        tasks.tick()
        work(queue)
    assert all(simulated for _, _, simulated in upstream.calls)
    assert {dataset.name for dataset in MEMBERS} <= set(upstream.names)
    tasks.refresh(USD)
    assert {row["id"]: row["category"] for row in snapshots.load(USD).rows}["bitcoin"] == "Memes"


@pytest.mark.parametrize(
    ("age_ms", "interval", "wait"),
    [
        (59_000, 60.0, None),  # the next tick will start it
        (59_300, 60.0, 0.7),
        (60_000, 60.0, 0.0),
        (990, 1.0, 0.01),  # a second means a second, though a tick comes a little sooner
        (30, 1.0, 0.97),
        (-30_000, 60.0, None),  # clocks differ
        (-3_600_000, 60.0, 0.0),  # the clock has been set back since
    ],
)
def test_a_dataset_is_started_at_its_moment_whatever_the_grid_of_ticks(age_ms, interval, wait) -> None:
    now = 1_800_000_000_000
    seconds = tasks._wait(now - age_ms, None, interval, now)
    assert (seconds if seconds < 1.0 else None) == (wait if wait is None else pytest.approx(wait))


def test_the_moment_of_a_fetch_goes_along_with_it(upstream, monkeypatch) -> None:
    have_lists()
    started = []
    monkeypatch.setattr(tasks.fetch, "apply_async", lambda args, **more: started.append((args[0], more)))
    monkeypatch.setattr(pacing, "intervals", lambda datasets, **_: {one.name: 2.0 for one in datasets})
    snapshots.save(fetched(USD, market(2), age_ms=1_500), 2)
    tasks.start_due([USD])
    [(name, more)] = started
    assert name == USD.name
    assert 0 < more["countdown"] <= 0.5


def test_a_clock_set_back_puts_off_neither_the_fetch_nor_the_try_after_trouble(upstream, queue) -> None:
    have_lists()
    later = snapshots.now_ms() + 3_600_000
    snapshots.save(fetched(USD, market(2), age_ms=-3_600_000), 60)
    snapshots.set_trouble(USD, Trouble("unavailable", "Down.", later, later + 60_000))
    tasks.start_due([USD])
    assert [args[0] for args, _ in queue] == [USD.name]


def test_a_queued_fetch_expires_with_its_interval(upstream, queue) -> None:
    tasks.start_due([USD])
    assert queue[0][1] == 60.0


def test_a_task_delivered_twice_fetches_once(upstream, queue) -> None:
    snapshots.save(fetched(CURRENCIES, [{"id": "usd"}]), 60)
    tasks.start_due([USD])
    args = queue[0][0]
    tasks.fetch(*args)
    tasks.fetch(*args)
    assert upstream.names == [USD.name]


def test_a_lost_nudge_does_not_make_a_fetch_failed(upstream, queue, monkeypatch) -> None:
    have_lists()

    class NoLayer:
        async def group_send(self, *_: object) -> None:
            raise ConnectionRefusedError

    monkeypatch.setattr(nudges, "get_channel_layer", NoLayer)
    tasks.start_due([USD])
    tasks.fetch(*queue[0][0])
    assert snapshots.load(USD).rows
    assert snapshots.trouble(USD) is None


def test_what_cannot_be_started_after_a_list_does_not_make_its_fetch_failed(upstream, queue, monkeypatch) -> None:
    tasks.start_due([USD])
    monkeypatch.setattr(tasks, "start_due", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
    with pytest.raises(ConnectionRefusedError):
        tasks.fetch(*queue[0][0])
    assert snapshots.trouble(Dataset.parse(queue[0][0][0])) is None


def test_a_lost_message_holds_its_dataset_up_for_seconds_only(upstream, queue, redis, monkeypatch) -> None:
    have_lists()
    monkeypatch.setattr(pacing, "intervals", lambda datasets, **_: {dataset.name: 1.0 for dataset in datasets})
    tasks.start_due([USD])
    left = redis.ttl(f"spot:claim:{USD.name}")
    assert queue[0][1] <= left <= queue[0][1] + 2


def test_a_fetch_under_way_has_its_claim_for_as_long_as_it_may_take(upstream, queue, redis, monkeypatch) -> None:
    have_lists()
    tasks.start_due([USD])
    redis.expire(f"spot:claim:{USD.name}", 1)
    left: list[int] = []
    monkeypatch.setattr(tasks, "refresh", lambda dataset, *_: left.append(redis.ttl(f"spot:claim:{dataset.name}")))
    tasks.fetch(*queue[0][0])
    assert left[0] > tasks.settings.CELERY_TASK_TIME_LIMIT


def test_a_task_whose_claim_ended_leaves_the_work_to_the_new_holder(upstream, queue, redis) -> None:
    have_lists()
    tasks.start_due([USD])
    args = queue[0][0]
    redis.delete(f"spot:claim:{USD.name}")
    token = claims.claim(USD, 60)
    tasks.fetch(*args)
    assert not upstream.calls
    assert claims.taking_over(USD, token, 60).run(snapshots.connection())


def test_more_currencies_and_charts_than_allowed_are_not_fetched_whoever_wants_them(upstream, queue, settings) -> None:
    settings.SPOT_CURRENCIES, settings.SPOT_CHARTS, settings.SPOT_PINNED_CURRENCIES = 1, 2, ["usd"]
    have_lists(age_ms=86_401_000)
    charts = [Dataset("candles", "usd", f"c{n}", 30) for n in range(5)]
    currencies = [Dataset("markets", f"cu{n}") for n in range(5)]
    tasks.start_due([USD, *charts, *currencies, COINS])
    names = [args[0] for args, _ in queue]
    assert names == [USD.name, charts[0].name, charts[1].name, currencies[0].name, COINS.name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "markets",
        "markets:../..",
        "candles:../..:usd:30",
        "candles:bitcoin:usd:31",
        "markets:usd:0",
        "markets:usd:1",
        "coins:x",
        "quotes:usd:x",
    ],
)
def test_a_name_that_is_no_dataset_is_fetched_by_nobody(upstream, queue, name) -> None:
    with pytest.raises(ValueError):
        tasks.start([name])
    with pytest.raises(ValueError):
        tasks.fetch(name, "token", 5.0)
    assert not upstream.calls
    assert not queue


# --- what exists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset("markets", "xyz"),
        Dataset("candles", "usd", "nosuchcoin", 30),
        Dataset("candles", "xyz", "bitcoin", 30),
        Dataset("candles", "usd", "..", 30),
        Dataset("candles", "usd", "BITCOIN", 30),
    ],
)
def test_what_is_not_in_the_lists_reaches_no_provider(upstream, dataset) -> None:
    with pytest.raises(NotFound):
        tasks.refresh(dataset)
    assert set(upstream.names) <= {"currencies", "coins"}


def test_the_lists_are_fetched_once_and_then_believed(upstream) -> None:
    tasks.refresh(CHART)
    tasks.refresh(CHART)
    assert upstream.names == ["currencies", "coins", CHART.name, CHART.name]


def test_quotes_are_asked_for_by_the_ids_that_exist(upstream, settings) -> None:
    settings.SPOT_EXTRA_COINS = 5
    snapshots.want([QUOTES], {"usd": ["rare", "nosuchcoin", "../.."]})
    tasks.refresh(QUOTES)
    assert upstream.calls[-1][:2] == (QUOTES.name, ("rare",))
    assert [row["id"] for row in snapshots.load(QUOTES).rows] == ["rare"]


def test_coins_that_are_asked_for_anew_are_fetched_soon_and_once(upstream, queue) -> None:
    have_lists()
    snapshots.save(fetched(QUOTES, [coin("bitcoin")], age_ms=1000, meta={"asked": ["bitcoin"]}), 60)
    snapshots.want([QUOTES], {"usd": ["bitcoin"]})
    tasks.start([QUOTES.name])
    assert not queue
    snapshots.save(fetched(COINS, [{"id": "bitcoin"}, {"id": "rare"}]), 86_400)
    snapshots.want([QUOTES], {"usd": ["rare", "nosuchcoin"]})
    tasks.start([QUOTES.name])
    assert [args[0] for args, _ in queue] == [QUOTES.name]
    work(queue)
    assert upstream.calls[-1][1] == ("rare", "bitcoin")
    tasks.start([QUOTES.name])
    assert not queue


def test_as_many_coins_as_may_be_asked_for_keep_the_usual_pace(upstream, queue, settings) -> None:
    settings.SPOT_EXTRA_COINS = 1
    have_lists()
    snapshots.save(fetched(QUOTES, [coin("rare")], age_ms=10_000, meta={"asked": ["rare"]}), 60)
    snapshots.want([QUOTES], {"usd": ["bitcoin"]})
    tasks.start([QUOTES.name])
    assert not queue


def test_quotes_of_no_known_coin_are_not_asked_for(upstream) -> None:
    snapshots.want([QUOTES], {"usd": ["nosuchcoin"]})
    with pytest.raises(NotFound):
        tasks.refresh(QUOTES)
    assert QUOTES.name not in upstream.names


def test_new_prices_are_held_against_those_in_place(upstream) -> None:
    have_lists()
    tasks.refresh(USD)
    first = snapshots.load(USD)
    tasks.refresh(USD)
    tasks.refresh(CHART)
    assert [before and before.version for before in upstream.befores] == [None, first.version, None]


# --- what fails -------------------------------------------------------------------------------------------------------


def fail(upstream, queue, error) -> Trouble:
    snapshots.save(fetched(CURRENCIES, [{"id": "usd"}]), 86_400)
    snapshots.save(fetched(USD, market(2), age_ms=10**6), 60)
    upstream.fail[USD] = error
    tasks.start_due([USD])
    work(queue)
    return snapshots.trouble(USD)


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Unavailable("Down."), 60_000),
        (RateLimited("Slow down.", retry_after=33.0), 33_000),
        (NotFound("No such."), 60_000),
        (Unavailable("10.0.0.7 is down.", public="Acme has an outage."), 60_000),
    ],
)
def test_a_failure_keeps_the_last_good_values_and_says_why_and_when(upstream, queue, error, wait) -> None:
    trouble = fail(upstream, queue, error)
    assert (trouble.message, trouble.permanent) == (error.message, error.permanent)
    assert trouble.public == (error.public or INSIDE)
    assert trouble.next_try - trouble.at == wait
    assert len(snapshots.load(USD).rows) == 2
    tasks.start_due([USD])
    assert not queue
    assert claims.claim(USD, 1) is not None


def test_a_list_that_cannot_be_renewed_stays_while_prices_may_come_from_others(upstream, queue, redis) -> None:
    have_lists(age_ms=86_401_000)
    redis.expire(f"spot:live:table:{COINS.name}", 5)
    upstream.fail[COINS] = NotFound("Switched off.")
    tasks.start_due([COINS])
    work(queue)
    assert redis.ttl(f"spot:live:table:{COINS.name}") > 86_400


def test_after_the_rest_it_is_tried_again_and_success_ends_the_trouble(upstream, queue, monkeypatch) -> None:
    trouble = fail(upstream, queue, RateLimited("Slow down.", retry_after=33.0))
    upstream.fail.clear()
    monkeypatch.setattr(tasks, "now_ms", lambda: trouble.next_try - 1001)
    tasks.start_due([USD])
    assert not queue
    monkeypatch.setattr(tasks, "now_ms", lambda: trouble.next_try)
    tasks.start_due([USD])
    work(queue)
    assert snapshots.trouble(USD) is None
    assert len(snapshots.load(USD).rows) == 3


def test_a_failure_of_our_own_rests_too_and_holds_no_claim(upstream, queue) -> None:
    with pytest.raises(KeyError):
        fail(upstream, queue, KeyError("bug"))
    assert snapshots.trouble(USD).next_try > snapshots.now_ms()
    assert "bug" not in snapshots.trouble(USD).message
    tasks.start_due([USD])
    assert not queue
    assert claims.claim(USD, 1) is not None


# --- the demo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "asked"), [("on", [True, True]), ("off", [False, False])])
def test_on_and_off_ask_one_kind_of_provider_alone(upstream, settings, mode, asked) -> None:
    settings.SPOT_DEMO = mode
    tasks.refresh(USD)
    assert [simulated for _, _, simulated in upstream.calls] == asked
    assert snapshots.load(USD).simulated is (mode == "on")


def test_off_never_shows_a_demo_however_unreachable_the_providers(upstream, queue) -> None:
    upstream.unreachable = True
    tasks.start_due([USD])
    work(queue)
    assert snapshots.load(USD) is None
    assert not any(simulated for _, _, simulated in upstream.calls)


def test_auto_asks_the_real_ones_first_and_shows_the_demo_when_they_are_out_of_reach(upstream, settings) -> None:
    settings.SPOT_DEMO, upstream.unreachable = "auto", True
    tasks.refresh(USD)
    assert snapshots.load(USD).simulated
    # The real list, its demo; the real market, its demo.
    assert [simulated for _, _, simulated in upstream.calls] == [False, True, False, True]


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("401: no such key", public="Acme refuses this site's access."),
        OutOfBudget("left alone after unauthorized", retry_after=600, reason="unauthorized"),
    ],
)
def test_auto_shows_the_demo_and_the_reason_when_the_key_is_refused(upstream, settings, monkeypatch, error) -> None:
    settings.SPOT_DEMO, fetch = "auto", fetching.fetch
    error.public = "Acme refuses this site's access."

    def refused(dataset, ids=(), simulated=False, **more):
        if not simulated:
            raise error
        return fetch(dataset, ids, simulated, **more)

    monkeypatch.setattr(fetching, "fetch", refused)
    tasks.refresh(USD)
    assert snapshots.load(USD).simulated
    assert status.read()["simulated_because"] == "Acme refuses this site's access."


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_without_any_list_the_market_is_asked_for_by_the_one_that_ships_with_us(
    upstream, queue, settings, mode
) -> None:
    settings.SPOT_DEMO = mode
    upstream.fail = {listing: RateLimited("Slow down.") for listing in (CURRENCIES, COINS)}
    snapshots.want([USD])
    tasks.start_due([USD])
    work(queue)
    assert snapshots.load(USD).source == "acme"
    assert (snapshots.realm(), snapshots.seen_live()) == ("live", True)
    if mode == "off":
        assert snapshots.load(CURRENCIES).source == "bundled"
        assert snapshots.ages([CURRENCIES])[CURRENCIES.name][1] is not None  # it is asked for again


def test_a_list_that_ships_with_us_is_no_real_data(upstream, queue, settings) -> None:
    settings.SPOT_DEMO = "auto"
    upstream.fail = dict.fromkeys((CURRENCIES, COINS, USD), RateLimited("Slow down."))
    snapshots.want([USD])
    tasks.start_due([USD])
    work(queue)
    assert not snapshots.seen_live()
    facts = status.read()
    assert facts["simulated"] is False
    assert [row["state"] for row in facts["data"] if row["kind"] == "markets"] == ["unavailable"]


def test_auto_asks_again_after_a_while_and_real_data_end_the_demo(upstream, settings, redis) -> None:
    settings.SPOT_DEMO, upstream.unreachable = "auto", True
    tasks.refresh(USD)
    upstream.unreachable = False
    tasks.refresh(USD)
    assert snapshots.load(USD).simulated
    redis.delete("spot:probe")
    tasks.refresh(USD)
    assert not snapshots.load(USD).simulated
    assert not list(redis.scan_iter("spot:demo:*"))


def test_once_real_data_were_seen_an_outage_shows_no_demo(upstream, settings, queue) -> None:
    settings.SPOT_DEMO = "auto"
    tasks.refresh(USD)
    upstream.unreachable = True
    upstream.calls.clear()
    tasks.start_due([EUR])
    work(queue)
    assert snapshots.load(EUR) is None
    assert snapshots.trouble(EUR).message == "No route."
    assert not any(simulated for _, _, simulated in upstream.calls)


def test_a_refusal_that_is_no_outage_shows_no_demo(upstream, settings, queue) -> None:
    settings.SPOT_DEMO = "auto"
    upstream.fail[CURRENCIES] = RateLimited("Slow down.", retry_after=5)
    tasks.start_due([USD])
    work(queue)
    assert not any(simulated for _, _, simulated in upstream.calls)


def test_a_demo_moves_at_its_own_pace(upstream, settings, queue) -> None:
    settings.SPOT_DEMO = "on"
    have_lists(simulated=True)
    snapshots.save(fetched(USD, market(1), simulated=True, age_ms=6000), 5)
    tasks.start_due([USD])
    assert [args[0] for args, _ in queue] == [USD.name]
    assert queue[0][1] == 5.0
