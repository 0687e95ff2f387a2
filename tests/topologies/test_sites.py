"""Whole sites on Sentinels and on a Cluster (`make test-redis`): the primary dies, freezes and comes back while clients
look on. Nobody is cut, nobody sees older data than before, and what is old is marked."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import history
from tests.chaos.crowd import Crowd
from tests.live import LiveSite, get, wait_until
from tests.redis_servers import Cluster, Guarded, Instance

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
CLIENTS = 12
#: For how long the others wait before they call a primary dead, in ms: longer than data stay fresh.
SILENT_MS = 12_000


class Drill:
    """A site on servers, with clients that look on."""

    def __init__(self, servers: Guarded | Cluster) -> None:
        self.servers = servers
        self.site = LiveSite(Path(tempfile.mkdtemp(prefix="spot-topology-")), REDIS_URL=servers.url)
        self.site.open("sandbox", "worker", "beat", "stream", "web")
        self.crowd = Crowd(self.site.port, CLIENTS)
        self.wait_for_news(0)

    def wait_for_news(self, since: float) -> None:
        """Wait until every client has data that were fetched after a time."""
        wait_until(lambda: self.crowd.fresh(since) == CLIENTS, 120, "fresh data for every client")

    def close(self) -> None:
        self.crowd.close()
        self.site.close()
        self.servers.close()
        shutil.rmtree(self.site.home, ignore_errors=True)


@pytest.fixture(params=["sentinel", "cluster"])
def drill(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Drill]:
    kind = Guarded if request.param == "sentinel" else Cluster
    drill = Drill(kind(tmp_path, silent_ms=SILENT_MS))
    yield drill
    drill.close()


def test_a_primary_that_hands_over_dies_freezes_and_comes_back_costs_no_client(drill: Drill) -> None:
    processes = {name: process.pid for name, process in drill.site.processes.items()}
    for fault in (None, signal.SIGKILL, signal.SIGSTOP):
        drill.servers.wait_until_safe()
        marks, began = drill.crowd.mark(), time.time()
        primary = drill.servers.primary if fault else drill.servers.hand_over()
        if fault:
            primary.process.send_signal(fault)
        wait_until(lambda former=primary: drill.servers.has_moved_from(former), 60, "another primary")
        elected = time.time()
        drill.wait_for_news(elected)
        served = time.time()
        heard, ends, closes, errors = drill.crowd.since(marks)
        seen = history.check(heard, ends=ends)
        print(  # noqa: T201
            f"\n{fault.name if fault else 'handed over'}: another primary after {elected - began:.1f} s, "
            f"{CLIENTS} clients fresh {served - elected:.1f} s later, {seen}"
        )
        assert not [*closes, *errors, *seen.words]
        assert seen.stale or not fault, "the outage was too short for old data"
        come_back(primary, fault)
        drill.wait_for_news(time.time())
    assert {name: process.pid for name, process in drill.site.processes.items()} == processes
    wait_until(drill.site.is_ready, 30, "readiness")
    assert get(drill.site.twin("market?page_size=3"))[0] == 200


def come_back(server: Instance, fault: signal.Signals | None) -> None:
    """Start a server again that was killed, or let one go on that was stopped."""
    if fault == signal.SIGKILL:
        server.process.wait()
        server.start()
    elif fault:
        server.process.send_signal(signal.SIGCONT)
    wait_until(lambda: server.client.role()[0] == b"slave", 60, "the old primary as a replica")
