"""What an idle socket weighs in the server, of many kinds; and a hundred thousand of them beside twenty thousand that
are sent a frame each second."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.cases import Case
from bench.contenders import CONTENDERS, Contender, Run, free_port, running, spot_environment
from bench.machine import Missing, workshop
from bench.measure import load, measure, resident_kb
from bench.report import idle_kb

CLIENTS = 5000
#: How many sockets the large run opens, and how many are sent frames.
MANY, ACTIVE = 100_000, 20_000
#: Descriptors that a process needs for itself.
_OWN_FILES = 400
#: Seconds in which the sockets of one process are to be open, and for which all stay idle once they are.
_OPEN_SECONDS, _IDLE_SECONDS = 240, 30


def _asking(more: str) -> Contender:
    spot = CONTENDERS["spot"]
    return replace(spot, target=lambda case, group: case.spot_target(group) + more)


#: Title, server, compressed.
KINDS: tuple[tuple[str, Contender, bool], ...] = (
    ("Spot: a feed", CONTENDERS["spot"], False),
    ("Spot: a feed in the envelope", _asking("&envelope=1"), False),
    ("Spot: a feed, compressed", CONTENDERS["spot"], True),
    ("Spot: a feed, by daphne", CONTENDERS["spot-daphne"], False),
    ("plain Channels, uvicorn", CONTENDERS["plain"], False),
    ("Python websockets, uvloop", CONTENDERS["websockets"], False),
    ("Node ws", CONTENDERS["ws"], False),
    ("nginx + Nchan", CONTENDERS["nchan"], False),
)


def compare(rounds: int, beside: Path | None, clients: int = CLIENTS) -> str:
    """The table of all kinds; with `beside`, another checkout of Spot in the same rounds."""
    kinds = list(KINDS)
    if beside is not None:
        others = [kind for kind in KINDS if kind[0].startswith("Spot")]
        kinds += [(f"{title}, in {beside.name}", replace(one, root=beside), deflate) for title, one, deflate in others]
    taken: dict[str, list[float]] = {}
    lines = [f"| KB of each of {clients:,} idle sockets |  |", "| --- | ---: |"]
    for _ in range(rounds):
        for title, contender, deflate in kinds:
            with contextlib.suppress(Missing):
                result = measure(contender, Case(clients, 16, deflate=deflate), 1)
                taken.setdefault(title, []).append(idle_kb(result))
    return "\n".join([*lines, *(f"| {title} | {statistics.median(each):.1f} |" for title, each in taken.items())])


class _Web(NamedTuple):
    """One web process of the large run, and the generator that holds its clients."""

    pid: int
    clients: int
    empty_kb: int
    process: subprocess.Popen[bytes]

    def sockets(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


def _slab_kb() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("SUnreclaim:"))


def many(files: int, idle: int = MANY, active: int = ACTIVE) -> Iterator[str]:
    """Open so many idle sockets in as many web processes as the limit of files asks for, then so many that are sent a
    frame of 16 KB each second beside them; what that took, as it is known."""
    yield f"{files:,} files a process (ulimit -Hn)."
    began, slab = time.monotonic(), _slab_kb()
    with _sites("idle", files, idle, ["-d", "1"]) as resting:
        seconds = time.monotonic() - began
        time.sleep(_IDLE_SECONDS)
        grown = sum(resident_kb(web.pid) - web.empty_kb for web in resting)
        yield (
            f"{idle:,} idle sockets in {len(resting)} web processes, open after {seconds:.0f} s: "
            f"{grown / idle:.1f} KB each in the web processes, {(_slab_kb() - slab) / idle:.1f} KB in the kernel "
            "for both ends."
        )
        with _sites("active", files, active, ["-d", "10000", "-i", "2000"]) as busy:
            yield from _told(busy)
        yield from _told(resting)


@contextlib.contextmanager
def _sites(name: str, files: int, clients: int, options: list[str]) -> Iterator[list[_Web]]:
    """Web processes on one store, with all their clients."""
    count = math.ceil(clients / (files - _OWN_FILES))
    ports = [free_port() for _ in range(count)]

    def start(run: Run) -> None:
        env = spot_environment(run)
        for port in ports:
            run.start(sys.executable, "manage.py", "serve", env=env | {"PORT": str(port)})
        run.port = ports[-1]
        run.publisher(sys.executable, "-m", "bench.publish_spot", run.case.write_rows(run.folder), env=env)

    site = replace(CONTENDERS["spot"], start=start)
    with running(site, Case(clients // count, 16), workshop() / name) as run, contextlib.ExitStack() as stack:
        webs = []
        for port, server in zip(ports, run.server[-count:], strict=True):
            _await(port)
            empty = resident_kb(server.pid)
            more = [
                "-1",
                "-s",
                "240",
                "-e",
                "3600000",
                "-o",
                "60000",
                "-O",
                str(_OPEN_SECONDS * 1000),
                "-p",
                str(port),
                *options,
            ]
            process = load(site, run, more)
            stack.callback(process.wait)
            stack.callback(process.kill)
            webs.append(_Web(server.pid, clients // count, empty, process))
            _await_open(webs[-1], run)
        yield webs


def _await(port: int) -> None:
    deadline = time.monotonic() + _OPEN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise Missing(f"nothing listens on port {port}")


def _await_open(web: _Web, run: Run) -> None:
    deadline = time.monotonic() + _OPEN_SECONDS
    while web.sockets() < web.clients:
        if time.monotonic() > deadline or web.process.poll() is not None:
            raise Missing(f"{web.sockets():,} of {web.clients:,} sockets could be opened: {run.last_words()}")
        time.sleep(0.2)


def _told(webs: list[_Web]) -> list[str]:
    """What the generators say in the end, which have broadcast to all that were still open."""
    for web in webs:
        web.process.send_signal(signal.SIGUSR1)  # ends the rest
    return [_words(web, *web.process.communicate(timeout=400)) for web in webs]


def _words(web: _Web, said: bytes, wrong: bytes) -> str:
    if not said:
        return f"a generator ended: {wrong.decode()[-200:]}"
    result = json.loads(said)
    return (
        f"{result['clients']:,} of {web.clients:,} open at the end; {result['broadcasts']} broadcasts, "
        f"{result['deliveries']:,} deliveries, p50 {result['p50_ms']:.0f} ms, p99 {result['p99_ms']:.0f} ms."
    )
