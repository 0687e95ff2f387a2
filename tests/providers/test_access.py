from dataclasses import replace

import pytest
from django.db import OperationalError
from structlog.testing import capture_logs

import providers
from providers import access
from providers.base import Plan, Provider
from providers.models import ApiKey, ProviderSettings
from providers.vault import Secret
from tests.providers.conftest import KEY

pytestmark = pytest.mark.django_db
COINGECKO = providers.get("coingecko")


def row(**changes) -> ProviderSettings:
    found = ProviderSettings.objects.get(name="coingecko")
    for name, value in changes.items():
        setattr(found, name, value)
    found.save()
    return found


def key(secret: str = KEY, plan: str = "demo", **changes) -> ApiKey:
    made = ApiKey(provider=row(), plan=plan, **changes)
    made.secret = Secret(secret)
    made.save()
    return made


def seen() -> tuple[str, str, str, int, int]:
    entry = access.of(COINGECKO)
    return entry.plan.name, entry.base_url, entry.key.reveal(), entry.per_minute, entry.per_month


HOST = "https://api.coingecko.com/api/v3"


def test_without_anything_it_is_the_plan_that_takes_no_key() -> None:
    assert seen() == ("keyless", HOST, "", 5, 0)


def test_it_works_before_the_rows_are_made() -> None:
    ProviderSettings.objects.all().delete()
    assert seen() == ("keyless", HOST, "", 5, 0)


