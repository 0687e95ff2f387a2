"""Hypothesis without a stopwatch: the machine may be busy, and speed is not what these tests prove."""

from hypothesis import HealthCheck, settings

settings.register_profile("spot", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("spot")
