import ast
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

import providers
from providers.access import Access
from providers.attempt import rank
from providers.base import Plan, Provider
from providers.budget import Budget, wall_ms
from providers.datasets import KINDS, MEMBERS, Dataset
from providers.vault import Secret

ROOT = Path(providers.__file__).parent


def test_the_folder_is_the_registry() -> None:
    files = {path.stem for path in (ROOT / "adapters").glob("*.py")} - {"__init__"}
    assert {provider.name for provider in providers.all()} == files


def test_providers_are_asked_in_their_order_and_simulated_ones_last() -> None:
    simulated = [provider.simulated for provider in providers.all()]
    assert simulated == sorted(simulated)
    assert providers.get("coingecko").label == "CoinGecko"
    assert providers.get("nobody") is None


def test_every_real_provider_has_an_address_that_pages_link_to() -> None:
    real = [provider for provider in providers.all() if not provider.simulated]
    assert all(provider.url for provider in real), [provider.name for provider in real if not provider.url]
    assert providers.site("coingecko") == "https://www.coingecko.com/"
    assert providers.site("sandbox") == providers.site("nobody") == ""
    with pytest.raises(ValueError, match="is no address of a site"):
        replace(real[0], url="http://plain.example/")


def test_two_of_one_name_are_refused() -> None:
    real = providers.get("coingecko")
    with pytest.raises(ValueError, match="two adapters declare coingecko"):
        providers.ordered((real, replace(real, order=1)))


def test_some_real_and_some_simulated_provider_serves_every_kind_that_is_polled() -> None:
    for simulated in (False, True):
        able = [provider for provider in providers.all() if provider.simulated is simulated]
        for kind in (kind for kind, traits in KINDS.items() if not (traits.streamed or traits.of_provider)):
            assert any(provider.endpoint(kind) for provider in able), kind


def test_no_module_but_an_adapter_names_a_provider() -> None:
    names = [provider.name for provider in providers.all() if not provider.simulated]
    for path in ROOT.glob("*.py"):
        strings = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        for name in names:
            assert not [text for text in strings if isinstance(text, str) and text.lower() == name], path


def test_this_app_knows_nothing_of_the_other() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = getattr(node, "module", None) or "" if isinstance(node, ast.ImportFrom) else ""
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [imported]
            assert not [name for name in names if name == "spot" or name.startswith("spot.")], path


@pytest.mark.parametrize(
    ("provider", "plan"),
    [
        pytest.param(provider, plan, id=f"{provider.name}-{plan.name}")
        for provider in providers.all()
        for plan in provider.plans
        if not provider.simulated
    ],
)
def test_a_minute_of_each_plan_has_room_for_whatever_is_asked_in_one_go(
    redis: Redis, provider: Provider, plan: Plan
) -> None:
    for endpoint in provider.endpoints:
        if endpoint.kind not in plan.lacks and plan.base_url:
            entry = Access(provider, plan, plan.base_url, Secret(""), plan.per_minute, plan.per_month)
            plain = Dataset(endpoint.kind, "usd", "bitcoin" if endpoint.kind == "candles" else "", 7)
            dataset = {"category": MEMBERS[0], "document": Dataset("document", topic="global")}.get(
                endpoint.kind, plain
            )
            calls = endpoint.calls(dataset, ("bitcoin",), wall_ms())
            redis.flushdb()
            Budget(redis).spend(entry, len(calls), sum(call.credits for call in calls), **rank(dataset))
