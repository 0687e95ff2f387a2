"""All metrics as families of the Prometheus client: counters and reports of all processes, and what the store says of
data, providers and workers. Synchronous: for a thread."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from math import inf, isfinite
from typing import Any, get_args

from django.conf import settings
from django.db import close_old_connections
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import providers
from providers import access, counters
from providers.access import Access
from providers.base import Provider
from providers.breaker import Breaker, Verdict
from providers.budget import Budget, Standing, forecast
from providers.counters import Report, Totals
from providers.metrics import MICRO, Metric
from providers.streams import stream_state
from providers.streams.stream_state import Phase
from spot import metrics, signs, snapshots
from spot.snapshots import now_ms
from spot.web import status
from spot_project.release import release

#: The list in which Celery's tasks wait.
_QUEUE = f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}celery"
#: Keys and limits are read from the database so often, in seconds.
_ACCESSES_SECONDS = 5.0
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
_BY_NAME = {metric.name: metric for metric in metrics.METRICS}
#: What a process reports of itself.
_FACTS = (
    (metrics.CPU, "cpu"), (metrics.MEMORY, "memory"), (metrics.FILES, "files"), (metrics.LOOP_TASKS, "tasks"),
)  # fmt: skip
_KEY_STATES = ("ready", "resting", "refused")


class Families(Collector):
    """Samples by metric. Only what `spot.metrics` declares can be put in."""

    def __init__(self) -> None:
        self._families: dict[Metric, Family] = {}

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a sample of a counter or a gauge."""
        self._family(metric).add_metric(labels, value)  # type: ignore[attr-defined]

    def put_states(self, metric: Metric, state: str, states: Iterable[str], *labels: str) -> None:
        """Add a sample for each state, 1 for the one that is."""
        for each in states:
            self.put(metric, float(each == state), *labels, each)

    def put_histogram(self, metric: Metric, parts: dict[str, int], *labels: str) -> None:
        """Add the samples of a histogram, from the parts that `providers.counters` keeps."""
        bounds = [*map(str, metric.buckets), "+Inf"]
        totals = accumulate(parts.get(str(place), 0) for place in range(len(bounds)))
        buckets = list(zip(bounds, totals, strict=True))
        self._family(metric).add_metric(labels, buckets, parts.get("sum", 0) / MICRO)  # type: ignore[attr-defined]

    def _family(self, metric: Metric) -> Family:
        if metric not in self._families:
            self._families[metric] = _FAMILIES[metric.type](metric.name, metric.meaning, labels=metric.labels)
        return self._families[metric]

    def collect(self) -> Iterator[Family]:
        """The families, in the order in which they are declared."""
        return (self._families[metric] for metric in metrics.METRICS if metric in self._families)


def read() -> Families:
    """All metrics. Raises RedisError."""
    families, now = Families(), now_ms()
    totals, reports = counters.read(snapshots.connection(), now)
    _put_totals(families, totals)
    _put_reports(families, reports)
    _put_data(families, now)
    _put_upstream(families, now)
    _put_workers(families, now)
    families.put(metrics.STORE, 1)
    families.put(metrics.BUILD, 1, release())
    return families


def without_store(content: dict[str, Any]) -> Families:
    """What is known while Redis does not answer: that, and the answering process."""
    families = Families()
    _put_reports(families, [Report("web", "1", content)])
    families.put(metrics.STORE, 0)
    families.put(metrics.BUILD, 1, release())
    return families


def _put_totals(families: Families, totals: Totals) -> None:
    """What processes have counted; another version of Spot may have counted what this one does not know."""
    for name, series in totals.items():
        metric = _BY_NAME.get(name)
        if metric is None:
            continue
        parts: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
        for labels, amount in series.items():
            if len(labels) == len(metric.labels) and metric.type == "counter":
                families.put(metric, amount / metric.scale, *labels)
            elif len(labels) == len(metric.labels) + 1 and metric.type == "histogram":
                parts[labels[:-1]][labels[-1]] = amount
        for labels, part in parts.items():
            families.put_histogram(metric, part, *labels)


def _put_reports(families: Families, reports: Iterable[Report]) -> None:
    """What each process serves, all together, and what it takes, each by itself."""
    sums: Counter[tuple[str, ...]] = Counter()
    roles: Counter[str] = Counter()
    for role, number, content in reports:
        roles[role] += 1
        for name, labels, value in content.get("readings", ()):
            sums[name, *labels] += value
        for metric, fact in _FACTS:
            if fact in content:
                families.put(metric, content[fact], role, number)
        if "lag" in content:
            families.put(metrics.LAG_WORST, content["lag"], number)
    for (name, *labels), value in sums.items():
        if name in _BY_NAME:
            families.put(_BY_NAME[name], value, *labels)
    for role in ("web", "worker", "stream"):
        families.put(metrics.PROCESSES, roles[role], role)


