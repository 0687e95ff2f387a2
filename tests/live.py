"""A whole site as processes, for tests from outside: Redis, sandbox, Celery worker and beat, web server.

    site.url, site.socket("market?envelope=1"), site.stop("worker"), site.start("worker"), site.restart("web"),
    site.sandbox.fault("/coins/markets", "status", status=503), site.log("web")

The web server's listening socket is held here, so its address stays and a connection waits while it restarts.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from websockets.sync import client

import providers
from spot.management.commands.up import manage, program
from spot.processes import reaper, redis_server
from spot.processes.supervisor import Program
from spot.server import listening
from spot_project.redis_address import parse, private
from spot_project.redis_connections import Server
from tests.spot import contract

#: The providers that are asked without a key, the first first.
KEYLESS = [provider for provider in providers.all() if provider.keyless and not provider.simulated]
ADMINISTRATOR = ("operator", "a long enough password")
ROOT = Path(settings.BASE_DIR)
#: A Redis that cannot be reached.
NOWHERE = Server(private("/nowhere/redis.sock"))
# Straight to 127.0.0.1, whatever proxies the machine has for the world outside.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def get(url: str, *, method: str = "GET", body: Any = None, seconds: float = 20) -> tuple[int, Any]:
    """Status and decoded JSON (or text) of an HTTP answer, errors included."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with _open(request, None, seconds) as answer:
            status, kind, text = answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, kind, text = error.code, error.headers["Content-Type"], error.read().decode()
    address = urlsplit(url)
    contract.check_answer(address.path, address.query.encode(), status, kind, text.encode())
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


class Connection(client.ClientConnection):
    """A client's connection; a text must be in the schema of its address."""

    check = staticmethod(lambda _text: None)

    def recv(self, *arguments: Any, **options: Any) -> Any:
        message = super().recv(*arguments, **options)
        if isinstance(message, str):
            self.check(message)
        return message


def connect(address: str, **options: Any) -> Connection:
    """A connection to a site's socket, as of `websockets`."""
    parts = urlsplit(address)
    connection = client.connect(address, create_connection=Connection, **options)
    connection.check = contract.frames_of(parts.path, parts.query.encode())
    return connection


def wait_until(condition: Callable[[], Any], seconds: float = 60, what: str = "what was waited for") -> Any:
    """The condition's first true value; an assertion fails when it takes longer."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)
    return value


class SandboxControl:
    """The sandbox provider of a site, over its control API (`providers/sandbox/control.py`)."""

    def __init__(self, url: str) -> None:
        self.url = url  # ends in /api/v3
        self._control = url.removesuffix("/api/v3") + "/_sandbox/"

    def fault(self, path_prefix: str, kind: str, **options: Any) -> None:
        """Make calls to paths that begin so go wrong."""
        self._ask("faults", "POST", {"path_prefix": path_prefix, "kind": kind, **options})

    def heal(self) -> None:
        """Remove every fault."""
        self._ask("faults", "DELETE")

    def clock(self, **change: Any) -> int:
        """Change the market's clock (now_ms, advance_ms, rate, frozen); its time in epoch ms."""
        return int(self._ask("clock", "POST", change)["now_ms"])

    def limits(self, **limits: Any) -> None:
        """What it asks of its callers (plan, key, key_required, per_minute)."""
        self._ask("limits", "POST", limits)

    def requests(self) -> list[dict[str, Any]]:
        """The calls that arrived, oldest first."""
        return list(self._ask("requests"))

    def forget_requests(self) -> None:
        self._ask("requests", "DELETE")

    def _ask(self, name: str, method: str = "GET", body: Any = None) -> Any:
        status, answer = get(self._control + name, method=method, body=body)
        assert status == 200, answer
        return answer


