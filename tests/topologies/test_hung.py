"""A worker and a beat that hang while others go on (`make test-redis`): they are named, and their supervisor starts
others."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from spot import signs
from spot.doctor import work
from spot.doctor.site import Site
from spot.management.commands.up import manage
from spot.processes.supervisor import Program
from tests.live import LiveSite, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LiveSite]:
    """A site with a worker and a beat, as on another machine."""
    made = LiveSite(tmp_path, SPOT_BEATS="2")
    made.open("sandbox", "worker", "beat", "web")
    yield made
    made.close()


def pids(site: LiveSite, part: signs.Part) -> set[int]:
    """The processes of a part that run, by their signs."""
    return {int(name.rpartition(" ")[2]) for name in signs.running(site.redis.client(), part)}


def test_what_hangs_beside_others_is_named_and_started_again(site: LiveSite) -> None:
    parts: tuple[signs.Part, ...] = ("worker", "beat")
    wait_until(lambda: all(pids(site, part) == {site.processes[part].pid} for part in parts), 60, "their signs")
    site.processes["up"] = site._spawn(Program("up", manage("up", *parts)))
    wait_until(lambda: all(len(pids(site, part)) == 2 for part in parts), 60, "the signs of others")
    hung = {part: (pids(site, part) - {site.processes[part].pid}).pop() for part in parts}
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    with override_settings(REDIS=site.redis):
        wait_until(lambda: len(list(work.hung(Site(online=False)))) == 2, 90, "the doctor's findings")
        sentences = " ".join(finding.sentence for finding in work.hung(Site(online=False)))
    for part, pid in hung.items():
        assert f"A {part} gives no sign of life: {signs.name_of(pid)}" in sentences
    assert site.is_ready(), "the others do the work"
    for part, pid in hung.items():
        wait_until(lambda part=part: len(pids(site, part)) == 2, 120, f"another {part}")
        assert pid not in pids(site, part)
        assert f"{part} has been silent for 60 s ({signs.name_of(pid)})" in site.log("up")
        assert not signs.silent(site.redis.client(), part), "one that is gone is forgotten"
