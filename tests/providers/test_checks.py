import pytest
from django.core import checks

from providers import checks as ours
from providers.models import ApiKey, ProviderSettings
from tests.providers.conftest import KEY
from tests.providers.test_models import made


def ids(found: list[checks.CheckMessage]) -> list[str]:
    return [message.id for message in found]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"BASE_URL": "http://127.0.0.1:1/api/v3"}, []),
        ({"BASE_URL": "coingecko"}, ["providers.E001"]),
        ({"STREAM_URL": "ws://127.0.0.1:1/v1"}, []),
        ({"STREAM_URL": "http://127.0.0.1:1/v1"}, ["providers.E001"]),
        ({"CALLS_PER_MINUTE": 0}, []),
        ({"CALLS_PER_MINUTE": 1}, ["providers.E002"]),
        ({"CALLS_PER_MINUTE": -3}, ["providers.E002"]),
        ({"CALLS_PER_MONTH": -3}, ["providers.E003"]),
        ({"PLAN": "gold"}, ["providers.E004"]),
        ({"API_KEY": KEY}, []),
        ({"API_KEY": KEY, "PLAN": "keyless"}, ["providers.W001"]),
        ({"API_KEY": " "}, []),
        ({"PLAN": "keyless"}, []),
        ({"PLAN": "demo"}, ["providers.W002"]),
        ({"PLAN": "demo", "API_KEY": KEY}, []),
    ],
)
def test_an_environment_that_cannot_work_is_told(settings, changes: dict, found: list[str]) -> None:
    for name, value in changes.items():
        setattr(settings, f"COINGECKO_{name}", value)
    messages = ours.environment()
    assert ids(messages) == found
    assert KEY not in str(messages)


def test_they_are_registered() -> None:
    assert {ours.environment, ours.rows} <= set(checks.registry.registry.get_checks())


@pytest.mark.django_db
def test_rows_that_cannot_work_are_told_where_the_database_is_checked(settings) -> None:
    assert ours.rows(databases=["default"]) == []
    made().save()
    ProviderSettings.objects.create(name="gone")
    ApiKey.objects.update(token="written with another secret")
    assert ids(ours.rows(databases=["default"])) == ["providers.W003", "providers.W004"]
    assert ours.rows(databases=None) == []
