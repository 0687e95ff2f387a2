"""What is measured of providers, and the counting itself, in memory. Pure.

`providers.counters` adds up what all processes have counted; `spot.metrics` has all metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

#: Between the name of a metric, its labels, and the part of a histogram.
SEPARATOR = "\t"
#: The sum of a histogram is kept in whole microseconds.
MICRO = 1_000_000


class Metric(NamedTuple):
    """One metric: its name, its type, its meaning, and the names of its labels. A counter is exported divided by
    `scale`; `buckets` are the upper bounds of a histogram, in seconds."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    scale: int = 1
    buckets: tuple[float, ...] = ()


#: The bounds of durations of calls and tasks, and of what happens within a process.
LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

ATTEMPTS = Metric(
    "spot_upstream_attempts_total",
    "counter",
    "attempts to fetch a dataset from a provider, each of one or more calls",
    ("provider", "kind", "outcome"),
)
CALLS = Metric("spot_upstream_calls_total", "counter", "calls sent to a provider, retries among them", ("provider",))
CREDITS = Metric("spot_upstream_credits_total", "counter", "credits that it billed", ("provider",), scale=1000)
BYTES = Metric("spot_upstream_bytes_total", "counter", "bytes of its answers", ("provider",))
SECONDS = Metric("spot_upstream_seconds", "histogram", "duration of an attempt", ("provider",), buckets=LONG)
UPSTREAM = (ATTEMPTS, CALLS, CREDITS, BYTES, SECONDS)


class Counts:
    """What has been counted and not told yet. Threads may count too: a race may lose an event, and makes none up."""

    def __init__(self) -> None:
        self._pending: Counter[str] = Counter()

    def add(self, metric: Metric, *labels: str, amount: int = 1) -> None:
        """Count so much, in units of the metric's scale."""
        self._pending[SEPARATOR.join((metric.name, *labels))] += amount

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Count a duration."""
        series = SEPARATOR.join((metric.name, *labels))
        self._pending[f"{series}{SEPARATOR}{bisect_left(metric.buckets, seconds)}"] += 1
        self._pending[f"{series}{SEPARATOR}sum"] += round(seconds * MICRO)

    def take(self) -> Counter[str]:
        """What has been counted since the last call."""
        pending, self._pending = self._pending, Counter()
        return pending

    def put_back(self, pending: Mapping[str, int]) -> None:
        """Keep what could not be told."""
        self._pending.update(pending)


#: What this process has counted.
counts = Counts()
