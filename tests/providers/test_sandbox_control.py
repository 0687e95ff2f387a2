"""The sandbox steered from elsewhere: its clock, its limits, the control API and the command."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from providers.sandbox import Clock, Limits, Sandbox

NOW = 1_795_190_412_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def sandbox():
    with Sandbox(seed=7, clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def control(sandbox):
    def call(method, name, body=None, **options):
        return requests.request(method, f"{sandbox.origin}/_sandbox/{name}", json=body, timeout=10, **options)

    return call


# --- the clock ------------------------------------------------------------------------------------
class Source:
    def __init__(self) -> None:
        self.ms = 1000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def clock(source):
    return Clock(source)


def test_a_clock_shows_its_source(source, clock):
    source.ms += 5
    assert clock.now() == 1005


def test_a_clock_that_is_set_goes_on_from_there(source, clock):
    clock.set(50)
    source.ms += 5
    assert clock.now() == 55


def test_a_clock_can_jump(source, clock):
    clock.advance(100)
    clock.advance(-30)
    source.ms += 1
    assert clock.now() == 1071


def test_a_stopped_clock_can_be_moved_and_started_again(source, clock):
    clock.freeze()
    source.ms += 500
    assert clock.now() == 1000
    clock.advance(7)
    clock.run()
    source.ms += 1
    assert clock.now() == 1008


def test_a_clock_can_run_fast_and_changes_its_rate_without_a_jump(source, clock):
    clock.run(60)
    source.ms += 1000
    assert clock.now() == 61_000
    clock.run(0.5)
    source.ms += 1000
    assert clock.now() == 61_500


# --- limits ---------------------------------------------------------------------------------------
def status(sandbox, path="/ping", **headers):
    return requests.get(
        sandbox.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=10
    ).status_code


def test_a_minute_has_so_many_calls_and_says_when_the_next_one_begins(sandbox):
    sandbox.limits = Limits(per_minute=2)
    assert [status(sandbox) for _ in range(3)] == [200, 200, 429]
    sandbox.clock.set(NOW // 60_000 * 60_000 + 20_000)
    refused = requests.get(sandbox.url + "/ping", timeout=10)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    sandbox.clock.advance(40_000)
    assert status(sandbox) == 200


def test_refused_calls_count_too(sandbox):
    sandbox.limits = Limits(per_minute=2)
    assert [status(sandbox, path) for path in ("/nonsense", "/nonsense", "/ping")] == [404, 404, 429]


def test_a_pro_host_wants_its_key(sandbox):
    sandbox.limits = Limits(plan="pro", key="CG-right")
    assert status(sandbox) == 401
    assert status(sandbox, x_cg_pro_api_key="CG-wrong") == 401
    assert status(sandbox, x_cg_demo_api_key="CG-right") == 400
    assert status(sandbox, x_cg_pro_api_key="CG-right") == 200
    assert status(sandbox, "/ping?x_cg_pro_api_key=CG-right") == 200


def test_a_pro_host_serves_what_the_public_one_refuses(sandbox):
    sandbox.limits = Limits(plan="pro", key="CG-right")
    path = "/coins/bitcoin/market_chart?vs_currency=usd&days=max"
    assert status(sandbox, path, x_cg_pro_api_key="CG-right") == 200


def test_a_demo_host_takes_calls_without_a_key_but_none_with_a_wrong_one(sandbox):
    sandbox.limits = Limits(plan="demo", key="CG-right")
    assert status(sandbox) == 200
    assert status(sandbox, x_cg_demo_api_key="CG-right") == 200
    assert status(sandbox, x_cg_demo_api_key="CG-wrong") == 401
    assert status(sandbox, x_cg_pro_api_key="CG-right") == 400


def test_a_demo_host_can_insist_on_the_key(sandbox):
    sandbox.limits = Limits(plan="demo", key="CG-right", key_required=True)
    assert status(sandbox) == 401
    assert status(sandbox, x_cg_demo_api_key="CG-right") == 200


# --- the control API ------------------------------------------------------------------------------
def test_faults_are_added_listed_and_removed(sandbox, control):
    added = control("POST", "faults", {"path_prefix": "/ping", "kind": "rate_limited", "times": 1, "retry_after": 3})
    assert (added.status_code, added.json()["options"]) == (200, {"retry_after": 3, "form": "seconds"})
    assert requests.get(sandbox.url + "/ping", timeout=10).headers["Retry-After"] == "3"
    assert [(fault["kind"], fault["hits"]) for fault in control("GET", "faults").json()] == [("rate_limited", 1)]
    control("DELETE", "faults")
    assert control("GET", "faults").json() == []


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("faults", {"path_prefix": "/", "kind": "nonsense"}, "nonsense"),
        ("faults", {"kind": "hang"}, "path_prefix"),
        ("faults", {"path_prefix": "/", "kind": "hang", "minutes": 1}, "minutes"),
        ("clock", {"noon": True}, "noon"),
        ("clock", {"now_ms": "soon"}, "soon"),
        ("limits", {"per_hour": 3}, "per_hour"),
        ("clock", [1], "object"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_the_reason(control, name, body, word):
    answer = control("POST", name, body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_a_body_that_is_no_json_is_refused(sandbox):
    assert requests.post(sandbox.origin + "/_sandbox/clock", data="{", timeout=10).status_code == 400


def test_a_control_path_that_does_not_exist_is_404(control):
    assert control("POST", "nonsense", {}).status_code == 404


def test_the_clock_is_set_moved_and_stopped(sandbox, control):
    assert control("POST", "clock", {"now_ms": 1_700_000_000_000, "frozen": True}).json() == {
        "now_ms": 1_700_000_000_000
    }
    control("POST", "clock", {"advance_ms": 86_400_000})
    assert control("GET", "clock").json() == {"now_ms": 1_700_086_400_000}
    row = requests.get(sandbox.url + "/coins/markets?vs_currency=usd&per_page=1", timeout=10).json()[0]
    assert row["last_updated"].startswith("2023-11-15T22:13:")


def test_calls_are_listed_and_forgotten(sandbox, control):
    requests.get(sandbox.url + "/ping?a=1", timeout=10)
    (call,) = control("GET", "requests").json()
    assert (call["path"], call["params"], call["target"]) == ("/ping", {"a": "1"}, "/api/v3/ping?a=1")
    assert call["headers"]["user-agent"].startswith("python-requests/")
    control("DELETE", "requests")
    assert control("GET", "requests").json() == []


def test_limits_are_set(sandbox, control):
    control("POST", "limits", {"plan": "pro", "key": "CG-right"})
    assert status(sandbox) == 401


def test_a_page_in_a_browser_cannot_steer_it(sandbox, control):
    assert control("POST", "clock", {"now_ms": 0}, headers={"Origin": "https://example.com"}).status_code == 403
    assert sandbox.clock.now() == NOW


def test_control_answers_even_where_every_call_fails(sandbox, control):
    sandbox.faults.add("", "status")
    sandbox.limits = Limits(per_minute=1)
    assert [control("GET", "clock").status_code for _ in range(3)] == [200, 200, 200]


# --- the command ----------------------------------------------------------------------------------
@pytest.fixture
def command(tmp_path):
    """Starts the command and waits for its port; ends it in any case."""
    started = []

    def start(*options):
        port = tmp_path / "port"
        process = subprocess.Popen(
            [sys.executable, "manage.py", "sandbox", "--announce", port, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        deadline = time.monotonic() + 30
        while not port.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return process, f"http://127.0.0.1:{port.read_text().strip()}/api/v3"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(command, ending):
    process, url = command("--seed", "3", "--at", str(NOW), "--rate", "0", "--plan", "demo", "--key", "CG-right")
    page = url + "/coins/markets?vs_currency=usd&per_page=1"
    assert requests.get(page, timeout=10).status_code == 401
    (row,) = requests.get(page, headers={"x-cg-demo-api-key": "CG-right"}, timeout=10).json()
    with Sandbox(seed=3, clock=lambda: NOW) as same:
        assert requests.get(same.url + "/coins/markets?vs_currency=usd&per_page=1", timeout=10).json() == [row]
    process.send_signal(ending)
    said, complained = process.communicate(timeout=20)
    assert (process.returncode, complained) == (0, "")
    assert said.splitlines() == [f"sandbox: 685 simulated coins at {url} (seed 3)"]


def test_the_command_says_in_one_sentence_that_its_port_is_taken(sandbox):
    done = subprocess.run(
        [sys.executable, "manage.py", "sandbox", "--port", str(sandbox.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr == f"CommandError: the sandbox cannot listen on 127.0.0.1:{sandbox.port}: Address already in use\n"
    )
