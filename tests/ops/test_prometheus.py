"""Alert rules, scrape configuration and dashboard in a real Prometheus: Debian's package, or any on PATH."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml
from django.conf import settings

from spot.metrics import METRICS
from tests.live import LiveSite, connect, get, wait_until

DEPLOY = Path(settings.BASE_DIR) / "deploy"
MISSING = "no prometheus and promtool on PATH (apt install prometheus): alert rules and dashboard are NOT checked"
#: Alerts, and the series that make each fire: a value a minute.
FIRING = {
    "SpotDown": {'up{job="spot"}': "0x10"},
    "SpotStoreDown": {"spot_store_up": "0x10"},
    "SpotStoreFull": {"spot_store_used_bytes": "95x10", "spot_store_limit_bytes": "100x10"},
    "SpotNoWorker": {"spot_worker_silence_seconds": "31+60x10"},
    "SpotDataStale": {'spot_datasets{kind="markets",state="stale"}': "1x10"},
    "SpotKeyRefused": {'spot_upstream_keys{provider="acme",state="refused"}': "1x10"},
    "SpotStreamRefused": {'spot_stream{provider="acme",state="refused"}': "1x10"},
}
#: The same while all is well.
SILENT = {
    "SpotDown": {'up{job="spot"}': "1x10"},
    "SpotStoreDown": {"spot_store_up": "1x10"},
    "SpotStoreFull": {"spot_store_used_bytes": "50x10", "spot_store_limit_bytes": "100x10"},
    "SpotNoWorker": {"spot_worker_silence_seconds": "1x10"},
    "SpotDataStale": {'spot_datasets{kind="markets",state="idle"}': "1x10"},
    "SpotKeyRefused": {'spot_upstream_keys{provider="acme",state="refused"}': "0x10"},
    "SpotBudgetEnds": {'spot_budget_month_forecast{provider="acme"}': "9x10"},  # there is no limit
    "SpotStreamRefused": {'spot_stream{provider="acme",state="refused"}': "0x10"},
}


@pytest.fixture(scope="module")
def programs() -> None:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.skip(MISSING)


def promtool(*words: object) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("programs")
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", DEPLOY / "prometheus.yml")
    promtool("check", "rules", DEPLOY / "alerts.yml")


@pytest.mark.usefixtures("programs")
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    tests = [*_cases(FIRING, fires=True), *_cases(SILENT, fires=False)]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(DEPLOY / "alerts.yml")], "tests": tests}))
    promtool("test", "rules", file)


def _cases(cases: dict[str, dict[str, str]], *, fires: bool) -> Iterator[dict[str, Any]]:
    rules = {rule["alert"]: rule for rule in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]}
    for name, series in cases.items():
        alert = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
        yield {
            "interval": "1m",
            "name": f"{name}, {'firing' if fires else 'silent'}",
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"count({alert})",
                    "eval_time": "9m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        assert rules[name]["annotations"]["summary"]


@pytest.fixture
def prometheus(programs: None, live_site: LiveSite, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the site every half second, with the rules."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(DEPLOY / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [urlsplit(live_site.url).netloc]
    config["scrape_configs"][0] |= {"scrape_timeout": "500ms"}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *words, f"--web.listen-address={address}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.flow
def test_a_real_prometheus_scrapes_the_site_and_evaluates_rules_and_dashboard(
    prometheus: str, live_site: LiveSite
) -> None:
    def ask(expression: str) -> list[Any]:
        status, answer = _answer(f"{prometheus}/api/v1/query?query={quote(expression)}")
        assert (status, answer.get("status")) == (200, "success"), (expression, answer)
        return list(answer["data"]["result"])

    with connect(live_site.socket("market?page_size=3")) as client:
        client.recv(timeout=30)
        wait_until(lambda: _is_up(prometheus), what="Prometheus")
        wait_until(lambda: ask('spot_connections{dialect="plain"} >= 1'), what="the connection")
        wait_until(lambda: ask('spot_upstream_attempts_total{outcome="ok"} >= 1'), what="a worker's count")
        wait_until(lambda: ask('sum(spot_fanout_seconds_count{kind="markets"}) >= 1'), what="a fan-out")
        assert ask('up{job="spot"}')[0]["value"][1] == "1"
        assert ask("spot_store_up")[0]["value"][1] == "1"
        assert ask('spot_processes{role="worker"} > 0')
        scraped = {one["metric"]["__name__"] for one in ask('{__name__=~"spot_.+"}')}
        ends = ("", "_bucket", "_sum", "_count")
        assert scraped <= {f"{metric.name}{end}" for metric in METRICS for end in ends}
        board = (DEPLOY / "grafana.json").read_text()
        for panel in json.loads(board)["panels"]:
            for target in panel.get("targets", ()):
                ask(target["expr"].replace("$__rate_interval", "5s"))
    _, answer = _answer(f"{prometheus}/api/v1/rules")
    assert all(rule["health"] == "ok" for group in answer["data"]["groups"] for rule in group["rules"])
    assert not [alert for alert in ask('ALERTS{alertstate="firing"}') if alert["metric"]["alertname"] == "SpotDown"]


def _answer(url: str) -> tuple[int, Any]:
    try:
        return get(url)
    except OSError:
        return 0, {}


def _is_up(prometheus: str) -> bool:
    status, answer = _answer(f"{prometheus}/api/v1/targets")
    return status == 200 and any(one["health"] == "up" for one in answer["data"]["activeTargets"])