class LiveSite:
    """The processes of one site in one folder. Settings are environment variables, given as keywords."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._listener = listening.listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._own_redis = f"unix://{home}/redis.sock"
        self.redis_url = environment.get("REDIS_URL", self._own_redis)
        self.redis = Server(parse(self.redis_url))
        self.environment = {**inherited(), **self._defaults(), **environment}
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", str(reaper.__file__)], stdin=subprocess.PIPE, start_new_session=True
        )

    def _defaults(self) -> dict[str, str]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            sandbox = f"http://127.0.0.1:{free.getsockname()[1]}/api/v3"
        self.sandbox = SandboxControl(sandbox)
        return {
            "SPOT_HOME": str(self.home),
            "REDIS_URL": self.redis_url,
            "PORT": str(self.port),
            "SANDBOX_BASE_URL": sandbox,
            # Providers that need no key would be asked over the internet; the first one is given an address by tests.
            **{f"{provider.name.upper()}_BASE_URL": "http://127.0.0.1:9" for provider in KEYLESS[1:]},
            "SPOT_DEMO": "on",
            "SPOT_POLL_SECONDS": "1",
            "SPOT_ADMIN_USER": ADMINISTRATOR[0],
            "SPOT_ADMIN_PASSWORD": ADMINISTRATOR[1],
        }

    # --- addresses ------------------------------------------------------------------------------------------------

    def socket(self, feed: str) -> str:
        """The address of a feed's WebSocket; `feed` may bring a query string."""
        return f"ws://127.0.0.1:{self.port}/tzone_apis/services/spot/ws/{feed}"

    def twin(self, feed: str) -> str:
        """The address of a feed's HTTP twin."""
        return f"{self.url}/tzone_apis/services/spot/{feed}"

    # --- processes ------------------------------------------------------------------------------------------------

    def open(self, *parts: str) -> None:
        """Start everything (or the parts named), and wait until the site can serve data."""
        if self.redis_url == self._own_redis:
            self.start("redis")
        wait_until(lambda: not redis_server.trouble(self.redis), what="Redis")
        prepared = self._spawn(Program("prepare", manage("prepare")))
        assert prepared.wait(60) == 0, self.log("prepare")
        for part in parts or ("sandbox", "worker", "beat", "web"):
            self.start(part)
        wait_until(self.is_ready, what="readiness")

    def is_ready(self) -> bool:
        """Whether /readyz says so; fails at once when a process has ended."""
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended: {self.log(name)}"
        with contextlib.suppress(OSError):  # on a busy machine the server may take long to begin
            return get(f"{self.url}/readyz")[0] == 200
        return False

    def start(self, name: str) -> None:
        """Start redis, sandbox, worker, beat, stream or web."""
        if name == "redis":
            binary = redis_server.find()
            assert binary is not None, redis_server.NONE_FOUND
            made: Program | None = redis_server.program(binary, self.home / "redis.sock", self.home / "redis")
        else:
            made = program(name, self._listener, self.sandbox.url)
        assert made is not None
        self.processes[name] = self._spawn(made)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a process, with SIGTERM or another signal; one that takes too long is killed, as `manage.py up` does."""
        process = self.processes.pop(name)
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        reaper.send(process.pid, signal.SIGKILL)
        process.wait()

    def restart(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a process and start it again."""
        self.stop(name, number)
        self.start(name)

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        """End everything."""
        for name, process in self.processes.items():
            if name != "redis":
                process.terminate()  # all at once, and then one by one
        for name in sorted(self.processes, key=lambda name: name == "redis"):
            self.stop(name)
        self._listener.close()
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()

    def _spawn(self, made: Program) -> subprocess.Popen[bytes]:
        with (self.home / f"{made.name}.log").open("ab") as log:
            process = subprocess.Popen(
                made.argv,
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=made.fds,
                start_new_session=True,
            )
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"+{process.pid}\n".encode())
        self._reaper.stdin.flush()
        return process


def inherited() -> dict[str, str]:
    """This process's environment without what would change a site."""
    prefixes = (f"{provider.name.upper()}_" for provider in providers.all())
    ours = ("SPOT_", *prefixes, "REDIS_", "DATABASE_", "PORT")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
