from dataclasses import replace

import pytest
from redis import Redis

import providers
from providers import access, pacing
from providers.breaker import PATIENCE, Breaker
from providers.budget import Budget
from providers.datasets import Dataset
from providers.errors import RateLimited, Unauthorized, Unreachable
from providers.models import ApiKey, ProviderSettings
from providers.pacing import Poll, factors
from providers.vault import Secret
from tests.providers.conftest import KEY, Clock
from tests.providers.test_adapters import WEEK

pytestmark = pytest.mark.django_db
USD = Dataset("markets", "usd")
QUOTES = Dataset("quotes", "usd")
MONTH_START = 1_775_001_600_000  # 2026-04-01, which has 30 days
ALL = [USD, QUOTES, WEEK, Dataset("currencies"), Dataset("coins"), Dataset("category", topic="defi")]


def test_without_a_key_one_dashboard_is_polled_as_wished(redis: Redis) -> None:
    assert pacing.intervals(ALL, redis=redis) == {
        "markets:usd": 60.0,
        "quotes:usd": 60.0,
        "candles:bitcoin:usd:7": 900.0,
        "currencies": 86_400.0,
        "coins": 86_400.0,
        "category:defi": 86_400.0,
    }


def test_a_wish_faster_than_the_providers_cache_is_not_followed(redis: Redis, settings) -> None:
    settings.SPOT_POLL_SECONDS = 5
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 60.0}
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "pro"
    assert pacing.intervals([USD], redis=redis)["markets:usd"] >= 45.0


def test_a_stand_in_is_polled_as_fast_as_wished(redis: Redis, settings) -> None:
    settings.COINGECKO_BASE_URL, settings.COINGECKO_CALLS_PER_MINUTE = "http://127.0.0.1:9/api/v3", 100
    settings.SPOT_POLL_SECONDS = 5
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 5.0}


EIGHT = [Dataset("markets", currency) for currency in ("usd", "eur", "btc", "gbp", "jpy", "aud", "cad", "chf")]


def test_more_demand_than_the_budget_holds_stretches_all_alike(redis: Redis, settings) -> None:
    settings.SPOT_PINNED_CURRENCIES = []
    assert set(pacing.intervals(EIGHT, redis=redis).values()) == {240.0}


def test_idle_sockets_in_other_currencies_do_not_slow_down_what_many_look_at(redis: Redis, settings) -> None:
    settings.SPOT_PINNED_CURRENCIES = []
    viewers = {one.name: 1 for one in EIGHT} | {"markets:eur": 20}
    found = pacing.intervals(EIGHT, viewers=viewers, redis=redis)
    assert found.pop("markets:eur") == 60.0
    assert list(found.values()) == pytest.approx([420.0] * 7)
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    start = Clock(MONTH_START)
    found = pacing.intervals(EIGHT, viewers=viewers, redis=redis, now_ms=start)
    assert found["markets:eur"] == pytest.approx(648 * 27 / 20, rel=0.01)


def test_a_pinned_currency_keeps_half_of_the_allowance_however_many_look_at_others(redis: Redis, settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    viewers = {one.name: 100 for one in EIGHT} | {"markets:usd": 1}
    found = pacing.intervals(EIGHT, viewers=viewers, redis=redis, now_ms=Clock(MONTH_START))
    assert found["markets:usd"] == pytest.approx(648 * 2, rel=0.01)
    assert found["markets:eur"] == pytest.approx(648 * 2 * 7, rel=0.01)


def test_a_refused_key_is_no_allowance_until_it_is_accepted(redis: Redis) -> None:
    key("CG-first-key")
    key("CG-second-key")
    clock, budget = Clock(MONTH_START), Budget(redis, Clock(MONTH_START))
    both = pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"]
    refused = access.all_of(providers.get("coingecko"))[0]
    budget.failed(refused, Unauthorized("no"))
    assert pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"] == pytest.approx(2 * both, rel=0.01)
    clock.forward(601)  # its rest is over, and nobody has tried it
    assert pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"] > 1.9 * both
    budget.succeeded(refused)
    assert pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"] == pytest.approx(both, rel=0.01)


def test_a_demo_key_is_polled_at_the_pace_its_month_allows(redis: Redis, settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    month_start = Clock(1_775_001_600_000)
    assert pacing.intervals([USD], redis=redis, now_ms=month_start)["markets:usd"] == pytest.approx(648, rel=0.01)


def test_many_charts_do_not_slow_down_what_everybody_looks_at(redis: Redis, settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    charts = [Dataset("candles", "usd", coin=f"coin-{n}", days=7) for n in range(100)]
    found = pacing.intervals([USD, *charts], redis=redis, now_ms=Clock(MONTH_START))
    assert found["markets:usd"] == pytest.approx(648 / 0.9, rel=0.01)
    # A hundred times two calls, out of a tenth of 8,000 a month.
    (pace,) = {found[chart.name] for chart in charts}
    assert pace == pytest.approx(30 * 86_400 * 200 / 800, rel=0.02)


def test_a_demo_moves_within_five_seconds(redis: Redis) -> None:
    found = pacing.intervals(ALL, simulated=True, redis=redis)
    assert found["markets:usd"] == found["quotes:usd"] == 5.0
    assert found["candles:bitcoin:usd:7"] == 15.0


def test_nothing_wanted_needs_no_interval(redis: Redis) -> None:
    assert pacing.intervals([], redis=redis) == {}


# --- several accounts -----------------------------------------------------------------------------------------------


def key(secret: str, **changes: object) -> None:
    made = ApiKey(provider=ProviderSettings.objects.get(name="coingecko"), plan="demo", **changes)
    made.secret = Secret(secret)
    made.save()


def test_two_keys_are_two_allowances(redis: Redis) -> None:
    key("CG-first-key")
    key("CG-second-key", per_month=20_000)
    found = pacing.intervals([USD], redis=redis, now_ms=Clock(MONTH_START))
    assert found["markets:usd"] == pytest.approx(216, rel=0.01)


def test_what_was_left_over_is_spent_over_a_day(redis: Redis) -> None:
    key("CG-first-key")
    (entry,), clock = access.all_of(providers.get("coingecko")), Clock(MONTH_START)
    Budget(redis, clock).spend(entry, 0)
    clock.forward(86_400)
    found = pacing.intervals([USD], redis=redis, now_ms=clock)
    # 333 a day accrued and unused, and 80 % of the 333 that this day brings
    assert found["markets:usd"] == pytest.approx(86_400 / (333.3 * 1.8 / 2), rel=0.01)


def test_another_provider_pays_while_the_first_rests_and_the_first_when_all_do(redis: Redis, monkeypatch) -> None:
    real = providers.get("coingecko")
    toy = replace(real, name="toy", order=1, plans=(replace(real.plan("keyless"), name="toy", per_minute=1),))
    monkeypatch.setattr(providers, "all", lambda: (toy, real))
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 150.0}
    budget = Budget(redis)
    budget.failed(access.of(toy), RateLimited("no", retry_after=60))
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 60.0}
    budget.failed(access.of(real), RateLimited("no", retry_after=60))
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 150.0}


