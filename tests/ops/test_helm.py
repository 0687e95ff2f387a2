"""The Helm chart, linted and rendered by Helm's own library, and held against the schemas of Kubernetes.

`make test-chart` installs both and runs these tests. What needs neither is in test_containers.py.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.live import ROOT

pytestmark = pytest.mark.heavy

CHART = ROOT / "deploy" / "helm" / "spot"
MISSING = "without Helm's library (make test-chart) the chart is NOT linted, rendered or checked against Kubernetes"
#: The least that the chart needs.
LEAST = {"redis": {"url": "redis://cache:6379/0"}, "database": {"url": "postgres://spot:pass@db/spot"}}
#: Everything optional switched on.
ALL: dict[str, Any] = {
    **LEAST,
    "settings": {
        "SPOT_POLL_SECONDS": 60,
        "SPOT_CONNECTIONS": 20_000_000,
        "SPOT_DISAGREE_PERCENT": 2.5,
        "SPOT_IO_URING": False,
        "SPOT_TRUSTED_PROXIES": ["10.0.0.0/8", "192.168.0.0/16"],
    },
    "secrets": {"providers": {"COINGECKO_API_KEY": "CG-abc"}},
    "administrator": {"existing": "first-administrator"},
    "imagePullSecrets": [{"name": "registry"}],
    "web": {"autoscaling": {"enabled": True, "connectionsPerPod": 8000}, "tolerations": [{"operator": "Exists"}]},
    "ingress": {"enabled": True, "className": "nginx", "hosts": ["spot.example.org"], "tlsSecret": "spot-tls"},
    "networkPolicy": {"enabled": True, "from": [{"podSelector": {"matchLabels": {"app": "ingress"}}}]},
    "monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
}
SENTINELS = {**LEAST, "redis": {"url": "rediss+sentinel://one:26379,two:26379/mymaster/0"}}
#: Secrets of the operator's own in place of the chart's.
OWN = {"secrets": {"existing": "spot", "existingMasterKey": "master", "existingProviders": "providers"}}
VALUES = {"least": LEAST, "all": ALL, "own": OWN, "sentinels": SENTINELS}
PARTS = {"web", "worker", "stream", "beat"}

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> ModuleType:
    return pytest.importorskip("helm_python", reason=MISSING)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def chart(helm: ModuleType) -> Iterator[Any]:
    with helm.Chart.load(str(CHART)) as loaded:
        yield loaded


def rendered(chart: Any, values: Manifest) -> dict[tuple[str, str], Manifest]:
    """The manifests of a release `demo` in the namespace `prod`, by kind and name."""
    return _rendered(chart, json.dumps(values))


@cache
def _rendered(chart: Any, values: str) -> dict[tuple[str, str], Manifest]:
    texts = chart.render(json.loads(values), name="demo", namespace="prod").items()
    manifests = [one for name, text in texts if not name.endswith(".txt") for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in manifests}


def pods(manifests: dict[tuple[str, str], Manifest]) -> dict[str, Manifest]:
    """The specifications of all pods, by component."""
    return {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"]["spec"]
        for one in manifests.values()
        if one["kind"] in {"Deployment", "Job"}
    }


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_helm_lint_finds_nothing(helm: ModuleType, values: Manifest) -> None:
    found = helm.lint(str(CHART), values, strict=True)
    assert (found["total_charts_linted"], found["errors"]) == (1, [])
    assert [one["error"] for one in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", ["1.27", "1.37"])
@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_kubernetes_accepts_every_manifest(chart: Any, values: Manifest, version: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason=MISSING)
    for (kind, _), manifest in rendered(chart, values).items():
        if kind in {"ServiceMonitor", "PrometheusRule"}:
            continue  # of the Prometheus operator, whose schemas no package has
        kubernetes.validate(manifest, version, strict=True)


def test_every_component_is_there(chart: Any) -> None:
    assert pods(rendered(chart, LEAST)).keys() == PARTS | {"migrate"}
    kinds = {kind for kind, _ in rendered(chart, ALL)}
    assert {"Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"} <= kinds


def test_every_container_is_hardened(chart: Any) -> None:
    for pod in pods(rendered(chart, ALL)).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_secrets_reach_only_who_needs_them(chart: Any) -> None:
    found = pods(rendered(chart, ALL))
    paths = {
        name: {
            item["path"] for source in pod["volumes"][0]["projected"]["sources"] for item in source["secret"]["items"]
        }
        for name, pod in found.items()
    }
    assert paths["beat"] == {"secret-key", "redis-url"}
    assert paths["worker"] == paths["stream"] == {"secret-key", "redis-url", "database-url", "secret-keys"}
    assert paths["web"] == paths["worker"] | {"metrics-token"}
    with_keys = {name for name, pod in found.items() if "demo-spot-providers" in json.dumps(pod)}
    assert with_keys == {"web", "worker", "stream"}
    assert [name for name, pod in found.items() if "first-administrator" in json.dumps(pod)] == ["migrate"]


def test_the_master_key_outlives_the_release(chart: Any) -> None:
    manifests = rendered(chart, LEAST)
    master = manifests["Secret", "demo-spot-master-key"]
    assert master["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert len(base64.b64decode(master["data"]["secret-keys"])) == 64
    assert "secret-keys" not in manifests["Secret", "demo-spot"]["data"]
    assert not [name for kind, name in rendered(chart, OWN) if kind == "Secret"]


def test_a_web_pod_drains_and_waits_for_data(chart: Any) -> None:
    pod = pods(rendered(chart, LEAST))["web"]
    [web] = pod["containers"]
    assert web["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert web["livenessProbe"]["httpGet"]["path"] == web["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert web["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "8"]
    assert pod["terminationGracePeriodSeconds"] > 8 + 5
    with pytest.raises(Exception, match="terminationGracePeriodSeconds must be"):
        rendered(chart, {**LEAST, "web": {"drainSeconds": 30}})


def test_there_is_one_beat_and_never_two(chart: Any) -> None:
    beat = rendered(chart, LEAST)["Deployment", "demo-spot-beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})


def test_an_autoscaler_counts_connections_and_owns_the_replicas(chart: Any) -> None:
    manifests = rendered(chart, ALL)
    cpu, connections = manifests["HorizontalPodAutoscaler", "demo-spot-web"]["spec"]["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    assert connections["external"]["target"] == {"type": "AverageValue", "averageValue": "8000"}
    assert "replicas" not in manifests["Deployment", "demo-spot-web"]["spec"]


def test_settings_are_written_as_spot_reads_them(chart: Any) -> None:
    assert rendered(chart, ALL)["ConfigMap", "demo-spot"]["data"] == {
        "SPOT_ALLOWED_HOSTS": "spot.example.org",
        "SPOT_CONNECTIONS": "20000000",
        "SPOT_DEMO": "off",
        "SPOT_DISAGREE_PERCENT": "2.5",
        "SPOT_HTTPS": "on",
        "SPOT_IO_URING": "off",
        "SPOT_POLL_SECONDS": "60",
        "SPOT_TRUSTED_PROXIES": "10.0.0.0/8,192.168.0.0/16",
    }


def test_the_alert_rules_are_those_of_the_repository(chart: Any) -> None:
    rule = rendered(chart, ALL)["PrometheusRule", "demo-spot"]
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"web": {"replica": 3}}, "'replica' not allowed"),
        ({"settings": {"SPOT_POL_SECONDS": 60}}, "'SPOT_POL_SECONDS' not allowed"),
        ({"settings": {"COINGECKO_API_KEY": "abc"}}, "'COINGECKO_API_KEY' not allowed"),
        ({"secrets": {"providers": {"COINGEKO_API_KEY": "abc"}}}, "'COINGEKO_API_KEY' not allowed"),
        ({"redis": {"url": "http://cache"}}, "at '/redis/url'"),
        ({"redis": {"url": ""}}, "redis.url is required"),
        ({"secrets": {"existing": "spot"}}, "have no effect with secrets.existing"),
        ({"ingress": {"enabled": True}}, "ingress.hosts is empty"),
        ({"ingress": {"enabled": True, "hosts": ["a.example"], "tlsSecret": "tls"}}, "SPOT_TRUSTED_PROXIES"),
    ],
)
def test_a_mistake_in_the_values_is_refused_by_name(chart: Any, values: Manifest, said: str) -> None:
    def attempt() -> None:
        chart.validate_schema(LEAST | values)
        rendered(chart, LEAST | values)

    with pytest.raises(Exception, match=re.escape(said)):
        attempt()
