import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.serializers import serialize

import providers
from providers.models import ApiKey, ProviderSettings, key_problem
from providers.vault import Secret
from tests.providers.conftest import KEY

pytestmark = pytest.mark.django_db


def made(secret: str = KEY, plan: str = "demo") -> ApiKey:
    key = ApiKey(provider=ProviderSettings.objects.get(name="coingecko"), plan=plan)
    key.secret = Secret(secret)
    return key


def test_migrate_makes_a_row_for_every_provider() -> None:
    assert {row.name for row in ProviderSettings.objects.all()} == {provider.name for provider in providers.all()}


def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "providers", check=True, dry_run=True, verbosity=0)


def test_a_stored_key_is_encrypted_and_shows_its_last_four() -> None:
    made().save()
    key = ApiKey.objects.get()
    assert key.secret == Secret(KEY)
    assert (str(key), key.masked) == ("CoinGecko demo key ••••3210", "••••3210")
    assert KEY not in f"{key.__dict__} {serialize('json', [key])}"


def test_a_short_key_shows_nothing() -> None:
    assert made("CG-short").masked == "••••"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Paste the key"),
        ("CG-two words", "only letters"),
        ("CG-line\nbreak", "only letters"),
        ("CG-schlüssel", "only letters"),
        ("CG-\u200binvisible", "only letters"),
        ("short", "has 5"),
        ("x" * 201, "has 201"),
        (KEY, ""),
    ],
)
def test_a_typed_key_is_refused_in_a_sentence_that_does_not_repeat_it(text: str, said: str) -> None:
    problem = key_problem(text)
    assert said in problem
    assert bool(problem) is bool(said)
    assert len(text) < 4 or text not in problem


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"base_url": "nonsense"}, "base_url", "full address"),
        ({"base_url": "https://u:p@x"}, "base_url", "No user name"),
        ({"per_minute": 1}, "per_minute", "At least 2"),
        ({"per_minute": -1}, "per_minute", "greater than or equal to 0"),
        ({"per_minute": 10**9}, "per_minute", "less than or equal"),
        ({"per_month": 10**12}, "per_month", "less than or equal"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_sentence(changes: dict, field: str, said: str) -> None:
    row = ProviderSettings.objects.get(name="coingecko")
    for name, value in changes.items():
        setattr(row, name, value)
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert said in " ".join(caught.value.message_dict[field])


def test_an_address_loses_its_last_slash() -> None:
    row = ProviderSettings(name="x", base_url=" https://api.example.com/v3/ ")
    row.clean()
    assert row.base_url == "https://api.example.com/v3"


def test_a_key_of_a_plan_that_takes_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="It has: demo, pro"):
        made(plan="keyless").clean()
    sandbox = ApiKey(provider=ProviderSettings.objects.get(name="sandbox"), plan="open")
    with pytest.raises(ValidationError, match="takes no key"):
        sandbox.clean()


def test_a_row_whose_adapter_has_gone_says_so_and_breaks_nothing() -> None:
    row = ProviderSettings.objects.create(name="gone")
    assert str(row) == "gone (no longer installed)"
    key = ApiKey(provider=row, plan="demo")
    key.clean()
