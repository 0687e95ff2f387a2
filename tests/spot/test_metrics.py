"""The table of metrics, and what follows from it: the document, the alert rules, the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from providers.metrics import Metric
from spot import dialects
from spot.metrics import LABELS, METRICS
from tests.test_docs import cells, row, section

ROOT = Path(settings.BASE_DIR)
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
RULES = (ROOT / "deploy" / "alerts.yml").read_text()
BOARD = (ROOT / "deploy" / "grafana.json").read_text()
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@each
def test_every_metric_stands_in_the_table(metric: Metric) -> None:
    _, kind, labels, meaning = row(section(DOCUMENT, "## The metrics"), metric.name)
    assert (kind, labels, meaning) == (metric.type, ", ".join(metric.labels), metric.meaning.replace("`", ""))


@each
def test_names_are_as_prometheus_wants_them(metric: Metric) -> None:
    assert re.fullmatch(r"spot_[a-z_]+", metric.name)
    assert (metric.type == "counter") == metric.name.endswith("_total")
    assert (metric.type == "histogram") == bool(metric.buckets)
    assert metric.type != "histogram" or metric.name.endswith("_seconds")
    assert list(metric.buckets) == sorted(metric.buckets)
    assert set(metric.labels) <= LABELS.keys()


def test_names_are_unique_and_labels_are_described() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert {label for metric in METRICS for label in metric.labels} == LABELS.keys()
    described = {one[0]: one[1] for one in cells(section(DOCUMENT, "## The labels"))[2:]}
    assert described == {name: text.replace("`", "") for name, text in LABELS.items()}


def test_every_dialect_has_a_name() -> None:
    assert all(route.refusals.name for route in dialects.routes())


def series() -> set[str]:
    """The names of all series that can be asked for."""
    ends = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
    return {f"{metric.name}{end}" for metric in METRICS for end in ends[metric.type]}


def rules() -> list[dict[str, Any]]:
    return list(yaml.safe_load(RULES)["groups"][0]["rules"])


@pytest.mark.parametrize("text", [RULES, BOARD], ids=["alerts", "dashboard"])
def test_only_metrics_that_exist_are_asked_for(text: str) -> None:
    assert set(re.findall(r"\bspot_[a-z_]+", text)) <= series()


def test_labels_that_are_asked_for_exist() -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    for name, matchers in re.findall(
        r"\b(spot_[a-z_]+?)(?:_bucket)?\{([^}]*)\}", RULES + json.loads(f'"{_flat(BOARD)}"')
    ):
        assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= known[name], name


def _flat(text: str) -> str:
    """The expressions of the dashboard, still escaped."""
    return " ".join(re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text))


def test_the_dashboard_shows_every_metric_but_those_that_only_describe() -> None:
    shown = {name.removesuffix("_bucket") for name in re.findall(r"\bspot_[a-z_]+", BOARD)}
    left_out = {metric.name for metric in METRICS} - shown
    assert left_out == {
        "spot_demo", "spot_fetches_total", "spot_upstream_calls_total", "spot_upstream_credits_total",
        "spot_upstream_bytes_total", "spot_upstream_keys", "spot_budget_month_left", "spot_stream",
        "spot_stream_channels", "spot_stream_dropped_total", "spot_stream_reconnects_total", "spot_processes",
        "spot_silent_processes", "spot_task_seconds", "spot_queue_length", "spot_store_limit_bytes", "spot_build_info",
    }  # fmt: skip


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_stands_in_the_table(rule: dict[str, Any]) -> None:
    _, severity, lasting, meaning = row(section(DOCUMENT, "## Alerts"), rule["alert"])
    assert (severity, lasting) == (rule["labels"]["severity"], rule["for"])
    assert meaning
    assert rule["annotations"].keys() == {"summary", "description"}
