"""Alert rules, scrape configuration and dashboard in a real Prometheus: any on PATH, or Debian's package."""

import json
import os
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


def histogram(name: str, fast: str, slow: str) -> dict[str, str]:
    """The buckets of a histogram in seconds: so many observations within 0.1, and so many within 25."""
    return {f'{name}_bucket{{le="0.1"}}': fast, f'{name}_bucket{{le="25"}}': slow, f'{name}_bucket{{le="+Inf"}}': slow}


def of_acme(name: str, **labels: str) -> str:
    """A series of a provider."""
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f'spot_{name}{{provider="acme"{more}}}'


def refused(code: str) -> str:
    return f'spot_refusals_total{{door="socket",code="{code}"}}'


ATTEMPTS, BREAKER, KEYS, STREAM = "upstream_attempts_total", "breaker", "upstream_keys", "stream"
FORECAST, LIMIT, LEFT = (of_acme(f"budget_month_{what}") for what in ("forecast", "limit", "left"))
#: Each alert: the series, a value a minute, that make it fire, and those of a site that is well, or nearly ill.
ALERTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "SpotDown": ({'up{job="spot"}': "0x600"}, {'up{job="spot"}': "1x600", 'up{job="other"}': "0x600"}),
    "SpotStoreDown": ({"spot_store_up": "0x600"}, {"spot_store_up": "1x600"}),
    "SpotStoreFull": (
        {"spot_store_used_bytes": "95x600", "spot_store_limit_bytes": "100x600"},
        {"spot_store_used_bytes": "89x600", "spot_store_limit_bytes": "100x600"},
    ),
    "SpotNoWorker": ({"spot_worker_silence_seconds": "31+60x600"}, {"spot_worker_silence_seconds": "29x600"}),
    "SpotProcessHangs": (
        {'spot_silent_processes{part="worker"}': "1x600"},
        {'spot_silent_processes{part="worker"}': "0x600", 'spot_silent_processes{part="beat"}': "1 0x600"},
    ),
    "SpotDataStale": (
        {'spot_datasets{kind="markets",state="stale"}': "1x600"},
        {'spot_datasets{kind="markets",state="idle"}': "1x600", 'spot_datasets{kind="markets",state="stale"}': "0x600"},
    ),
    "SpotProviderOpen": (
        {of_acme(BREAKER, state="open"): "1x600"},
        {of_acme(BREAKER, state="open"): "0x600", of_acme(BREAKER, state="trial"): "1x600"},
    ),
    "SpotProviderErrors": (
        {of_acme(ATTEMPTS, outcome="unavailable"): "0+3x600", of_acme(ATTEMPTS, outcome="ok"): "0+9x600"},
        {  # a provider may lack what is asked for
            of_acme(ATTEMPTS, outcome="unavailable"): "0+1x600",
            of_acme(ATTEMPTS, outcome="ok"): "0+9x600",
            of_acme(ATTEMPTS, outcome="not_found"): "0+9x600",
        },
    ),
    "SpotKeyRefused": (
        {of_acme(KEYS, state="refused"): "1x600"},
        {of_acme(KEYS, state="refused"): "0x600", of_acme(KEYS, state="resting"): "1x600"},
    ),
    "SpotBudgetEnds": ({FORECAST: "101x600", LIMIT: "100x600"}, {FORECAST: "99x600", LIMIT: "100x600"}),
    "SpotBudgetUsedUp": ({LEFT: "1x600", LIMIT: "100x600"}, {LEFT: "3x600", LIMIT: "100x600"}),
    "SpotStreamRefused": (
        {of_acme(STREAM, state="refused"): "1x600"},
        {of_acme(STREAM, state="refused"): "0x600", of_acme(STREAM, state="live"): "1x600"},
    ),
    "SpotQueueSlow": (
        histogram("spot_queue_delay_seconds", fast="0+9x600", slow="0+10x600"),
        histogram("spot_queue_delay_seconds", fast="0+99x600", slow="0+100x600"),
    ),
    "SpotLoopSlow": (
        histogram("spot_loop_lag_seconds", fast="0+9x600", slow="0+10x600"),
        histogram("spot_loop_lag_seconds", fast="0+999x600", slow="0+1000x600"),
    ),
    "SpotDeliverySlow": (
        histogram("spot_fanout_seconds", fast="0+9x600", slow="0+10x600"),
        histogram("spot_fanout_seconds", fast="0+999x600", slow="0+1000x600"),
    ),
    "SpotOverloaded": (
        {refused("overloaded"): "0+1x600"},
        {refused("overloaded"): "7x600", refused("too_many_connections"): "0+9x600"},  # none since long ago
    ),
    "SpotWrongKeys": (
        {refused("bad_key"): "0+50x600", refused("bad_ticket"): "0+20x600"},  # a minute
        {refused("bad_key"): "0+50x600", refused("forbidden_origin"): "0+900x600"},
    ),
    "SpotSlowReaders": ({"spot_slow_readers_total": "0+6x600"}, {"spot_slow_readers_total": "0+4x600"}),
}
#: A budget without a limit is no trouble, however much it forecasts.
SILENT_BESIDES = {"SpotBudgetEnds": {FORECAST: "9x600"}, "SpotStoreFull": {"spot_store_used_bytes": "9x600"}}


#: Where `make test` puts a Prometheus, on a machine that has none.
FETCHED = Path(settings.BASE_DIR) / ".venv" / "prometheus" / "usr" / "bin"


@pytest.fixture(scope="module")
def programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(FETCHED), prepend=os.pathsep)
        if not (shutil.which("prometheus") and shutil.which("promtool")):
            pytest.skip(MISSING)
        yield


def promtool(*words: object) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("programs")
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", DEPLOY / "prometheus.yml")
    promtool("check", "rules", DEPLOY / "alerts.yml")


RULES = {rule["alert"]: rule for rule in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]}


def test_every_alert_is_made_to_fire_and_to_be_silent() -> None:
    assert ALERTS.keys() == RULES.keys()
    assert all({"summary", "description"} <= rule["annotations"].keys() for rule in RULES.values())


@pytest.mark.usefixtures("programs")
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    ill = [_case({name: series for name, (series, _) in ALERTS.items()}, fires=True)]
    well = [_case({name: series for name, (_, series) in ALERTS.items()}, fires=False)]
    file = tmp_path / "tests.yml"
    tests = [*ill, *well, _case(SILENT_BESIDES, fires=False)]
    file.write_text(json.dumps({"rule_files": [str(DEPLOY / "alerts.yml")], "tests": tests}))
    promtool("test", "rules", file)


def _case(cases: dict[str, dict[str, str]], *, fires: bool) -> dict[str, Any]:
    """One test of promtool of all these alerts: each by itself takes it a long time."""
    series = {one: values for each in cases.values() for one, values in each.items()}
    return {
        "interval": "1m",
        "name": "firing" if fires else "silent",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                "eval_time": "8h",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for name in cases
        ],
    }


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
