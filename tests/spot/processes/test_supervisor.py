"""The supervisor, driven with small programs: a driver process supervises them and is signalled from here."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spot.processes import reaper, supervisor

# Supervises programs that each write their pid as a file and lock it, together with a child that they fork: a run is
# alive while its file is locked. "deaf" ones ignore SIGTERM, "brief" ones end at once.
DRIVER = """
import sys
from spot.processes.supervisor import Program, Supervisor
folder, *kinds = sys.argv[1:]
child = '''
import fcntl, os, signal, sys, time
folder, kind = sys.argv[1:]
run = open(f"{folder}/{os.getpid()}", "w")
fcntl.flock(run, fcntl.LOCK_EX)
if kind == "brief":
    sys.exit(3)
if kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    run.write(kind)
    run.flush()
time.sleep(600)
'''
def say(text):
    print(text, flush=True)
with Supervisor(say) as supervisor:
    for kind in kinds:
        supervisor.start(Program(kind, [sys.executable, "-c", child, folder, kind], last=kind == "last"))
    supervisor.run(lambda: None)
say("done")
"""


class Driver:
    """A supervising process and the runs of its programs, which are files."""

    def __init__(self, folder: Path, kinds: list[str]) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), *kinds], stdout=subprocess.PIPE, text=True
        )

    def runs(self, count: int) -> set[Path]:
        """The runs so far, once there are `count` of them and they have settled in."""
        wait_until(lambda: len([run for run in self.folder.iterdir() if run.read_text()]) >= count)
        return set(self.folder.iterdir())

    def end(self, number: int) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def lives(run: Path) -> bool:
    with run.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def make(*kinds: str) -> Driver:
        drivers.append(Driver(tmp_path, list(kinds)))
        return drivers[-1]

    yield make
    for driver in drivers:
        if driver.process.poll() is None:
            driver.end(signal.SIGTERM)
        assert driver.process.stdout is not None
        driver.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_program_and_what_it_forked(supervised: Callable[..., Driver], number: int) -> None:
    driver = supervised("plain", "last")
    runs = driver.runs(2)
    assert driver.end(number).endswith("done\n")
    assert driver.process.returncode == 0
    assert not any(lives(run) for run in runs)


def test_a_program_that_is_deaf_to_sigterm_is_killed(supervised: Callable[..., Driver]) -> None:
    driver = supervised("deaf", "last")
    runs = driver.runs(2)
    assert driver.end(signal.SIGTERM).endswith("done\n")
    assert not any(lives(run) for run in runs)


def test_nothing_survives_a_supervisor_that_is_killed(supervised: Callable[..., Driver]) -> None:
    driver = supervised("plain", "deaf")
    runs = driver.runs(2)
    driver.end(signal.SIGKILL)
    wait_until(lambda: not any(lives(run) for run in runs))


def test_a_program_that_dies_is_started_again_and_its_children_are_not_left(supervised: Callable[..., Driver]) -> None:
    driver = supervised("plain")
    (first,) = driver.runs(1)
    os.kill(int(first.name), signal.SIGKILL)
    driver.runs(2)
    assert not lives(first)
    said = driver.end(signal.SIGTERM)
    assert "plain ended (killed by SIGKILL); starting it again in 0.5 s" in said


def test_a_program_that_keeps_dying_is_started_ever_less_often(supervised: Callable[..., Driver]) -> None:
    driver = supervised("brief")
    wait_until(lambda: len(list(driver.folder.iterdir())) >= 3)
    said = driver.end(signal.SIGTERM)
    assert "brief ended (exit code 3); starting it again in 0.5 s" in said
    assert "starting it again in 1 s" in said


def test_the_patience_with_programs_that_are_deaf_adds_up_to_less_than_five_seconds() -> None:
    assert supervisor.STOP_SECONDS + supervisor.STOP_LAST_SECONDS < 5
    assert reaper.TERM_SECONDS < 5
