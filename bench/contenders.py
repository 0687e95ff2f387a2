"""The servers that are compared: how each is started, which processes count as its own, who publishes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.cases import Case
from bench.machine import Missing, compiled, node_modules
from spot.processes import redis_server
from spot_project.redis_address import private
from spot_project.redis_connections import Server

ROOT = Path(__file__).resolve().parent.parent
NCHAN = (Path("/usr/lib/nginx/modules/ngx_nchan_module.so"), Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"))


@dataclass
class Run:
    """One start of one server: its processes, and the end of the line that makes it publish."""

    case: Case
    folder: Path
    port: int
    tick: socket.socket
    _tock: socket.socket
    root: Path = ROOT
    server: list[subprocess.Popen[bytes]] = field(default_factory=list)
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, *argv: str | Path, counts: bool = True, ticks: bool = False, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process; `counts`: its CPU and memory are the server's; `ticks`: it publishes."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=self._tock if ticks else subprocess.DEVNULL,
                stdout=log if counts else subprocess.PIPE,
                stderr=log,
                cwd=self.root,
                env=os.environ | (env or {}),
            )
        (self.server if counts else self.others).append(process)
        return process

    def publisher(self, *argv: str | Path, env: dict[str, str] | None = None) -> None:
        """Start what publishes, and wait until it is ready to."""
        process = self.start(*argv, counts=False, ticks=True, env=env)
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise Missing(f"the publisher ended: {self.last_words()}")

    def wait(self) -> None:
        """Return once the server accepts connections."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.server):
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise Missing(f"it did not start: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what the processes wrote."""
        lines = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no word why"

    def stop(self) -> None:
        """End every process."""
        self.tick.close()
        self._tock.close()
        for process in (*self.others, *reversed(self.server)):
            process.terminate()
        for process in (*self.others, *self.server):
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(contender: Contender, case: Case, folder: Path) -> Iterator[Run]:
    """The contender, serving the case."""
    folder.mkdir(parents=True)
    tick, tock = socket.socketpair()
    run = Run(case, folder, free_port(), tick, tock, contender.root)
    try:
        contender.start(run)
        run.wait()
        yield run
    finally:
        run.stop()
        shutil.rmtree(folder, ignore_errors=True)


# --- how each is started ----------------------------------------------------------------------------------------------


def plain_redis(run: Run) -> str:
    """Start a Redis that counts as the server's; its address."""
    binary = redis_server.find()
    if binary is None:
        raise Missing(redis_server.NONE_FOUND)
    path = run.folder / "redis.sock"
    run.start(binary.path, "--port", "0", "--unixsocket", path, "--save", "", "--dir", run.folder, "--maxmemory", "1gb")
    deadline = time.monotonic() + 10
    while redis_server.trouble(Server(private(str(path)))):
        if time.monotonic() > deadline:
            raise Missing("Redis did not start")
        time.sleep(0.02)
    return f"unix://{path}"


def spot_environment(run: Run, server: str = "uvicorn") -> dict[str, str]:
    """The settings of our web process, with a Redis of its own."""
    return {
        "REDIS_URL": plain_redis(run),
        "SPOT_HOME": str(run.folder / "home"),
        "SPOT_DEMO": "off",
        "SPOT_SERVER": server,
        "SPOT_BIND": "127.0.0.1",
        "PORT": str(run.port),
        "SPOT_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "spot_project.settings",
    }


def spot(server: str, **settings: str) -> Callable[[Run], None]:
    """Starts the web process on that server, with a Redis and a publisher."""

    def start(run: Run) -> None:
        env = spot_environment(run, server) | settings
        run.start(sys.executable, "manage.py", "serve", env=env)
        run.publisher(sys.executable, "-m", "bench.publish_spot", run.case.write_rows(run.folder), env=env)

    return start


def _scraped(run: Run) -> None:
    """The same, with its metrics scraped each second."""
    spot("uvicorn")(run)
    run.start(sys.executable, "-m", "bench.scrape", str(run.port), counts=False)


def _two(run: Run) -> None:
    """Two web processes on one socket."""
    env = spot_environment(run) | {"SPOT_WEB_PROCESSES": "2"}
    run.start(sys.executable, "manage.py", "up", "web", env=env)
    run.publisher(sys.executable, "-m", "bench.publish_spot", run.case.write_rows(run.folder), env=env)


def _stream(run: Run) -> None:
    env = spot_environment(run)
    run.start(sys.executable, "-m", "bench.coins", "serve", str(run.port), env=env)
    run.publisher(sys.executable, "-m", "bench.publish_spot", run.case.write_rows(run.folder), env=env)


def _plain(*server: str) -> Callable[[Run], None]:
    def start(run: Run) -> None:
        env = {"BENCH_REDIS": plain_redis(run), "DJANGO_SETTINGS_MODULE": "bench.plain.settings"}
        words = [word.format(port=run.port) for word in server]
        run.start(sys.executable, "-m", *words, "bench.plain.asgi:application", env=env)
        rows, groups = run.case.write_rows(run.folder), str(run.case.rooms)
        run.publisher(sys.executable, "-m", "bench.publish_plain", rows, groups, env=env)

    return start


def _websockets(run: Run) -> None:
    compression = ["deflate"] if run.case.deflate else []
    message = run.case.write_message(run.folder)
    run.start(sys.executable, "-m", "bench.serve_websockets", str(run.port), message, *compression, ticks=True)


def _ws(run: Run) -> None:
    if shutil.which("node") is None:
        raise Missing("node is not on PATH.")
    mode = "deflate" if run.case.deflate else "plain"
    env = {"NODE_PATH": str(node_modules())}
    message = run.case.write_message(run.folder)
    run.start("node", ROOT / "bench" / "serve_ws.cjs", str(run.port), message, mode, ticks=True, env=env)


def nginx() -> str | None:
    """The program, if it is installed."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _nchan(run: Run) -> None:
    module = next((path for path in NCHAN if path.exists()), None)
    program = nginx()
    if program is None or module is None:
        raise Missing("nginx with Nchan is not installed (Debian: apt install libnginx-mod-nchan).")
    template = (ROOT / "bench" / "nginx.conf").read_text()
    deflate = "nchan_deflate_message_for_websocket on;" if run.case.deflate else ""
    values = {"module": module, "folder": run.folder, "port": run.port, "deflate": deflate}
    config = run.folder / "nginx.conf"
    for name, value in values.items():
        template = template.replace(f"@{name}@", str(value))
    config.write_text(template)
    run.start(program, "-c", config, "-p", run.folder, "-e", run.folder / "log")
    run.wait()
    run.publisher(
        sys.executable,
        "-m",
        "bench.publish_http",
        str(run.port),
        run.case.write_message(run.folder),
        str(run.case.rooms),
    )


def _floor(run: Run) -> None:
    run.start(compiled("floor"), str(run.port), run.case.write_message(run.folder), ticks=True)


@dataclass(frozen=True)
class Contender:
    """One server: its name in tables, how it starts, and the request targets of its clients, of each group or `each`
    client. `first`: it sends whoever connects a first message. `root`: the checkout that it is started from."""

    name: str
    title: str
    start: Callable[[Run], None]
    target: Callable[[Case, int], str]
    each: bool = False
    first: bool = False
    root: Path = ROOT


CONTENDERS = {
    one.name: one
    for one in (
        Contender("spot", "Spot, uvicorn", spot("uvicorn"), Case.spot_target, first=True),
        Contender("spot-stream", "Spot, the stream", _stream, lambda case, _: case.stream_target(1), first=True),
        Contender("spot-stream-ids", "Spot, the stream, other ids", _stream, Case.stream_target, each=True, first=True),
        Contender("spot-sse", "Spot, server-sent events", spot("uvicorn"), Case.sse_target, first=True),
        Contender("spot-scraped", "Spot, metrics scraped each second", _scraped, Case.spot_target, first=True),
        Contender("spot-two", "Spot, two web processes", _two, Case.spot_target, first=True),
        Contender("nchan", "nginx + Nchan", _nchan, lambda case, group: f"/sub/{group}"),
        Contender("floor", "C, send() only", _floor, lambda case, group: f"/{group}"),
        Contender("ws", "Node ws", _ws, lambda case, group: f"/{group}"),
        Contender("websockets", "Python websockets, uvloop", _websockets, lambda case, group: f"/{group}"),
        Contender("spot-daphne", "Spot, daphne", spot("daphne"), Case.spot_target),
        Contender(
            "plain",
            "plain Channels, uvicorn",
            _plain("uvicorn", "--port", "{port}", "--log-level", "warning"),
            Case.plain_target,
        ),
        Contender(
            "plain-daphne",
            "plain Channels, daphne",
            _plain("daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0"),
            Case.plain_target,
        ),
    )
}
