"""Filling the asset table: when, from whom, at what cost, and what it never does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis
from structlog.testing import capture_logs

import providers
from providers import mapping, tasks
from providers.base import Plan, Provider
from providers.datasets import Dataset, Fetched, Row
from providers.errors import OutOfBudget, ProviderError, Unauthorized, Unreachable
from providers.matching import HAND
from providers.models import ApiKey, Asset, AssetAlias, ProviderSettings
from providers.vault import Secret
from tests.providers.test_matching import asset

pytestmark = pytest.mark.django_db
OURS = [
    asset("bitcoin", "BTC", "Bitcoin"),
    asset("batcat", "BTC", "batcat"),
    asset("tether", "USDT", "Tether", contracts=("0xdac",)),
]
THEIRS = [
    asset("1", "BTC", "Bitcoin", slug="bitcoin"),
    asset("825", "USDT", "Tether USDt", contracts=("0xdac",)),
    asset("7", "NEW", "Newcomer"),
]


def foreigner() -> Provider:
    real = providers.get("coingecko")
    return replace(
        real,
        name="acme",
        label="Acme",
        order=90,
        foreign=True,
        plans=(Plan(name="basic", base_url="https://api.acme.test", per_minute=10, per_month=0, header="x-key"),),
        endpoints=tuple(one for one in real.endpoints if one.kind == "assets"),
    )


@dataclass
class Lists:
    """What the providers list, and what they were asked. `fail` maps a provider to what it raises."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {"coingecko": OURS, "acme": THEIRS})
    fail: dict[str, ProviderError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, dataset: Dataset, **_: Any) -> Fetched:
        self.asked.append(dataset.name)
        if error := self.fail.get(dataset.topic):
            raise error
        source = {"source": dataset.topic, "label": dataset.topic}
        return Fetched(dataset, self.rows[dataset.topic], 1, as_of=None, fetched_at=0, simulated=False, **source)


@pytest.fixture
def lists(monkeypatch, settings) -> Iterator[Lists]:
    settings.SPOT_DEMO = "off"
    everybody = (providers.get("coingecko"), foreigner(), providers.get("sandbox"))
    monkeypatch.setattr(providers, "all", lambda: everybody)
    row = ProviderSettings.objects.create(name="acme")
    ApiKey.objects.create(provider=row, plan="basic", secret=Secret("a-first-acme-key"))
    return Lists()


def mapped(redis: Redis, lists: Lists) -> list[str]:
    return mapping.map_due(redis, fetch=lists.fetch)


def aliases(**wanted: Any) -> dict[str, tuple[str | None, str]]:
    found = AssetAlias.objects.filter(provider="acme", **wanted)
    return {alias.foreign_id: (alias.asset_id, alias.matched) for alias in found}


def test_the_table_says_who_is_who_and_who_is_not_known(lists: Lists, redis: Redis) -> None:
    with capture_logs() as logs:
        assert mapped(redis, lists) == ["acme"]
    assert lists.asked == ["assets:coingecko", "assets:acme"]
    assert set(Asset.objects.values_list("id", "symbol", "name")) == {
        ("bitcoin", "BTC", "Bitcoin"), ("batcat", "BTC", "batcat"), ("tether", "USDT", "Tether"),
    }  # fmt: skip
    assert aliases() == {"1": ("bitcoin", "slug"), "825": ("tether", "contract"), "7": (None, "")}
    said = next(entry for entry in logs if entry["event"] == "assets mapped")
    assert (said["listed"], said["slug"], said["contract"], said["unmatched"]) == (3, 1, 1, 1)


