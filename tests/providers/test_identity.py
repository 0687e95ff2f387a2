"""The dictionary between ids: in bulk, remembered for seconds, and silent about what nobody knows."""

import pytest
from django.db import OperationalError
from structlog.testing import capture_logs

from providers import identity
from providers.identity import Dictionary
from providers.models import Asset, AssetAlias

pytestmark = pytest.mark.django_db


class Seconds:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def dictionary(seconds: Seconds) -> Dictionary:
    for coin, symbol, name in (("bitcoin", "BTC", "Bitcoin"), ("batcat", "BTC", "batcat"), ("ripple", "XRP", "XRP")):
        Asset.objects.create(id=coin, symbol=symbol, name=name)
    alias("1", "bitcoin")
    alias("52", "ripple")
    alias("99999", None)
    return Dictionary(seconds)


def alias(foreign_id: str, coin: str | None, matched: str = "slug", provider: str = "acme") -> AssetAlias:
    return AssetAlias.objects.create(
        provider=provider, foreign_id=foreign_id, symbol="X", name="X", asset_id=coin, matched=matched
    )


def test_ids_are_translated_both_ways_in_one_query(dictionary: Dictionary, django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        assert dictionary.canonical("acme", ["1", "52", "99999", "nothing"]) == {"1": "bitcoin", "52": "ripple"}
    with django_assert_num_queries(1):
        assert dictionary.foreign("acme", ["ripple", "bitcoin", "batcat"]) == {"ripple": "52", "bitcoin": "1"}
    assert dictionary.canonical("another", ["1"]) == {}


def test_what_was_asked_is_not_asked_again_for_seconds(dictionary: Dictionary, django_assert_num_queries) -> None:
    dictionary.canonical("acme", ["1", "nothing"])
    with django_assert_num_queries(0):
        assert dictionary.canonical("acme", ["nothing", "1"]) == {"1": "bitcoin"}
        assert dictionary.canonical("acme", []) == {}


def test_what_an_operator_changes_holds_within_seconds(dictionary: Dictionary, seconds: Seconds) -> None:
    assert dictionary.canonical("acme", ["1", "99999"]) == {"1": "bitcoin"}
    assert dictionary.foreign("acme", ["batcat"]) == {}
    AssetAlias.objects.filter(foreign_id="99999").update(asset_id="batcat", matched="hand")
    AssetAlias.objects.filter(foreign_id="1").update(asset_id=None)
    seconds.now += 5
    assert dictionary.canonical("acme", ["1", "99999"]) == {"99999": "batcat"}
    assert dictionary.foreign("acme", ["batcat", "bitcoin"]) == {"batcat": "99999"}


def test_of_several_aliases_the_operators_choice_is_asked_for(dictionary: Dictionary) -> None:
    alias("a", "batcat", "hand")
    alias("b", "batcat", "name")
    assert dictionary.foreign("acme", ["batcat"]) == {"batcat": "a"}
    assert dictionary.canonical("acme", ["a", "b"]) == {"a": "batcat", "b": "batcat"}


def test_a_provider_whose_ids_are_ours_needs_no_dictionary(dictionary: Dictionary, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert dictionary.canonical("coingecko", ["bitcoin"]) == {"bitcoin": "bitcoin"}
        assert dictionary.foreign("coingecko", ["bitcoin"]) == {"bitcoin": "bitcoin"}


def test_while_the_database_is_away_what_it_said_last_holds(
    dictionary: Dictionary, seconds: Seconds, monkeypatch
) -> None:
    assert dictionary.canonical("acme", ["1"]) == {"1": "bitcoin"}

    def away(*_: object) -> dict[str, str]:
        raise OperationalError("gone")

    monkeypatch.setattr(identity, "_canonical", away)
    seconds.now += 60
    with capture_logs() as logs:
        assert dictionary.canonical("acme", ["1", "52"]) == {"1": "bitcoin"}
        assert dictionary.canonical("acme", ["1", "52"]) == {"1": "bitcoin"}
    assert [entry["log_level"] for entry in logs] == ["warning"]
    monkeypatch.undo()
    assert dictionary.canonical("acme", ["1", "52"]) == {"1": "bitcoin", "52": "ripple"}


def test_the_memory_is_bounded(dictionary: Dictionary, monkeypatch) -> None:
    monkeypatch.setattr(identity, "_MOST_CACHED", 100)
    for start in range(0, 1000, 50):
        dictionary.canonical("acme", [f"x{n}" for n in range(start, start + 50)])
        assert len(dictionary._cache) <= 100
    assert dictionary.canonical("acme", ["1"]) == {"1": "bitcoin"}


def test_more_ids_than_the_memory_holds_are_translated_all_the_same(dictionary: Dictionary, monkeypatch) -> None:
    monkeypatch.setattr(identity, "_MOST_CACHED", 100)
    monkeypatch.setattr(identity, "_AT_ONCE", 40)
    AssetAlias.objects.bulk_create(
        AssetAlias(provider="acme", foreign_id=f"n{n}", asset_id="batcat", symbol="X", name="X") for n in range(300)
    )
    assert len(dictionary.canonical("acme", [f"n{n}" for n in range(300)])) == 300


@pytest.mark.parametrize("symbol", ["BTC", "btc", " Btc "])
def test_a_symbol_has_candidates_and_never_a_first_hit(dictionary: Dictionary, symbol: str) -> None:
    assert identity.candidates(symbol) == [("batcat", "batcat"), ("bitcoin", "Bitcoin")]
    assert identity.candidates("NOPE") == []
