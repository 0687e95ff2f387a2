"""Processes made by fork, by a driver process of their own: a fork of pytest would have its threads and files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from spot.processes import forking

pytestmark = pytest.mark.skipif(not forking.is_possible(), reason="a fork cannot run Python here")

DRIVER = """
import fcntl, json, os, signal, socket, sys, time
from functools import partial
from spot.processes import forking
from spot.processes.supervisor import Program, Supervisor

def waits(): time.sleep(600)
def fails(): raise ValueError("of the child")
def ends(value): sys.exit(value)
said = {}
def is_mine(pid):
    try:
        return f"\\nPPid:\\t{os.getpid()}\\n" in open(f"/proc/{pid}/status").read()
    except OSError:
        return False

forking.prepare()
said["exits"] = [forking.fork(run, "x").wait() for run in (list, fails, lambda: ends(3), lambda: ends("a sentence"))]

waiting = forking.fork(waits, "spot with a long name")
while (name := open(f"/proc/{waiting.pid}/comm").read().strip()) == "python": time.sleep(0.01)
waiting.terminate()
said["ended"], said["name"] = waiting.wait(), name

mine, passed = os.pipe(), os.pipe()
def tells():
    os.write(passed[1], json.dumps({
        "session": os.getsid(0) == os.getpid(), "stdin": os.readlink("/proc/self/fd/0"),
        "default": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "mine": os.readlink(f"/proc/self/fd/{mine[1]}"),
    }).encode())
    os.close(passed[1])
    time.sleep(600)
signal.signal(signal.SIGTERM, lambda *_: None)
child = forking.fork(tells, "x", [passed[1]])
for end in (mine[1], passed[1]):
    os.close(end)
said["child"] = json.loads(os.read(passed[0], 4096))
said["closed"] = os.read(mine[0], 1) == b""  # nobody else has the other end
os.kill(child.pid, signal.SIGKILL)
child.wait()

here, there = os.pipe()
def tell(): os.write(there, b"fork\\n")
with Supervisor(lambda text: None) as supervisor:
    argv = [sys.executable, "-c", f"import os; os.write({there}, b'exec\\\\n')"]
    one = Program("one", argv, (there,), inside=partial(tell))
    supervisor.start(one)
    supervisor.when_asked = lambda: supervisor.start(Program("two", one.argv, one.fds, inside=partial(tell)))
    os.kill(os.getpid(), signal.SIGUSR1)
    def turn():
        if "two" in supervisor._runs and supervisor.has_ended("two"):
            supervisor.ending = True
    supervisor.run(turn)
said["ways"] = os.read(here, 4096).decode().split()[:2]

from spot.processes.fork_server import ForkServer

code = "import sys; from spot.processes import fork_server; fork_server.serve(int(sys.argv[-1]))"
argv = [sys.executable, "-c", code]
made = ForkServer(argv, [])
while not made.is_ready(): time.sleep(0.01)
child = made.fork(partial(exec, "pass"), "x")
said["nursed exits"] = [child.wait(), made.fork(partial(exec, "import sys; sys.exit(3)"), "x").wait()]
given, gives = os.pipe()
made.fork(partial(exec, f"import os; os.write({gives}, b'given')"), "x", [gives]).wait()
os.close(gives)
said["given"] = os.read(given, 100).decode(), os.read(given, 100).decode()
waiting = made.fork(partial(exec, "import time; time.sleep(600)"), "spot nursed")
status = dict(line.split(":\t", 1) for line in open(f"/proc/{waiting.pid}/status"))
said["nursed"] = int(status["PPid"]) == os.getpid(), status["Name"].strip(), os.getsid(waiting.pid) == waiting.pid
waiting.terminate()
said["nursed exits"].append(waiting.wait())
made.process.kill()
made.process.wait()
try:
    made.fork(partial(exec, "pass"), "x")
except OSError:
    said["gone"] = True
made.close()

with Supervisor(lambda text: None) as supervisor:
    supervisor.fork_server = argv, []
    one = Program("one", [sys.executable, "-c", f"import os; os.write({there}, b'exec')"], (there,),
                  inside=partial(exec, f"import os; os.write({there}, b'fork')"))
    supervisor.when_asked = lambda: supervisor.start(one)
    os.kill(os.getpid(), signal.SIGUSR1)
    def turn():
        if supervisor.has_ended("one"):
            supervisor.ending = True
    supervisor.run(turn)
said["reloaded"] = os.read(here, 4096).decode()
said["left"] = [name for name in os.listdir("/proc") if name.isdigit() and is_mine(name)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def driven() -> tuple[dict[str, object], str]:
    """What the driver saw, and what stood on its standard error."""
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "spot_project.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER], capture_output=True, text=True, env=env, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), ran.stderr


def test_a_fork_ends_as_a_program_does(driven) -> None:
    said, wrong = driven
    assert said["exits"] == [0, 1, 3, 1]
    assert "ValueError: of the child" in wrong
    assert "a sentence\n" in wrong
    assert said["ended"] == -15


def test_a_fork_has_a_name_a_session_and_no_descriptors_but_its_own(driven) -> None:
    said, _ = driven
    assert said["name"] == "spot with a lon"
    assert said["child"] == {"session": True, "stdin": "/dev/null", "default": True, "mine": "/dev/null"}
    assert said["closed"]


def test_programs_are_forks_until_their_code_may_have_changed(driven) -> None:
    said, _ = driven
    assert said["ways"] == ["fork", "exec"]


def test_a_fork_server_forks_children_of_the_supervisor(driven) -> None:
    said, _ = driven
    assert said["nursed exits"] == [0, 3, -15]
    assert said["given"] == ["given", ""]
    assert said["nursed"] == [True, "spot nursed", True]


def test_a_fork_server_that_has_ended_says_so(driven) -> None:
    assert driven[0]["gone"]


def test_after_a_reload_programs_are_forks_of_a_fork_server_and_nothing_is_left(driven) -> None:
    said, _ = driven
    assert said["reloaded"] == "fork"
    assert said["left"] == []