def test_it_is_done_once_a_day_and_writes_only_what_changed(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    assert mapped(redis, lists) == []
    assert len(lists.asked) == 2
    assert 0 < redis.ttl("spot:identity:mapped:acme") <= 86_400
    redis.delete("spot:identity:mapped:acme")  # a day later
    lists.rows["acme"] = [*THEIRS[:2], asset("7", "NEW", "Newcomer", coin="batcat")]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert mapped(redis, lists) == ["acme"]
    written = [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(written) == 1
    assert aliases()["7"] == ("batcat", "stated")


def test_what_is_left_to_recognition_again_is_mapped_at_once(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    AssetAlias.objects.filter(foreign_id="1").update(asset_id=None, matched="")
    assert mapped(redis, lists) == []
    mapping.remap(redis, "acme")
    assert mapped(redis, lists) == ["acme"]
    assert aliases()["1"] == ("bitcoin", "slug")
    mapping.remap(redis, "acme")
    lists.fail["acme"] = Unauthorized("401: no such key")
    assert mapped(redis, lists) == []
    mapping.remap(redis, "acme")
    lists.fail.clear()
    assert mapped(redis, lists) == [], "it rests"


def test_a_database_that_was_replaced_is_filled_at_once(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    AssetAlias.objects.all().delete()
    assert mapped(redis, lists) == ["acme"]


def test_without_a_provider_that_needs_it_nothing_is_asked(lists: Lists, redis: Redis, settings) -> None:
    settings.SPOT_DEMO = "on"
    assert mapped(redis, lists) == []
    settings.SPOT_DEMO = "off"
    ApiKey.objects.update(enabled=False)
    assert mapped(redis, lists) == []
    ApiKey.objects.update(enabled=True)
    ProviderSettings.objects.update(enabled=False)
    assert mapped(redis, lists) == []
    assert lists.asked == []


def test_what_an_operator_decided_is_never_overruled(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    AssetAlias.objects.filter(foreign_id="1").update(asset_id=None, matched=HAND)
    AssetAlias.objects.filter(foreign_id="7").update(asset_id="tether", matched=HAND)
    redis.delete("spot:identity:mapped:acme")
    lists.rows["acme"] = [*THEIRS[:2], asset("7", "BTC", "batcat")]
    mapped(redis, lists)
    assert aliases() == {"1": (None, HAND), "825": (None, ""), "7": ("tether", HAND)}


def test_an_operator_who_decides_while_it_runs_was_first(lists: Lists, redis: Redis, monkeypatch) -> None:
    match = mapping.match

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        AssetAlias.objects.create(provider="acme", foreign_id="1", asset_id="batcat", matched=HAND, symbol="", name="")
        return match(*arguments, **options)

    monkeypatch.setattr(mapping, "match", meanwhile)
    mapped(redis, lists)
    assert aliases()["1"] == ("batcat", HAND)


def test_what_is_listed_no_more_goes_but_for_what_an_operator_needs(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    AssetAlias.objects.filter(foreign_id="7").update(asset_id="batcat", matched=HAND)
    redis.delete("spot:identity:mapped:acme")
    lists.rows = {"coingecko": [OURS[0], OURS[2]], "acme": THEIRS[:2]}
    mapped(redis, lists)
    assert aliases() == {"1": ("bitcoin", "slug"), "825": ("tether", "contract"), "7": ("batcat", HAND)}
    AssetAlias.objects.filter(foreign_id="7").update(matched="name")
    redis.delete("spot:identity:mapped:acme")
    mapped(redis, lists)
    assert set(aliases()) == {"1", "825"}
    assert set(Asset.objects.values_list("pk", flat=True)) == {"bitcoin", "tether"}


def test_a_list_cut_off_takes_nothing_away(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    redis.delete("spot:identity:mapped:acme")
    lists.rows = {"coingecko": OURS[:1], "acme": THEIRS[:1]}
    mapped(redis, lists)
    assert Asset.objects.count() == 3
    assert set(aliases()) == {"1", "825", "7"}


def test_without_our_own_list_what_is_known_serves_and_nothing_is_lost(lists: Lists, redis: Redis) -> None:
    mapped(redis, lists)
    redis.delete("spot:identity:mapped:acme")
    lists.fail["coingecko"] = Unreachable("No route.")
    lists.rows["acme"] = [THEIRS[0], asset("825", "USDT", "Tether USDt"), asset("8", "BTC", "batcat")]
    assert mapped(redis, lists) == ["acme"]
    assert aliases() == {"1": ("bitcoin", "slug"), "825": ("tether", "contract"), "8": ("batcat", "name")}


def test_without_any_list_of_ours_the_one_that_ships_with_us_recognises_the_large_coins(
    lists: Lists, redis: Redis
) -> None:
    lists.fail["coingecko"] = Unauthorized("401: no such key")
    lists.rows["acme"] = [asset("1", "BTC", "Bitcoin", slug="bitcoin"), asset("5", "WHO", "Whoever")]
    assert mapped(redis, lists) == ["acme"]
    assert aliases() == {"1": ("bitcoin", "slug"), "5": (None, "")}
    assert redis.ttl("spot:identity:mapped:acme") <= 3_600  # sooner than usual: our own list is longer


@pytest.mark.parametrize(
    ("error", "rest"),
    [
        (Unauthorized("401: no such key"), 300),
        (OutOfBudget("the month is used up", retry_after=7200, reason="month"), 7200),
        (OutOfBudget("the minute is used up", retry_after=4, reason="minute"), 60),
    ],
)
def test_who_fails_rests_until_something_is_changed(
    lists: Lists, redis: Redis, error: ProviderError, rest: int
) -> None:
    lists.fail["acme"] = error
    with capture_logs() as logs:
        assert mapped(redis, lists) == mapped(redis, lists) == []
    assert lists.asked.count("assets:acme") == 1
    assert [entry["retry_in"] for entry in logs if entry["event"] == "assets not mapped"] == [rest]
    lists.fail.clear()
    ApiKey.objects.create(
        provider=ProviderSettings.objects.get(name="acme"), plan="basic", secret=Secret("another-key")
    )
    assert mapped(redis, lists) == ["acme"]


def test_one_runs_at_a_time_and_the_lock_ends_with_it(lists: Lists, redis: Redis) -> None:
    redis.set("spot:identity:lock", "somebody", ex=200)
    assert mapped(redis, lists) == []
    assert redis.get("spot:identity:lock") == b"somebody"
    redis.delete("spot:identity:lock")
    assert mapped(redis, lists) == ["acme"]
    assert not redis.exists("spot:identity:lock")
    assert tasks.map_assets.time_limit < mapping.LOCK_SECONDS


def test_seventeen_thousand_rows_take_few_statements(lists: Lists, redis: Redis) -> None:
    lists.rows = {
        "coingecko": [asset(f"coin-{n}", f"C{n % 9000}", f"Coin {n}") for n in range(17_000)],
        "acme": [asset(str(n), f"C{n % 9000}", f"Coin {n}") for n in range(17_000)],
    }
    with CaptureQueriesContext(connection) as queries:
        assert mapped(redis, lists) == ["acme"]
    assert len(queries) < 500
    assert AssetAlias.objects.filter(asset__isnull=False).count() == 17_000


def test_ids_and_texts_too_long_for_the_table_do_no_harm(lists: Lists, redis: Redis) -> None:
    lists.rows["acme"] = [asset("x" * 101, "BTC", "Bitcoin", slug="bitcoin"), asset("2", "S" * 200, "N" * 300)]
    mapped(redis, lists)
    assert [(len(one.symbol), len(one.name)) for one in AssetAlias.objects.all()] == [(60, 300)]
