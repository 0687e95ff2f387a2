"""The packages in clients/, built, and a site for them: the product's web process in a thread of this one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from anyio.from_thread import BlockingPortal, start_blocking_portal
from django.conf import settings
from redis import Redis

from providers.datasets import LISTINGS, Dataset
from spot import snapshots
from spot.hub.hub import Hub
from tests.fastpath.gateway import Gateway, gateway
from tests.spot.rows import COINS, CURRENCIES, USD, candles, fetched, listings, market

CLIENTS = Path(settings.BASE_DIR) / "clients"


class Site:
    """A site with a market, candles and announcements. `put` stores a snapshot, as a worker does."""

    def __init__(self, portal: BlockingPortal, served: Gateway) -> None:
        self._portal = portal
        self._served = served
        self.url = f"http://127.0.0.1:{served.fast}"

    def put(self, dataset: Dataset, rows: list[dict[str, Any]], interval: float = 600.0, **facts: Any) -> None:
        """Store a snapshot."""
        snapshots.save(fetched(dataset, rows, **facts), interval)

    def put_market(self, shift: float = 0.0, **facts: Any) -> None:
        """Store a market of 30 coins in dollars."""
        self.put(USD, market(30, shift), **facts)

    def put_announcements(self, count: int) -> None:
        """Store the oldest `count` of twenty announcements."""
        self.put(LISTINGS, listings(20)[20 - count :])

    @property
    def sockets(self) -> int:
        """Open WebSockets."""
        return self._portal.call(lambda: len(self._served.sockets))


@pytest.fixture(scope="module")
def site(redis_url: str) -> Iterator[Site]:
    """A site of the module's own."""
    with Redis.from_url(redis_url) as client:
        client.flushall()

    async def forget_hub() -> None:
        await Hub.current().aclose()

    with start_blocking_portal(backend_options={"loop_factory": uvloop.new_event_loop}) as portal:
        with portal.wrap_async_context_manager(gateway()) as served:
            made = Site(portal, served)
            rows = [{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in market(30)]
            made.put(COINS, rows, 86_400)
            made.put(CURRENCIES, [{"id": "usd"}, {"id": "eur"}], 86_400)
            made.put(Dataset("candles", "usd", "bitcoin", 30), candles(48))
            made.put_market()
            made.put_announcements(5)
            yield made
        portal.call(forget_hub)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the Python client."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), CLIENTS / "python"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def spot_client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package out of the wheel, imported."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    sys.path.insert(0, str(folder))
    module = importlib.import_module("spot_client")
    assert str(module.__file__).startswith(str(folder))
    importlib.import_module("spot_client.sync")
    return module


@pytest.fixture
def at_once(spot_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the random part of their pauses."""
    monkeypatch.setattr("spot_client.retrying.random.random", lambda: 0.0)


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package out of its wheel and with the command `spot`. What the package needs is found
    beside this process's own packages; `CLIENTS_ENVIRONMENT` names one into which pip has installed everything."""
    if installed := os.environ.get("CLIENTS_ENVIRONMENT"):
        return Path(installed)
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--no-deps", "--quiet"]
    subprocess.run([*command, wheel], check=True, capture_output=True, timeout=60)
    return folder
