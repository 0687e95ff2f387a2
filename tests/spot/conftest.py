"""Hypothesis without a stopwatch: the machine may be busy, and speed is not what these tests prove."""

import pytest
from hypothesis import HealthCheck, settings

from spot.clients import limits
from spot.clients.payments import payments
from spot.clients.usage import Usage, usage

settings.register_profile("spot", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("spot")


@pytest.fixture(autouse=True)
def whole_allowances() -> None:
    """What one test asked for is not counted in the next."""
    limits.requests.forget()
    limits.novelties.forget()
    limits.mistakes.forget()
    usage.__dict__.update(Usage().__dict__)
    payments.forget()
