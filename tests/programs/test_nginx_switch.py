"""A program with a fixed host through a real nginx, by the lines of `docs/programs.md`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.live import wait_until
from tests.nginx import NGINX, configuration
from tests.programs import catalogue
from tests.programs.conftest import Programs
from tests.programs.interception import Inside, prepare
from tests.programs.running import output, run, started

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(NGINX is None, reason="NGINX IS NOT ON THE PATH: nothing proves that it leads programs here"),
]


@pytest.fixture
def behind(programs: Programs, tmp_path: Path) -> Iterator[Inside]:
    """Where the vendors' hosts are a real nginx."""
    document = (Path(settings.BASE_DIR) / "docs" / "programs.md").read_text(encoding="utf-8")
    [site] = re.findall(r"```nginx\n(.*?)```", document, re.DOTALL)
    socket = tmp_path / "front.sock"
    site = re.sub(r"/etc/nginx/spot\.(pem|key)", str(tmp_path / "server.pem"), site)
    site = site.replace("listen 443 ssl;", f"listen unix:{socket} ssl;")
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{programs.site.port}")
    prepare(tmp_path)
    (tmp_path / "nginx.conf").write_text(configuration(tmp_path, site))
    process = subprocess.Popen([str(NGINX), "-e", f"{tmp_path}/error.log", "-c", f"{tmp_path}/nginx.conf"])
    try:
        wait_until(socket.exists, 10, "nginx")
        yield Inside(tmp_path)
    finally:
        process.terminate()
        process.wait(10)


def test_coingeckos_command_through_nginx(behind: Inside, settled: Path) -> None:
    command = ["node_modules/.bin/cg"]
    said = output(
        catalogue.CG, [*command, "price", "--ids", "bitcoin", "-o", "json"], inside=behind, home=settled,
        CG_NO_UPDATE_CHECK="1",
    )  # fmt: skip
    assert json.loads(said)["bitcoin"]["usd"] > 0
    watch = [*command, "watch", "--ids", "bitcoin", "-o", "json"]
    with started(catalogue.CG, watch, behind, home=settled, CG_NO_UPDATE_CHECK="1") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.communicate()[1]
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(first)["price"] > 0


def test_coinmarketcap_api_through_nginx(programs: Programs, behind: Inside) -> None:
    found = run(catalogue.COINMARKETCAP_API, "coinmarketcap_api.mjs", programs.key, inside=behind)
    assert found["quotes"]["data"]["BTC"]["quote"]["USD"]["price"] > 0
