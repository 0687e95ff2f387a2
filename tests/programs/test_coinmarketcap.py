"""Programs that speak CoinMarketCap's REST API, unchanged but for the address, at a demo site."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.programs import catalogue
from tests.programs.conftest import Programs
from tests.programs.interception import Inside
from tests.programs.running import SCRIPTS, output, run, started

SCRIPT = SCRIPTS / "py3status_coin_market.py"


@pytest.mark.heavy  # it is imported for five seconds
def test_the_official_sdk(programs: Programs) -> None:
    found = run(catalogue.CMC_SDK, "coinmarketcap_sdk_calls.py", programs.coinmarketcap, programs.key)
    assert found["quotes"] == [["BTC", ["USD", "EUR"]], ["ETH", ["USD", "EUR"]]]
    assert [rank for rank, _price in found["listings"]] == [1, 2, 3, 4, 5]
    assert all(price > 0 for _rank, price in found["listings"])
    assert found["map"][0] == "BTC"
    assert found["refused"][0] == "AuthenticationError"


def test_coinmarketcap_js(programs: Programs) -> None:
    found = run(catalogue.COINMARKETCAP_JS, "coinmarketcap_js.mjs", programs.coinmarketcap, programs.key)
    assert set(found["quotes"]["data"]) == {"BTC", "ETH"}
    assert found["quotes"]["data"]["BTC"]["quote"]["USD"]["price"] > 0
    assert [row["cmcRank"] if "cmcRank" in row else row["cmc_rank"] for row in found["listings"]["data"]] == [1, 2, 3]
    assert [row["symbol"] for row in found["map"]["data"]] == ["BTC", "ETH"]


def test_coinmarketcap_api(programs: Programs, inside: Inside) -> None:
    found = run(catalogue.COINMARKETCAP_API, "coinmarketcap_api.mjs", programs.key, inside=inside)
    assert found["quotes"]["status"]["error_code"] == 0
    assert found["quotes"]["data"]["ETH"]["quote"]["USD"]["price"] > 0
    names = [row["name"] for row in found["tickers"]["data"]]
    assert len(names) == 3
    assert found["refused"]["status"]["error_code"] == 400
    assert "NOSUCHCOIN" in found["refused"]["status"]["error_message"]


def test_beanprice(programs: Programs, inside: Inside) -> None:
    command = [str(catalogue.BEANPRICE.python), "-m", "beanprice.price", "--no-cache", "-e"]
    source = "USD:beanprice.sources.coinmarketcap/BTC-USD"
    said = output(catalogue.BEANPRICE, [*command, source], inside=inside, COINMARKETCAP_API_KEY=programs.key)
    assert re.search(r"price \S+ +[\d.]+ USD", said), said


def test_py3status(programs: Programs, inside: Inside) -> None:
    command = [str(catalogue.PY3STATUS.python), "-u", str(SCRIPT), f'["{programs.key}"]']
    with started(catalogue.PY3STATUS, command, inside) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
    assert re.search(r"Bitcoin \$[\d.]+", line), line
    assert re.search(r"Ethereum \$[\d.]+", line), line
