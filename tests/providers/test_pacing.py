import pytest
from redis import Redis

from providers import pacing
from providers.datasets import Dataset
from tests.providers.conftest import KEY, Clock
from tests.providers.test_adapters import WEEK

pytestmark = pytest.mark.django_db
USD = Dataset("markets", "usd")
QUOTES = Dataset("quotes", "usd")
ALL = [USD, QUOTES, WEEK, Dataset("currencies"), Dataset("coins")]


def test_without_a_key_one_dashboard_is_polled_as_wished(redis: Redis) -> None:
    assert pacing.intervals(ALL, redis=redis) == {
        "markets:usd": 60.0,
        "quotes:usd": 60.0,
        "candles:bitcoin:usd:7": 900.0,
        "currencies": 86_400.0,
        "coins": 86_400.0,
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


def test_more_demand_than_the_budget_holds_stretches_all_alike(redis: Redis) -> None:
    eight = [Dataset("markets", currency) for currency in ("usd", "eur", "btc", "gbp", "jpy", "aud", "cad", "chf")]
    assert set(pacing.intervals(eight, redis=redis).values()) == {240.0}


def test_a_demo_key_is_polled_at_the_pace_its_month_allows(redis: Redis, settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    month_start = Clock(1_775_001_600_000)
    assert pacing.intervals([USD], redis=redis, now_ms=month_start)["markets:usd"] == pytest.approx(648, rel=0.01)


def test_a_demo_moves_within_five_seconds(redis: Redis) -> None:
    found = pacing.intervals(ALL, simulated=True, redis=redis)
    assert found["markets:usd"] == found["quotes:usd"] == 5.0
    assert found["candles:bitcoin:usd:7"] == 15.0


def test_nothing_wanted_needs_no_interval(redis: Redis) -> None:
    assert pacing.intervals([], redis=redis) == {}
