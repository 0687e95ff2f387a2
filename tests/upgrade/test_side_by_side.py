"""A real version of before beside this one: its web process reads what our worker stores, ours what its worker does.

The version before is taken from the history of the repository; the test is skipped in a checkout without it.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, LiveSite, get, wait_until

#: The last commit of the version before. At a release, that of the release.
BEFORE = "5b386b178bb5977b00f214aa9070669d8e0f8827"
pytestmark = [pytest.mark.flow, pytest.mark.heavy, pytest.mark.timeout(600)]
FEEDS = ("market?page_size=3", "top-gainers?page_size=3", "coin-heatmap?per_page=10", "ticker-tape?coin_ids=bitcoin")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the version before."""
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this checkout has no history with {BEFORE[:7]}")
    subprocess.run(["tar", "x"], cwd=folder, input=archive.stdout, check=True)
    shutil.copytree(ROOT / "spot/static/spot/build", folder / "spot/static/spot/build", dirs_exist_ok=True)
    return folder


@pytest.fixture
def start(before: Path, make_site: Callable[..., LiveSite]) -> Iterator[Callable[..., None]]:
    """Starts a process of the version before on the folder, Redis and database of a site."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(site: LiveSite, name: str, *argv: str, **environment: str) -> None:
        with (site.home / f"before-{name}.log").open("ab") as log:
            env = {**site.environment, **environment}
            started.append(subprocess.Popen([sys.executable, *argv], cwd=before, env=env, stdout=log, stderr=log))

    yield begin
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, 9)
            process.wait()


def answer(url: str) -> Any:
    """The answer of a feed, once it has rows."""

    def rows() -> Any:
        try:
            status, body = get(url)
        except OSError:
            return None
        return body if status == 200 and body else None

    return wait_until(rows, 90, url)


def fetched_at(site: LiveSite) -> int:
    return int(answer(site.twin("market?page_size=1&envelope=1"))["fetched_at"])


def test_two_versions_serve_each_others_data(make_site: Callable[..., LiveSite], start: Callable[..., None]) -> None:
    site = make_site()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    old = f"http://127.0.0.1:{port}/tzone_apis/services/spot/"

    start(site, "web", "manage.py", "serve", PORT=str(port))
    for feed in FEEDS:
        assert answer(old + feed)
    candles = answer(f"{old}historical-ohlcv?coin_id=bitcoin&days=30")
    assert {"timestamp", "open", "high", "low", "close"} <= candles[0].keys()
    assert answer(site.twin("historical-ohlcv?coin_id=bitcoin&days=30"))[0].keys() == candles[0].keys()

    site.stop("worker")
    site.stop("beat")
    celery = ("-m", "celery", "--quiet", "-A", "spot_project")
    start(site, "worker", *celery, "worker", "--loglevel=WARNING", "--concurrency=2")
    start(site, "beat", *celery, "beat", "--loglevel=WARNING", "--pidfile=")
    last = fetched_at(site)
    wait_until(lambda: fetched_at(site) > last, 90, "a market of the old worker")
    for feed in FEEDS:
        assert answer(site.twin(feed))
    assert answer(site.twin("historical-ohlcv?coin_id=ethereum&days=30"))[0].keys() == candles[0].keys()

    for name in ("web", "before-web", "before-worker"):
        said = site.log(name)
        # An old worker discards tasks that it does not know, and says so.
        assert "Traceback" not in said or name == "before-worker", said
        assert "cannot be read" not in said, said
