"""A feed over HTTP: CPU per request of the web process, beside a bare ASGI application and beside nginx with a file.

The bare application is served by plain uvicorn and returns the same heads and bodies, ready made: what is left above it
is what Spot does. A pool of connections that stay open, as a proxy has, has one request in flight on each.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.contenders import Contender, Run, nginx, running, spot
from bench.machine import HERE, Missing, workshop
from bench.market import PATH
from bench.measure import cpu_ns

TARGET = PATH.replace("/ws/", "/") + "?page_size=20&sparkline=false"
CONNECTIONS = 16
#: Rounds of all connections before the first that counts, and those that count.
_WARM, _ROUNDS = 20, 150
#: The snapshot: 500 coins with their charts.
_CASE = Case(1, own=True)
#: The generator's requests all come from one address.
_LIMITS = {"SPOT_REQUESTS_PER_MINUTE": "100000000"}
KINDS = ("20 rows", "304 by ETag")


@dataclass(frozen=True)
class Reply:
    """One answer as it came: the first line with the headers, and the body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: str) -> str:
        """The value of a header; "" without it."""
        return dict(self.headers).get(name, "")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names in lower case, and values; those that the server adds by itself left out."""
        pairs = [line.decode("latin-1").partition(": ")[::2] for line in self.head.split(b"\r\n")[1:] if line]
        return [(name.lower(), value) for name, value in pairs if name.lower() not in ("date", "connection")]


class Pool:
    """Connections that stay open."""

    def __init__(self, port: int) -> None:
        self._files = []
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port), 10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._files.append((connection, connection.makefile("rb")))

    def ask(self, request: bytes) -> Reply:
        """Send the request on every connection, then read every answer; the last of them."""
        for connection, _ in self._files:
            connection.sendall(request)
        for _, file in self._files:
            reply = _read(file)
        return reply

    def ask_one(self, request: bytes) -> Reply:
        """Send the request on one connection."""
        connection, file = self._files[0]
        connection.sendall(request)
        return _read(file)

    def close(self) -> None:
        """Close them all."""
        for connection, file in self._files:
            file.close()
            connection.close()


def _read(file: object) -> Reply:
    lines = []
    while (line := file.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]
        lines.append(line)
    head = b"".join(lines)
    reply = Reply(head, b"")
    length = 0 if reply.status == 304 else int(reply.header("content-length"))
    return Reply(head, file.read(length))  # type: ignore[attr-defined]


def get(target: str, **headers: str) -> bytes:
    """A request; `if_none_match="x"` becomes the header `if-none-match`."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n{more}\r\n".encode()


def _cost(pool: Pool, pids: list[int], request: bytes) -> float:
    """Microseconds of CPU per request."""
    for _ in range(_WARM):
        pool.ask(request)
    before = cpu_ns(pids)
    for _ in range(_ROUNDS):
        pool.ask(request)
    return (cpu_ns(pids) - before) / 1000 / _ROUNDS / CONNECTIONS


# --- the servers ------------------------------------------------------------------------------------------------------


def write_answers(answers: dict[str, tuple[Reply, Reply]]) -> None:
    """Leave answers for the bare application to give: of each target the whole one, and that to its entity tag."""
    texts = {
        target: [[reply.status, reply.headers, reply.body.decode("latin-1")] for reply in pair]
        for target, pair in answers.items()
    }
    (workshop() / "answers.json").write_text(json.dumps(texts))


def start_bare(run: Run) -> None:
    """Start the bare application on plain uvicorn."""
    words = ("--port", str(run.port), "--log-level", "warning", "--no-access-log", "--no-server-header")
    env = {"BENCH_ANSWERS": str(workshop() / "answers.json")}
    run.start(sys.executable, "-m", "uvicorn", *words, "bench.plain.ready_made:application", env=env)


def start_nginx(run: Run, template: str, **values: object) -> None:
    """Start nginx with a configuration of ours. Raises `Missing`."""
    if (program := nginx()) is None:
        raise Missing("nginx is not installed.")
    config = run.folder / "nginx.conf"
    text = (HERE / template).read_text()
    user = "" if os.geteuid() else "user root;"  # nobody else may read the folder
    for name, value in {"folder": run.folder, "port": run.port, "user": user, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    config.write_text(text)
    run.start(program, "-c", config, "-p", run.folder, "-e", run.folder / "log")


def _nginx_file(run: Run) -> None:
    shutil.copy(workshop() / "body.json", run.folder / "body.json")
    start_nginx(run, "nginx_file.conf")


@contextlib.contextmanager
def pool_of(run: Run) -> Iterator[Pool]:
    """Connections to a server."""
    run.wait()
    pool = Pool(run.port)
    try:
        yield pool
    finally:
        pool.close()


def children(pid: int) -> list[int]:
    """The process, and those that it started."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _of_spot() -> tuple[float, float]:
    """The cost of each kind for Spot; its answers are left for the others to give."""
    contender = Contender("spot-http", "Spot", spot("uvicorn", **_LIMITS), Case.spot_target)
    with running(contender, _CASE, workshop() / "spot-http") as run, pool_of(run) as pool:
        whole = get(TARGET)
        reply = pool.ask(whole)
        if reply.status != 200:
            raise Missing(f"Spot answered {reply.status}: {reply.body[:200]!r}")
        known = get(TARGET, if_none_match=reply.header("etag"))
        unchanged = pool.ask(known)
        assert unchanged.status == 304, unchanged
        (workshop() / "body.json").write_bytes(reply.body)
        write_answers({"/body.json": (reply, unchanged)})
        pids = [run.server[-1].pid]
        return _cost(pool, pids, whole), _cost(pool, pids, known)


def _of_other(contender: Contender) -> tuple[float, float]:
    with running(contender, _CASE, workshop() / contender.name) as run, pool_of(run) as pool:
        whole = get("/body.json")
        reply = pool.ask(whole)
        assert reply.body == (workshop() / "body.json").read_bytes()
        known = get("/body.json", if_none_match=reply.header("etag"))
        assert pool.ask(known).status == 304
        pids = children(run.server[-1].pid)
        return _cost(pool, pids, whole), _cost(pool, pids, known)


def compare(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Microseconds of CPU per request of each kind, for each server and round. Raises `Missing`."""
    if not Path(f"/proc/{os.getpid()}/schedstat").exists():
        raise Missing("the CPU of a process is read from /proc, which this system lacks.")
    costs: dict[str, list[tuple[float, float]]] = {"Spot": [], "bare ASGI": [], "nginx, a file": []}
    for _ in range(rounds):
        costs["Spot"].append(_of_spot())
        costs["bare ASGI"].append(_of_other(Contender("bare", "bare ASGI", start_bare, Case.spot_target)))
        with contextlib.suppress(Missing):
            costs["nginx, a file"].append(_of_other(Contender("file", "nginx", _nginx_file, Case.spot_target)))
    return costs


def ratio(costs: dict[str, list[tuple[float, float]]], kind: int) -> float:
    """Spot by the bare application: the median of the ratios within each round."""
    return statistics.median(
        ours[kind] / bare[kind] for ours, bare in zip(costs["Spot"], costs["bare ASGI"], strict=True)
    )
