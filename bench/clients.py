"""Keys of clients side by side with none: `python -m bench.clients`.

A handshake with a key and one without, alternately, against the same web process; its memory with 10,000 keys; and how
soon 1,000 connections of a key are closed after its revocation.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import shutil
import socket
import statistics
import sys
import time
import tracemalloc
from typing import Any

from bench import machine
from bench.cases import Case
from bench.contenders import Contender, Run, running, spot_environment
from bench.measure import cpu_ns

_PATH = "/tzone_apis/services/spot/ws/top-gainers"
_REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)
KEYS, SOCKETS = 10_000, 1_000


def request(key: str = "", path: str = _PATH) -> bytes:
    """A handshake, with a key or without."""
    return _REQUEST.format(path=path, more=f"X-API-Key: {key}\r\n" if key else "").encode()


def connected(port: int, asked: bytes) -> socket.socket:
    """A connection whose handshake was accepted."""
    one = socket.create_connection(("127.0.0.1", port), 10)
    one.sendall(asked)
    answer = one.recv(4096)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise machine.Missing(f"the handshake was refused: {answer[:300]!r}")
    return one


def handshakes(run: Run, asked: bytes, count: int) -> float:
    """Microseconds of the server's CPU for one connection, opened and closed."""
    web = [run.server[-1].pid]
    before = cpu_ns(web)
    for _ in range(count):
        connected(run.port, asked).close()
    return (cpu_ns(web) - before) / count / 1000


class Site:
    """The database of the web process, as an operator's change reaches it."""

    def start(self, run: Run) -> None:
        """Migrate, make keys, and start the web process."""
        self.environment = spot_environment(run) | {"SPOT_CONNECTIONS_PER_ADDRESS": "0"}
        os.environ.update(self.environment)
        import django

        django.setup()
        from django.core.management import call_command

        from spot.clients import keys
        from spot.clients.models import ClientKey, ClientPlan

        call_command("migrate", verbosity=0)
        plan = ClientPlan.objects.create(name="bench", connections=0, requests_per_minute=0)
        rows = []
        for number in range(KEYS):
            rows.append(ClientKey(name=f"client {number}", plan=plan))
            rows[-1].give(keys.new())
        ClientKey.objects.bulk_create(rows)
        self.key = rows[-1]
        run.start(sys.executable, "manage.py", "serve", env=self.environment)

    def read(self) -> tuple[float, float]:
        """Seconds in which a book of all keys is read, and its MB."""
        from spot.clients import records
        from spot.clients.book import Book

        records.read()
        gc.collect()
        tracemalloc.start()
        book = Book()
        book.fill(records.read())
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        began = time.perf_counter()
        records.read()
        return time.perf_counter() - began, size / 1e6

    def revoke(self) -> None:
        """As the operator's button does."""
        from django.utils import timezone

        self.key.revoked_at = timezone.now()
        self.key.save()


def revocation(site: Site, run: Run) -> tuple[float, float]:
    """Seconds after the key's revocation until the first and the last of its connections are closed."""
    assert site.key.secret is not None
    asked = request(site.key.secret.reveal())
    sockets = [connected(run.port, asked) for _ in range(SOCKETS)]
    poller = select.epoll()
    by_number = {one.fileno(): one for one in sockets}
    for number in by_number:
        poller.register(number, select.EPOLLIN)
    first, began = 0.0, time.perf_counter()
    site.revoke()
    while by_number:
        for number, _ in poller.poll(10):
            received = by_number[number].recv(4096)
            if not received or received[-4:-2] == b"\x88\x02" or (4401).to_bytes(2) in received:
                first = first or time.perf_counter() - began
                poller.unregister(number)
                del by_number[number]
        if time.perf_counter() - began > 30:
            raise machine.Missing(f"{len(by_number)} connections are open 30 s after the revocation")
    return first, time.perf_counter() - began


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="medians are of so many (60)")
    parser.add_argument("--handshakes", type=int, default=200, help="of each kind in a round (200)")
    args = parser.parse_args()
    machine.raise_file_limit()
    site = Site()
    contender = Contender("clients", "Spot, uvicorn", site.start, lambda _case, _group: _PATH)
    try:
        with running(contender, Case(1, 1), machine.workshop() / "clients") as run:
            report(site, run, args.rounds, args.handshakes)
    finally:
        shutil.rmtree(machine.workshop(), ignore_errors=True)


def report(site: Site, run: Run, rounds: int, count: int) -> None:
    """Everything, one line each."""
    assert site.key.secret is not None
    kinds = {"without a key": request(), "with a key": request(site.key.secret.reveal())}
    for asked in kinds.values():
        handshakes(run, asked, 200)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, asked in kinds.items():
            taken[name].append(handshakes(run, asked, count))
    medians: dict[str, Any] = {name: statistics.median(figures) for name, figures in taken.items()}
    for name, figure in medians.items():
        print(f"a connection {name}: {figure:.0f} us of CPU, opened and closed")
    ratios = [keyed / bare for keyed, bare in zip(taken["with a key"], taken["without a key"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"ratio: {middle:.3f} (median of {rounds} rounds; half of them from {low:.3f} to {high:.3f})")
    seconds, megabytes = site.read()
    print(f"a book of {KEYS:,} keys: {megabytes:.1f} MB, read in {seconds * 1000:.0f} ms")
    first, last = revocation(site, run)
    print(f"{SOCKETS:,} connections of a revoked key: closed after {first:.2f} to {last:.2f} s")


if __name__ == "__main__":
    main()
