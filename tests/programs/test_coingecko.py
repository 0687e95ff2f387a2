"""Programs that speak CoinGecko's REST API or its socket, unchanged but for the address, at a demo site."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.live import get
from tests.programs import catalogue
from tests.programs.conftest import Programs
from tests.programs.endpoints import CONTRACT, ENDPOINTS, Endpoint
from tests.programs.interception import Front, Inside
from tests.programs.running import output, run, started


@pytest.fixture(scope="module")
def answered(programs: Programs) -> dict[str, dict[str, Any]]:
    """How the official Python SDK took the answer of each endpoint."""
    _status, coins = get(f"{programs.root}/coins/list?include_platform=true")
    address = next(filter(None, (coin["platforms"].get("ethereum") for coin in coins)))
    calls = [
        (endpoint.call, {name: address if value == CONTRACT else value for name, value in endpoint.arguments.items()})
        for endpoint in ENDPOINTS
    ]
    found = run(catalogue.PYTHON_SDK, "python_sdk.py", programs.root, programs.key, calls)
    return {endpoint.path: outcome for endpoint, outcome in zip(ENDPOINTS, found, strict=True)}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_the_python_sdk_finds_its_own_models(endpoint: Endpoint, answered: dict[str, dict[str, Any]]) -> None:
    outcome = answered[endpoint.path]
    absent = outcome.get("status") == 404 and str(outcome["said"].get("error", "")).startswith("Incorrect path.")
    if endpoint.refused:
        paid = outcome.get("status") == 401 and outcome["said"]["status"]["error_code"] == 10005
        assert absent or paid, outcome
    else:
        assert "error" not in outcome, outcome
        assert outcome["length"] > 2, outcome


def test_the_typescript_sdk(programs: Programs) -> None:
    found = run(catalogue.TYPESCRIPT_SDK, "typescript_sdk.mjs", programs.root, programs.key)
    assert "gecko_says" in found["ping"]
    assert found["price"]["bitcoin"]["usd"] > 0
    assert isinstance(found["price"]["bitcoin"]["last_updated_at"], int)
    assert [row["market_cap_rank"] for row in found["markets"]] == [4, 5, 6]
    assert len(found["markets"][0]["sparkline_in_7d"]["price"]) > 100
    assert found["past"] == []
    assert found["refused"] == {"kind": "BadRequestError", "status": 400, "said": {"error": "invalid vs_currency"}}


def test_pycoingecko(programs: Programs) -> None:
    found = run(catalogue.PYCOINGECKO, "pycoingecko_calls.py", programs.root, programs.key)
    for prices in (found["demo_api_key"], found["api_key"]):
        assert list(prices) == ["bitcoin", "ethereum"]
        assert set(prices["bitcoin"]) == {"usd", "usd_24h_change", "eur", "eur_24h_change"}
    assert found["markets"][0]["id"] == "bitcoin"
    assert found["refused"] == {"error": "invalid vs_currency"}


# --- hosts that are fixed ---------------------------------------------------------------------------------------------


def test_coingecko_api_v3(inside: Inside) -> None:
    found = run(catalogue.COINGECKO_API_V3, "coingecko_api_v3.mjs", "", 1, 20, inside=inside)
    assert set(found[0]["bitcoin"]) == {"usd", "eur"}


def test_coingecko_api_v3_asks_no_loop_when_it_has_asked_too_often(
    programs: Programs, front: Front, inside: Inside
) -> None:
    before = len(front.requests)
    key = programs.new_key("two a minute", requests_per_minute="2")
    found = run(catalogue.COINGECKO_API_V3, "coingecko_api_v3.mjs", key, 4, 1.5, inside=inside)
    asked = front.requests[before:]
    assert len(found) < 4
    assert 429 in {request.status for request in asked}
    assert len(asked) <= 5  # hundreds a second, where Retry-After is missing


def test_coingecko_api(front: Front, inside: Inside) -> None:
    found = run(catalogue.COINGECKO_API, "coingecko_api.mjs", inside=inside)
    assert not {"user-agent", "accept"} & set(front.requests[-1].headers)
    assert (found["ping"]["success"], found["ping"]["code"]) == (True, 200)
    assert found["price"]["data"]["bitcoin"]["usd"] > 0
    assert [row["id"] for row in found["markets"]["data"]] == ["bitcoin", "ethereum"]
    assert (found["refused"]["success"], found["refused"]["code"]) == (False, 400)


CG = ["node_modules/.bin/cg"]


def cg(inside: Inside, home: Path, *arguments: str) -> Any:
    """What CoinGecko's command prints."""
    command = [*CG, *arguments, "-o", "json"]
    return json.loads(output(catalogue.CG, command, inside=inside, home=home, CG_NO_UPDATE_CHECK="1"))


def test_coingeckos_command_knows_prices(front: Front, inside: Inside, settled: Path) -> None:
    found = cg(inside, settled, "price", "--ids", "bitcoin,ethereum", "--vs", "eur")
    assert found["bitcoin"]["eur"] > 0
    assert "source=cli" in front.requests[-1].target


def test_coingeckos_command_lists_markets(inside: Inside, settled: Path) -> None:
    found = cg(inside, settled, "markets", "--total", "20")
    assert [row["market_cap_rank"] for row in found] == list(range(1, 21))


def test_coingeckos_command_watches(inside: Inside, settled: Path) -> None:
    command = [*CG, "watch", "--ids", "bitcoin", "-o", "json"]
    with started(catalogue.CG, command, inside, home=settled, CG_NO_UPDATE_CHECK="1") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.communicate()[1]
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(first)["price"] > 0
