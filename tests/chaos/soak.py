"""`make soak HOURS=n`: a site with clients that come, ask for something else and go, keys that are revoked while their
holders are connected, and what it takes over time.

Once an hour Redis is killed. Samples go into soak.csv, and their picture into soak.svg, both in the folder --out.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import importlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect as sync_connect

from tests.chaos.crowd import PATH, silent, view_of

if TYPE_CHECKING:
    from tests.chaos.bench import Bench

PARTS = ("web", "worker", "beat", "stream")
#: What is sampled, and its title.
COLUMNS = {
    **{f"{part}_mb": f"memory of {part}, MB" for part in PARTS},
    "web_files": "descriptors of web",
    "web_threads": "threads of web",
    "web_tasks": "asyncio tasks of web",
    "worker_files": "descriptors of worker",
    "redis_keys": "keys in Redis",
    "redis_mb": "memory of Redis, MB",
    "queue": "tasks that wait",
    "served": "clients with data of the last 20 s",
    "revoked": "keys revoked so far",
    "outlived": "their sockets that stayed",
}
_RANDOM = random.Random(14)
SEARCHES = ("", "bit", "eth", "sol", "a", "usd")


async def _visit(port: int) -> None:
    """Come, look, ask for something else a few times, and go."""
    view = view_of(_RANDOM.randrange(40))[0]
    with suppress(OSError, WebSocketException, TimeoutError):
        async with connect(f"ws://127.0.0.1:{port}{PATH}{view}", max_size=None, proxy=None) as connection:
            for _ in range(_RANDOM.randrange(1, 5)):
                async with asyncio.timeout(10):
                    await connection.recv()
                await connection.send(json.dumps({"search": _RANDOM.choice(SEARCHES)}))
                await asyncio.sleep(_RANDOM.uniform(0.2, 2))


async def _churn(port: int, ended: threading.Event) -> None:
    async def visits() -> None:
        while not ended.is_set():
            await _visit(port)
            await asyncio.sleep(_RANDOM.uniform(0, 0.5))

    async def slow_readers() -> None:
        while not ended.is_set():
            peers = [await asyncio.to_thread(silent, port, "market?envelope=1&per_page=500") for _ in range(3)]
            await asyncio.sleep(20)
            for peer in peers:
                peer.close()

    await asyncio.gather(slow_readers(), *(visits() for _ in range(10)), return_exceptions=True)


class Holders:
    """Holders of keys, one after the other: each connects with a new key, which the operator then revokes."""

    def __init__(self, bench: Bench) -> None:
        from tests.operating import Operator

        self.revoked = self.outlived = 0
        self._bench, self._operator = bench, Operator(bench.site)
        self._operator.new_key("soak")

    def follow(self, ended: threading.Event) -> None:
        """One holder every half minute, until it has ended."""
        while not ended.wait(30):
            with suppress(OSError, AssertionError):  # Redis is being restarted, or the page says so
                self._follow_one()

    def _follow_one(self) -> None:
        key, page = self._operator.new_key("holder", plan="soak")
        address = f"ws://127.0.0.1:{self._bench.front.port}{PATH}top-gainers"
        with sync_connect(address, additional_headers={"X-API-Key": key}, max_size=None, proxy=None) as connection:
            connection.recv(timeout=10)
            self._operator.press(page, "revoke")
            self.revoked += 1
            deadline = time.monotonic() + 15
            try:
                while time.monotonic() < deadline:
                    connection.recv(timeout=15)
                self.outlived += 1
            except TimeoutError:
                self.outlived += 1
            except ConnectionClosed:
                self.outlived += connection.close_code != 4401


def sample(bench: Bench, holders: Holders, began: float) -> dict[str, float]:
    """What the site takes now."""
    from tests.chaos.bench import descriptors, threads
    from tests.chaos.leftovers import gauges

    taken: dict[str, float] = {"seconds": round(time.time() - began)}
    taken |= {f"{part}_mb": round(bench.rss_mb(part), 1) for part in PARTS}
    web, worker = bench.pids("web"), bench.pids("worker")
    taken |= {"web_files": sum(map(descriptors, web)), "web_threads": sum(map(threads, web))}
    taken["web_tasks"] = sum(gauges(bench, "spot_process_tasks").values())
    taken["worker_files"] = sum(map(descriptors, worker))
    with bench.store() as store:
        information: Any = store.info("memory")
        keys: Any = store.dbsize()
        queues = [key for key in store.scan_iter("*celery") if store.type(key) == b"list"]
        waiting = sum(int(store.llen(key)) for key in queues)  # type: ignore[arg-type]
    taken |= {"redis_keys": keys, "redis_mb": round(information["used_memory"] / 2**20, 2), "queue": waiting}
    assert bench.crowd is not None
    taken["served"] = bench.crowd.served(time.time() - 20)
    taken |= {"revoked": holders.revoked, "outlived": holders.outlived}
    return taken


def slope(samples: Sequence[dict[str, float]], column: str) -> float:
    """The growth in percent an hour over the second half of the samples, by least squares."""
    half = samples[len(samples) // 2 :]
    times = [entry["seconds"] / 3600 for entry in half]
    values = [entry[column] for entry in half]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    if not spread or not mean:
        return 0.0
    return 100 * sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread / mean


def picture(samples: Sequence[dict[str, float]]) -> str:
    """The samples as SVG: one small chart for each column."""
    width, height, across = 360, 130, 3
    last = max(samples[-1]["seconds"], 1)
    parts = []
    for number, (column, title) in enumerate(COLUMNS.items()):
        left, top = number % across * width, number // across * height
        most = max(*(entry[column] for entry in samples), 1)
        points = " ".join(
            f"{left + 40 + entry['seconds'] / last * (width - 60):.1f},{top + 110 - entry[column] / most * 80:.1f}"
            for entry in samples
        )
        now = samples[-1][column]
        parts.append(
            f'<text x="{left + 40}" y="{top + 20}">{title}: {now:g} (most {most:g})</text>'
            f'<path d="M{left + 40} {top + 30}V{top + 110}H{left + width - 20}" stroke="#999" fill="none"/>'
            f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>'
        )
    rows = -(-len(COLUMNS) // across)
    size = f'width="{width * across}" height="{height * rows + 30}"'
    foot = f'<text x="40" y="{height * rows + 15}">{last / 3600:.2f} hours, from 0 at the foot of each chart</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}{foot}</svg>\n'


def write(folder: Path, samples: Sequence[dict[str, float]]) -> None:
    """Write the samples and their picture."""
    with (folder / "soak.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, samples[0].keys())
        writer.writeheader()
        writer.writerows(samples)
    (folder / "soak.svg").write_text(picture(samples))


def soak(bench: Bench, seconds: float, folder: Path, every: float = 10) -> list[dict[str, float]]:
    """Let the site run; the samples."""
    bench.open()
    ended = threading.Event()
    churn = threading.Thread(target=lambda: asyncio.run(_churn(bench.front.port, ended)), daemon=True)
    churn.start()
    holders = Holders(bench)
    revocations = threading.Thread(target=holders.follow, args=(ended,), daemon=True)
    revocations.start()
    began, samples, hours = time.time(), [], 0
    try:
        while time.time() - began < seconds:
            time.sleep(every)
            samples.append(sample(bench, holders, began))
            write(folder, samples)
            # In the middle of each hour, and of a shorter run.
            if (time.time() - began) / min(seconds, 3600) > hours + 0.5:
                hours += 1
                bench.site.restart("redis", signal.SIGKILL)
    finally:
        ended.set()
        churn.join(30)
        revocations.join(30)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("test-results"))
    options = parser.parse_args()
    importlib.import_module("tests.environment")  # before any settings are read
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    import django

    django.setup()
    from tests.chaos.bench import Bench
    from tests.environment import pytest_unconfigure

    options.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.clients, SPOT_POLL_SECONDS="1")
    try:
        samples = soak(bench, options.hours * 3600, options.out)
    finally:
        bench.close()
        shutil.rmtree(bench.site.home, ignore_errors=True)
        pytest_unconfigure()
    for column, title in COLUMNS.items():
        values = [entry[column] for entry in samples]
        sys.stdout.write(
            f"{title:34} first {values[0]:8g}  last {values[-1]:8g}  most {max(values):8g}  "
            f"second half {slope(samples, column):+7.1f} % an hour\n"
        )
    sys.stdout.write(f"{options.out / 'soak.svg'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
