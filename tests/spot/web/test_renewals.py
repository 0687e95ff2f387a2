"""What the admin's first page tells of each dataset: pace, last fetch, next fetch, and why not sooner."""

import re

import pytest
from django.test import Client

from providers.datasets import Dataset, Fetched
from providers.models import ApiKey, ProviderSettings
from providers.vault import Secret
from spot import snapshots
from spot.snapshots import Trouble, now_ms
from spot.web import renewals
from tests.live import NOWHERE
from tests.providers.pages import page, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
MARKET = Dataset("markets", "usd")


@pytest.fixture(autouse=True)
def live(redis, settings) -> None:
    settings.SPOT_DEMO = "off"
    snapshots.mark_worker()


def stored(dataset: Dataset = MARKET, age_s: int = 20, **facts: object) -> None:
    now = now_ms()
    fetched = Fetched(
        dataset=dataset,
        rows=[{"id": "bitcoin"}],
        as_of=now - age_s * 1000,
        fetched_at=now - age_s * 1000,
        source="coingecko",
        label="CoinGecko",
        **{"simulated": False, "calls": 1, **facts},
    )
    snapshots.save(fetched, 60)


def line(what: str) -> renewals.Renewal:
    return next(one for one in renewals.read().lines if one.what == what)


def test_a_market_is_told_with_its_pace_and_its_next_fetch() -> None:
    snapshots.want([MARKET])
    stored()
    told = line("market, USD")
    assert (told.source, told.pace) == ("CoinGecko", "every 60 s")
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC, 2\d s ago", told.last)
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC, in [34]\d s", told.next)
    assert told.why == "SPOT_POLL_SECONDS is 60"


def test_a_pace_that_a_plan_slows_down_says_so() -> None:
    key = ApiKey(provider=ProviderSettings.objects.get(name="coingecko"), plan="demo")
    key.secret = Secret("CG-canary-9f8e7d6c5b4a3210")
    key.save()
    snapshots.want([MARKET])
    stored()
    told = line("market, USD")
    assert told.pace.endswith(" min")
    assert told.why == "slowed down so that the allowance of minute and month lasts"


def test_trouble_is_told_in_the_operators_words_with_the_next_try() -> None:
    snapshots.want([MARKET])
    stored(age_s=120)
    now = now_ms()
    snapshots.set_trouble(
        MARKET, Trouble("unavailable", "CoinGecko: 401: no such key", now, now + 90_000, public="No.")
    )
    told = line("market, USD")
    assert told.why == "CoinGecko: 401: no such key"
    assert re.search(r", in [89]\d s$", told.next)


def test_what_nobody_looks_at_is_told_as_not_fetched() -> None:
    stored(age_s=3600)
    told = line("market, USD")
    assert (told.pace, told.next, told.why) == ("-", "-", "not fetched while no page or client asks for it")


def test_what_was_never_fetched_is_due_now_and_charts_are_told_together() -> None:
    snapshots.want([Dataset("candles", "usd", "bitcoin", 7), Dataset("candles", "usd", "ethereum", 7)])
    told = line("price charts, USD (2)")
    assert (told.last, told.next) == ("never", "now")


def test_a_site_without_a_worker_or_a_store_says_so_on_the_first_page(admin_client: Client, redis, settings) -> None:
    assert renewals.read().notices == []
    redis.set("spot:worker", now_ms() - 60_000)
    html = text(page(admin_client, "admin:index"))
    assert "No worker has run since" in html
    assert "Datasets now" in html
    snapshots.connection.cache_clear()
    settings.REDIS = NOWHERE
    try:
        assert "Redis cannot be reached. Nothing new can be stored" in text(page(admin_client, "admin:index"))
    finally:
        snapshots.connection.cache_clear()


def test_a_store_that_takes_no_writes_is_told_on_the_first_page(admin_client: Client, redis) -> None:
    redis.config_set("maxmemory", "1")
    try:
        assert "Redis is full: raise its maxmemory" in text(page(admin_client, "admin:index"))
    finally:
        redis.config_set("maxmemory", "0")
