"""Programs that take hundreds of megabytes or many seconds: `make test-clients` runs them, `make test` does not."""

from __future__ import annotations

import pytest

from tests.programs import catalogue
from tests.programs.conftest import Programs
from tests.programs.interception import Inside
from tests.programs.running import run

pytestmark = pytest.mark.heavy


def test_hummingbots_rate_oracle(programs: Programs) -> None:
    found = run(catalogue.HUMMINGBOT, "hummingbot_rates.py", programs.root, programs.key)
    assert found["count"] > 500
    assert float(found["bitcoin"]) > float(found["ether"]) > 0


def test_electrums_exchange_rates(inside: Inside) -> None:
    electrum = catalogue.ELECTRUM
    certificates = next(electrum.folder.glob("lib/python*/site-packages/certifi/cacert.pem"))
    found = run(
        electrum,
        "electrum_rates.py",
        inside=inside,
        over=[(inside.authority, certificates)],
        LD_LIBRARY_PATH=str(next(electrum.folder.glob("source/usr/lib/*/libsecp256k1.so.?")).parent),
    )
    assert float(found["rates"]["EUR"]) > 0
    assert float(found["rates"]["BTC"]) == 1
    assert found.get("history") or "401" in found["refused"]


def test_coingeckos_mcp_server(programs: Programs) -> None:
    found = run(catalogue.MCP_SERVER, "mcp_server.mjs", programs.root, programs.key, seconds=120)
    assert "execute" in found["tools"]
    text = found["answer"]["content"][0]["text"]
    assert not found["answer"].get("isError"), text
    assert "market_cap_rank" in text


def test_freqtrades_two_users(programs: Programs) -> None:
    found = run(catalogue.FREQTRADE, "freqtrade_users.py", programs.root, programs.key, seconds=120)
    assert found["listed"] > 500
    assert found["bitcoin"] > found["ether"] / 2 > 0
    assert found["largest"][:2] == ["BTC/USDT", "ETH/USDT"]
    assert found["layer 1"]