def _put_data(families: Families, now: int) -> None:
    standings = status.datasets(now)
    states = Counter((standing.dataset.kind, standing.state) for standing in standings)
    for labels, count in states.items():
        families.put(metrics.DATASETS, count, *labels)
    oldest: dict[tuple[str, str], tuple[int, int]] = {}
    for dataset, facts, _, state in standings:
        if facts is not None and state != "idle" and (age := facts.age_ms(now)) is not None:
            where = (dataset.kind, facts.source)
            oldest[where] = max(oldest.get(where, (-1, 0)), (age, facts.max_age_ms))
    for kind_and_source, (age, limit) in oldest.items():
        families.put(metrics.AGE, age / 1000, *kind_and_source)
        families.put(metrics.AGE_LIMIT, limit / 1000, *kind_and_source)
    families.put(metrics.SIMULATED, float(status.is_simulated(standings)))


# --- providers --------------------------------------------------------------------------------------------------------


class _Accesses:
    """The keys of each provider that has any, as of a few seconds ago."""

    def __init__(self) -> None:
        self._read_at = -inf
        self._entries: list[tuple[Provider, list[Access]]] = []

    def lately(self) -> list[tuple[Provider, list[Access]]]:
        now = time.monotonic()
        if now - self._read_at > _ACCESSES_SECONDS:
            try:
                every = [(provider, access.all_of(provider)) for provider in providers.all()]
            finally:
                close_old_connections()
            self._entries, self._read_at = [entry for entry in every if entry[1]], now
        return self._entries


_accesses = _Accesses()


def _put_upstream(families: Families, now: int) -> None:
    redis = snapshots.connection()
    entries = _accesses.lately()
    breakers = Breaker(redis).states(provider.name for provider, _ in entries)
    budget = Budget(redis)
    for provider, accesses in entries:
        families.put_states(metrics.BREAKER, breakers[provider.name].state, get_args(Verdict), provider.name)
        if not provider.simulated:
            _put_budget(families, provider, budget, budget.standings(accesses), now)
        if provider.stream is not None:
            _put_stream(families, provider.name, now)


def _put_budget(families: Families, provider: Provider, budget: Budget, standings: list[Standing], now: int) -> None:
    """The allowance of a provider: of all its keys together, without those that it refuses."""
    states = Counter("refused" if one.refused else "resting" if one.resting else "ready" for one in standings)
    for state in _KEY_STATES:
        families.put(metrics.KEYS, states[state], provider.name, state)
    usable = [standing for standing in standings if not standing.refused]
    usages = [budget.usage(standing.access) for standing in usable]
    figures = (
        (metrics.MINUTE_LIMIT, [standing.per_minute or inf for standing in usable]),
        (metrics.MINUTE_USED, [usage.minute for usage in usages]),
        (metrics.MONTH_LIMIT, [standing.access.per_month or inf for standing in usable]),
        (metrics.MONTH_USED, [standing.used for standing in usable]),
        (metrics.MONTH_LEFT, [standing.left for standing in usable]),
        (metrics.MONTH_FORECAST, [forecast(usage, now) for usage in usages]),
    )
    for metric, amounts in figures:
        if isfinite(total := sum(amounts)):
            families.put(metric, total, provider.name)


def _put_stream(families: Families, name: str, now: int) -> None:
    state = stream_state.read(snapshots.connection(), name)
    if state is None:
        return
    families.put_states(metrics.STREAM, state.state, get_args(Phase), name)
    families.put(metrics.STREAM_CHANNELS, state.followed, name)
    families.put(metrics.STREAM_TICKS, state.ticks, name)
    families.put(metrics.STREAM_DROPPED, state.dropped, name)
    families.put(metrics.STREAM_RECONNECTS, state.reconnects, name)
    if state.heard is not None:
        families.put(metrics.STREAM_SILENCE, max(0, now - state.heard) / 1000, name)


# --- workers and the store --------------------------------------------------------------------------------------------


def _put_workers(families: Families, now: int) -> None:
    redis: Any = snapshots.connection()
    families.put(metrics.QUEUE, redis.llen(_QUEUE))
    if (seen := snapshots.worker_seen_ms()) is not None:
        families.put(metrics.WORKER_SILENCE, max(0, now - seen) / 1000)
    for part in signs.PARTS:
        families.put(metrics.SILENT, len(signs.silent(redis, part)), part)
    memory = redis.info("memory")
    families.put(metrics.STORE_USED, memory["used_memory"])
    if limit := memory.get("maxmemory", 0):
        families.put(metrics.STORE_LIMIT, limit)
