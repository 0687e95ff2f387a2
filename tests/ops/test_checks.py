"""The system checks on Spot's own settings."""

import subprocess
import sys

import pytest
from django.core.management import call_command

from spot import checks
from tests.live import ROOT, inherited


def found(settings, **changes: object) -> list[str]:
    for name, value in changes.items():
        setattr(settings, name, value)
    return [str(message.id) for message in checks.environment()]


def test_the_defaults_are_in_order(settings) -> None:
    assert found(settings) == []


def test_the_defaults_are_fit_to_be_deployed() -> None:
    call_command("check", deploy=True, fail_level="WARNING")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DEBUG": True, "SPOT_BIND": "0.0.0.0"}, ["spot.E001"]),
        ({"DEBUG": True, "SPOT_BIND": "127.0.0.1"}, []),
        ({"DEBUG": True, "SPOT_BIND": "127.evil.test"}, ["spot.E001"]),
        ({"DEBUG": True, "SPOT_BIND": "::12"}, ["spot.E001"]),
        ({"DEBUG": True, "SPOT_TRUSTED_PROXIES": ["127.0.0.1"]}, ["spot.E006"]),
        ({"SPOT_ALLOWED_ORIGINS": ["*"]}, ["spot.E002"]),
        ({"SPOT_ALLOWED_ORIGINS": ["*"], "DEBUG": True}, []),
        ({"SPOT_HTTPS": True}, ["spot.E003"]),
        ({"SPOT_HTTPS": True, "SPOT_TRUSTED_PROXIES": ["10.0.0.2"]}, []),
        ({"SPOT_PINNED_CURRENCIES": ["usd", "EUR"]}, ["spot.E004"]),
        ({"SPOT_PINNED_COINS": ["bitcoin", "../etc"]}, ["spot.E005"]),
        ({"SPOT_PINNED_CURRENCIES": [], "SPOT_PINNED_COINS": []}, []),
        ({"SPOT_UNREAD": ["SPOT_POL_SECONDS"]}, ["spot.W001"]),
    ],
)
def test_what_cannot_work_is_reported(settings, changes: dict[str, object], expected: list[str]) -> None:
    assert found(settings, **changes) == expected


def test_a_misspelt_variable_is_reported_with_the_one_that_was_meant() -> None:
    environment = {**inherited(), "SPOT_POL_SECONDS": "5"}
    said = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "SPOT_POL_SECONDS is set, but there is no such setting." in said.stderr
    assert "Did you mean SPOT_POLL_SECONDS?" in said.stderr
