"""`manage.py up`, which is what `make run` ends in: from the first line it prints to the last process it leaves."""

import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spot.management.commands.up import manage
from spot.server import listening
from tests.live import ADMINISTRATOR, ROOT, get, inherited, wait_until

pytestmark = pytest.mark.flow


class Run:
    """One `manage.py up`. Every process that it starts inherits its output, a pipe: while one is left, it is open."""

    def __init__(self, home: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"SPOT_HOME": str(home), "PORT": str(port), "SPOT_DEMO": "on", **environment}
        self.url = f"http://127.0.0.1:{settings['PORT']}"
        self.said = ""
        self.process = subprocess.Popen(
            manage("up"),
            cwd=ROOT,
            env={**inherited(), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.said += line

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said
            return "Spot is at" in self.said and get(f"{self.url}/readyz")[0] == 200

        wait_until(ready, what="readiness")

    def wait(self, seconds: float = 60) -> int:
        """The exit code, once every process has ended."""
        self._listening.join(seconds)
        assert not self._listening.is_alive(), f"processes are left after {seconds} s"
        return self.process.wait()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spot-up-") as folder:
        yield Path(folder)


@pytest.fixture
def up(home: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**environment: str) -> Run:
        runs.append(Run(home, **environment))
        return runs[-1]

    yield start
    for run in runs:
        run.process.terminate()
        run.wait()


def test_it_says_what_it_uses_and_one_ctrl_c_ends_all_of_it(up: Callable[..., Run], home: Path) -> None:
    run = up(SPOT_ADMIN_USER=ADMINISTRATOR[0], SPOT_ADMIN_PASSWORD=ADMINISTRATOR[1])
    run.wait_ready()
    for fact in ("private", f"SQLite {home}", "uvicorn on 127.0.0.1", "on: a simulated market", "Spot is at http://"):
        assert fact in run.said
    assert "No administrator" not in run.said
    with sqlite3.connect(home / "spot.sqlite3") as database:
        assert database.execute("SELECT username FROM auth_user").fetchall() == [(ADMINISTRATOR[0],)]
    database.close()
    run.process.send_signal(signal.SIGINT)
    assert run.wait(seconds=20) == 0
    assert "Traceback" not in run.said
    assert ADMINISTRATOR[1] not in run.said


def test_it_starts_again_right_after_it_was_killed(up: Callable[..., Run]) -> None:
    killed = up()
    killed.wait_ready()
    killed.process.kill()
    second = up()  # while the first one's processes are still being ended
    killed.wait(seconds=10)
    second.wait_ready()


def test_a_second_one_on_the_same_folder_is_refused_in_one_sentence(up: Callable[..., Run], home: Path) -> None:
    first = up()
    wait_until(lambda: (home / "up.lock").exists() and (home / "up.lock").read_text())
    second = up()
    assert second.wait() == 1
    assert second.said.strip() == (
        f"CommandError: Spot already runs on {home} (process {first.process.pid}). "
        "End that one, or choose another folder: SPOT_HOME=/path make run"
    )


def test_a_taken_port_is_said_in_one_sentence(up: Callable[..., Run]) -> None:
    with listening.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        run = up(PORT=str(port))
        assert run.wait() == 1
    assert run.said.startswith(f"CommandError: Port {port} is taken by another program.")
    assert len(run.said.splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"REDIS_URL": "redis://:s3cret#word@127.0.0.1:1/0"}, "REDIS_URL is not a readable address."),
        ({"REDIS_URL": "redis://:s3cret@127.0.0.1:1/0"}, "Redis cannot be used at redis://:***@127.0.0.1:1/0"),
        ({"DATABASE_URL": "postgres://spot:s3cret@127.0.0.1:1/spot"}, "postgres://spot:***@127.0.0.1:1/spot"),
        ({"SPOT_SERVER": "gunicorn"}, "SPOT_SERVER must be uvicorn or daphne, not 'gunicorn'."),
        ({"SPOT_DEMO": "maybe"}, "SPOT_DEMO must be on, off or auto, not 'maybe'."),
        ({"SPOT_DEBUG": "on", "SPOT_BIND": "0.0.0.0"}, "SPOT_DEBUG shows settings to visitors"),
        ({"PORT": "eighty"}, "PORT must be a whole number from 1 to 65535, not 'eighty'."),
        ({"SPOT_HOME": "/dev/null"}, "/dev/null"),
        ({"SPOT_ADMIN_USER": "olga"}, "SPOT_ADMIN_USER is set but SPOT_ADMIN_PASSWORD is not"),
    ],
)
def test_a_mistake_in_the_settings_is_said_without_a_stack_trace_or_a_secret(
    up: Callable[..., Run], environment: dict[str, str], sentence: str
) -> None:
    run = up(**environment)
    assert run.wait() == 1
    assert sentence in run.said
    assert "Traceback" not in run.said
    assert "s3cret" not in run.said


def test_a_redis_that_cannot_start_is_said_in_one_sentence(up: Callable[..., Run], home: Path) -> None:
    (home / "redis" / "redis.sock").mkdir(parents=True)  # where its socket is to be
    run = up()
    assert run.wait() == 1
    assert run.said.startswith("CommandError: Redis could not start (")
    assert len(run.said.splitlines()) == 1