def test_another_provider_pays_while_the_first_is_left_alone(redis: Redis, monkeypatch, clock: Clock) -> None:
    first = providers.get("coingecko")
    slow = replace(first, name="slow", order=99, plans=(replace(first.plans[0], per_minute=2),))
    monkeypatch.setattr(providers, "all", lambda: (first, slow))
    alone = pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"]
    for _ in range(PATIENCE):
        Breaker(redis, clock).failed("coingecko", Unreachable("gone"))
    assert pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"] > alone
    for _ in range(PATIENCE):
        Breaker(redis, clock).failed("slow", Unreachable("gone"))
    assert pacing.intervals([USD], redis=redis, now_ms=clock)["markets:usd"] == alone


def test_a_provider_without_a_key_that_it_needs_pays_for_nothing(redis: Redis, monkeypatch) -> None:
    real = providers.get("coingecko")
    keyed = replace(real, name="toy", order=1, plans=(replace(real.plan("demo"), per_month=1),))
    monkeypatch.setattr(providers, "all", lambda: (keyed, real))
    assert pacing.intervals([USD], redis=redis) == {"markets:usd": 60.0}
    monkeypatch.setattr(providers, "all", lambda: (keyed,))
    assert pacing.intervals([USD], redis=redis) == {}


def test_a_lower_limit_that_was_found_is_kept_to(redis: Redis, settings) -> None:
    settings.SPOT_PINNED_CURRENCIES = []
    key("CG-first-key", per_month=0)
    (entry,) = access.all_of(providers.get("coingecko"))
    assert set(pacing.intervals(EIGHT, redis=redis).values()) == {60.0}
    budget = Budget(redis)
    budget.spend(entry, 6)
    for _ in range(2):
        budget.failed(entry, RateLimited("no", retry_after=1))
        budget.succeeded(entry)
    assert set(pacing.intervals(EIGHT, redis=redis).values()) == {240.0}


INF = float("inf")


@pytest.mark.parametrize(
    ("demands", "calls", "month", "factor"),
    [
        ([], 0.0, 0.0, 1.0),
        ([(2, 2, 60.0)], 4 / 60, INF, 1.0),
        ([(2, 2, 60.0)] * 8, 4 / 60, INF, 4.0),
        ([(2, 2, 60.0)], INF, INF, 1.0),
        ([(2, 2, 60.0)], INF, 1 / 60, 2.0),
        ([(1, 10, 60.0)], 1 / 60, 2 / 60, 5.0),
        ([(1, 0, 60.0)], INF, 0.0, 1.0),
        ([(2, 2, 60.0)], INF, 0.0, 43_200.0),
    ],
)
def test_intervals_stretch_until_the_demand_fits(demands, calls: float, month: float, factor: float) -> None:
    wanted = {Dataset("markets", f"aa{n}"): Poll(*one) for n, one in enumerate(demands)}
    assert factors(wanted, calls, month) == pytest.approx(dict.fromkeys(wanted, factor))


@pytest.mark.parametrize(
    ("first", "candles", "calls", "month", "found"),
    [
        (0, 0, 1.0, INF, (1, 1)),
        (2, 0, 1.0, INF, (2, 1)),  # no candles: they have it all
        (0, 2, 1.0, INF, (1, 2)),
        (0.5, 0.5, 1.0, INF, (1, 1)),
        (1.9, 0.1, 1.0, INF, (2, 2)),  # alike, as long as candles use no more than a tenth
        (2, 2, 1.0, INF, (2 / 0.9, 20)),
        (0.4, 2, 1.0, INF, (1, 2 / 0.6)),  # what the others do not want is theirs
        (2, 2, INF, 1.0, (2 / 0.9, 20)),
        (2, 2, INF, INF, (1, 1)),
        (2, 2, INF, 0.0, (43_200, 43_200)),
    ],
)
def test_candles_get_what_markets_leave_and_a_tenth_at_least(first, candles, calls, month, found) -> None:
    wanted = {USD: first, QUOTES: first, WEEK: 2 * candles}  # halves, so that both kinds of the first count
    demands = {one: Poll(round(500 * per_second), 500 * per_second, 1000.0) for one, per_second in wanted.items()}
    assert factors(demands, calls, month) == pytest.approx({USD: found[0], QUOTES: found[0], WEEK: found[1]})