def test_the_environment_changes_what_the_plan_says(settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = f" {KEY}\n", "demo"
    assert seen() == ("demo", HOST, KEY, 30, 10_000)
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:1/api/v3/"
    settings.COINGECKO_CALLS_PER_MINUTE, settings.COINGECKO_CALLS_PER_MONTH = 100, 0
    assert seen() == ("demo", "http://127.0.0.1:1/api/v3", KEY, 100, 0)


def test_the_row_changes_what_the_environment_says(settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = "CG-environment", "demo"
    settings.COINGECKO_BASE_URL, settings.COINGECKO_CALLS_PER_MINUTE = "http://127.0.0.1:1", 7
    row(base_url="http://127.0.0.1:2", per_minute=0, per_month=9)
    key(plan="pro")
    assert seen() == ("pro", "http://127.0.0.1:2", KEY, 0, 9)


def test_host_header_and_limits_go_with_the_keys_plan() -> None:
    key(plan="pro")
    entry = access.of(COINGECKO)
    assert entry.base_url == "https://pro-api.coingecko.com/api/v3"
    assert entry.plan.header == "x-cg-pro-api-key"
    assert (entry.per_minute, entry.per_month) == (500, 500_000)
    assert entry.usual_address


def test_the_newest_enabled_key_that_can_be_used_is_used(settings) -> None:
    key("CG-first-key")
    key("CG-second-key")
    assert seen()[2] == "CG-second-key"
    key("CG-third-key", enabled=False)
    key("CG-fourth-key", plan="retired plan")
    key("CG-fifth-key", plan="keyless")
    assert seen()[2] == "CG-second-key"
    ApiKey.objects.update(token="written with another secret")
    assert seen()[:3] == ("keyless", HOST, "")


@pytest.mark.parametrize(("secret", "plan"), [(KEY, "keyless"), (KEY, "gold"), ("", "demo"), ("  ", "pro"), ("  ", "")])
def test_half_an_environment_is_no_key(settings, secret: str, plan: str) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = secret, plan
    assert seen()[:3] == ("keyless", HOST, "")


@pytest.mark.parametrize("provider", [one for one in providers.all() if not one.simulated], ids=lambda one: one.name)
def test_a_key_without_a_plan_is_of_the_first_plan_that_takes_one(settings, provider: Provider) -> None:
    setattr(settings, f"{provider.name.upper()}_API_KEY", KEY)
    (entry,) = access.all_of(provider)
    assert entry.plan is next(plan for plan in provider.plans if plan.header)
    assert entry.key.reveal() == KEY
    setattr(settings, f"{provider.name.upper()}_API_KEY", "")
    assert [one.plan.header for one in access.all_of(provider)] == ([""] if provider.keyless else [])


def test_a_key_can_be_tried_that_is_not_the_one_in_use() -> None:
    tried = key("CG-to-be-tried", plan="pro", enabled=False)
    assert access.of(COINGECKO, tried).key == Secret("CG-to-be-tried")
    assert seen()[2] == ""


def test_another_key_is_another_account_and_any_change_another_route() -> None:
    keyless = access.of(COINGECKO)
    key()
    demo = access.of(COINGECKO)
    row(base_url="http://127.0.0.1:3")
    moved = access.of(COINGECKO)
    assert keyless.account != demo.account == moved.account
    assert len({keyless.route, demo.route, moved.route}) == 3
    assert KEY not in f"{demo!r} {demo.account} {demo.route}"


def test_what_was_last_known_holds_while_the_database_is_away(monkeypatch) -> None:
    key()
    row(per_minute=7)
    known = seen()
    monkeypatch.setattr(ProviderSettings, "objects", _Away())
    with capture_logs() as lines:
        assert seen() == seen() == known
    assert [line["event"] for line in lines] == ["settings not read, using the last ones"]
    monkeypatch.setattr(access, "_cache", {})
    assert seen() == ("keyless", HOST, "", 5, 0)
    monkeypatch.undo()
    row(per_minute=8)
    assert seen()[3] == 8


class _Away:
    def filter(self, **_lookup: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")


def test_the_sandbox_is_where_its_setting_says(settings) -> None:
    settings.SANDBOX_BASE_URL = "http://127.0.0.1:4/api/v3"
    entry = access.of(providers.get("sandbox"))
    assert (entry.base_url, entry.per_minute, entry.per_month) == ("http://127.0.0.1:4/api/v3", 0, 0)


# --- several keys, and providers that need one ----------------------------------------------------------------------
def toy(*plans: Plan) -> Provider:
    return replace(COINGECKO, name="toy", plans=plans)


FREE = Plan(name="free", base_url="https://toy.example/v1", per_minute=9, per_month=0)
KEYED = Plan(
    name="basic",
    base_url="https://toy.example/v1",
    per_minute=30,
    per_month=100,
    header="x-key",
    stream_url="wss://toy.example/stream",
)


def test_a_provider_that_needs_a_key_and_has_none_is_not_usable() -> None:
    assert access.all_of(toy(KEYED)) == []
    entry = access.of(toy(KEYED))
    assert (entry.plan, bool(entry.key), entry.usable) == (KEYED, False, False)
    assert [one.usable for one in access.all_of(toy(FREE, KEYED))] == [True]


def test_the_environments_key_is_enough_where_the_first_plan_takes_one(settings) -> None:
    settings.TOY_API_KEY = "environment-key"
    settings.TOY_STREAM_URL = "ws://127.0.0.1:5/"
    (entry,) = access.all_of(toy(KEYED))
    assert (entry.key, entry.plan, entry.stream_url) == (Secret("environment-key"), KEYED, "ws://127.0.0.1:5")


def test_streams_have_addresses_of_their_own(settings) -> None:
    assert access.of(toy(KEYED)).stream_url == "wss://toy.example/stream"
    row(stream_url="ws://127.0.0.1:6/v1")
    assert access.of(COINGECKO).stream_url == "ws://127.0.0.1:6/v1"


def test_only_keys_whose_plan_has_a_kind_serve_it() -> None:
    key("CG-first-key")
    key("CG-second-key", plan="pro")
    demo = replace(COINGECKO.plan("demo"), lacks=frozenset({"candles"}))
    provider = replace(COINGECKO, plans=(demo, COINGECKO.plan("pro")))
    assert [one.plan.name for one in access.for_kind(provider, "candles")] == ["pro"]
    assert [one.plan.name for one in access.for_kind(provider, "markets")] == ["pro", "demo"]


def test_every_enabled_key_is_an_access_with_the_limits_of_its_own_row() -> None:
    row(per_minute=20, per_month=2000)
    key("CG-first-key")
    key("CG-second-key", plan="pro", per_minute=0, per_month=77)
    key("CG-third-key", enabled=False)
    found = access.all_of(COINGECKO)
    assert [(one.key.reveal(), one.plan.name, one.per_minute, one.per_month) for one in found] == [
        ("CG-second-key", "pro", 0, 77),
        ("CG-first-key", "demo", 20, 2000),
    ]
    assert len({one.account for one in found}) == 2


def test_a_key_that_was_entered_twice_is_one_account() -> None:
    key("CG-same-key", per_month=5)
    key("CG-same-key", per_month=6)
    assert [one.per_month for one in access.all_of(COINGECKO)] == [6]


def test_a_provider_that_is_switched_off_has_no_access() -> None:
    key()
    row(enabled=False)
    assert access.all_of(COINGECKO) == []
    assert not access.of(COINGECKO).usable
