"""The constants of `bench.capacity`, measured on this machine: `python -m bench.constants --write`.

CPU seconds of the processes concerned, not wall time, so that a machine with other work will do; medians of the rounds.
Everything is on the loopback interface, as in docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import redis
from websockets.sync.client import ClientConnection, connect

from bench import machine
from bench.cases import Case
from bench.clients import connected, request
from bench.contenders import CONTENDERS, Run, free_port, running, spot
from bench.market import PATH, coins, one_query
from bench.measure import cpu_ns, load, resident_kb
from spot.query.columns import Columns

FILE = Path(__file__).with_name("capacity.json")
#: Web processes beside each other, for what each costs Redis.
PROCESSES = 4
VERSIONS, SOCKETS, IDLE_SECONDS = 30, 2000, 6.0
MANY = 5000


# --- frames -----------------------------------------------------------------------------------------------------------


def microseconds_a_version(case: Case, milliseconds: int = 800) -> tuple[float, int, float]:
    """CPU of the web process alone for a version of the case's snapshot, the bytes of a frame, and the kilobytes that a
    client adds to its memory."""
    spot = CONTENDERS["spot"]
    with running(spot, case, machine.workshop() / f"constants-{case.key}") as run:
        web = replace(run, server=run.server[-1:])
        with load(spot, web, ["-1", "-d", str(milliseconds)]) as process:
            said, wrong = process.communicate(timeout=300)
        if process.returncode or not said:
            raise machine.Missing(f"the load generator ended: {wrong.decode()[-200:]}")
    result = json.loads(said)
    if not result["broadcasts"]:
        raise machine.Missing(f"nothing was delivered: {result['trouble']}")
    idle = (result["idle_kb"] - result["empty_kb"]) / result["clients"]
    return result["cpu_s"] * 1e6 / result["broadcasts"], round(result["frame_bytes"]), idle


def frames() -> dict[str, float]:
    """What a frame costs at three sizes, plain and compressed, and what a distinct view costs."""
    found: dict[str, float] = {}
    for name, case in (
        ("1k", Case(MANY, 1)),
        ("16k", Case(MANY, 16)),
        ("128k", Case(MANY // 5, 128)),
        ("16k_deflate", Case(MANY, 16, deflate=True)),
    ):
        whole, size, idle = microseconds_a_version(case)
        found |= {f"frame_us_{name}": whole / case.clients, f"frame_bytes_{name}": size}
        if name == "16k":
            found["connection_kb"] = idle
    few = microseconds_a_version(Case(1000, groups=10, own=True))[0]
    many, own_bytes, own_kb = microseconds_a_version(Case(1000, groups=1000, own=True))
    found |= {"view_us": (many - few) / 990, "frame_bytes_own": own_bytes, "connection_kb_own": own_kb}
    plain = microseconds_a_version(Case(1000, 16, groups=100))[0]
    packed = microseconds_a_version(Case(1000, 16, groups=100, deflate=True))[0]
    return found | {"deflate_us_16k": max(0.0, (packed - plain) / 100)}


# --- Redis, and what a web process costs besides frames ---------------------------------------------------------------


class Site:
    """A Redis, a publisher, and some web processes, each with one client that follows the market."""

    def __init__(self, run: Run, count: int, query: str) -> None:
        self.run, self._server, self._open = run, [run.server[0].pid], contextlib.ExitStack()
        ports = [run.port]
        for _ in range(count - 1):
            ports.append(free_port())
            run.start(sys.executable, "manage.py", "serve", env=self._environment(ports[-1]))
        self.webs = [process.pid for process in run.server[1:]]
        self.clients = [self._connect(port, f"{PATH}?{query}") for port in ports]

    def _environment(self, port: int) -> dict[str, str]:
        text = Path(f"/proc/{self.run.server[1].pid}/environ").read_text()
        return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair) | {"PORT": str(port)}

    def _connect(self, port: int, path: str) -> ClientConnection:
        deadline = time.monotonic() + 60
        while True:
            try:
                client = self._open.enter_context(
                    connect(f"ws://127.0.0.1:{port}{path}", compression=None, max_size=None)
                )
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                client.recv(30)
                return client

    def publish(self) -> None:
        """A version, until every client has it."""
        self.run.tick.send(b"\n")
        for client in self.clients:
            client.recv(30)

    def measured(self, action: Callable[[], None]) -> tuple[float, float, int]:
        """What an action takes: CPU (µs) of Redis and of the first web process, and bytes that Redis sends."""
        sent = self._sent()
        before = cpu_ns(self._server), cpu_ns(self.webs[:1])
        action()
        redis_ns, web_ns = cpu_ns(self._server) - before[0], cpu_ns(self.webs[:1]) - before[1]
        return redis_ns / 1000, web_ns / 1000, self._sent() - sent

    def _sent(self) -> int:
        with self._redis() as client:
            return int(client.info("stats")["total_net_output_bytes"])

    def _redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.run.folder / "redis.sock"))

    def close(self) -> None:
        """Close the clients."""
        self._open.close()


def processes(count: int) -> dict[str, float]:
    """With so many web processes: what a version costs Redis and one of them, and what time alone costs."""
    case = Case(1, groups=1, own=True)
    with running(CONTENDERS["spot"], case, machine.workshop() / f"processes-{count}") as run:
        query = case.spot_target(0).partition("?")[2]
        site = Site(run, count, query)
        for _ in range(3):
            site.publish()

        def publish_all() -> None:
            for _ in range(VERSIONS):
                site.publish()

        time.sleep(1)
        redis_us, web_us, sent = site.measured(publish_all)
        began = time.monotonic()
        idle_redis, idle_web, idle_sent = site.measured(lambda: time.sleep(IDLE_SECONDS))
        seconds = time.monotonic() - began
        base = resident_kb(site.webs[0])
        site.close()
    return {
        "redis": redis_us / VERSIONS, "web": web_us / VERSIONS, "sent": sent / VERSIONS, "base": base,
        "idle_redis": idle_redis / seconds, "idle_web": idle_web / seconds, "idle_sent": idle_sent / seconds,
    }  # fmt: skip


def store() -> dict[str, float]:
    """Redis: what a version of 500 coins with charts costs to store, and each web process to read without them."""
    one, more = processes(1), processes(PROCESSES)
    _cells, charts = Columns.pack(coins(500, sparklines=True))

    def each(what: str) -> float:
        return max(0.0, (more[what] - one[what]) / (PROCESSES - 1))

    return {
        "read_redis_us": each("redis"), "read_bytes": each("sent"), "version_us": one["web"],
        "store_redis_us": one["redis"] - each("redis"), "charts_bytes": len(charts.text), "process_kb": one["base"],
        "idle_redis_us_s": each("idle_redis"), "idle_web_us_s": more["idle_web"], "idle_bytes_s": each("idle_sent"),
    }  # fmt: skip


def handshakes() -> dict[str, float]:
    """What a client costs that connects and gets its first frame of a view that others have."""
    case = Case(1, 16)
    unlimited = replace(CONTENDERS["spot"], start=spot("uvicorn", SPOT_CONNECTIONS_PER_ADDRESS="0"))
    with running(unlimited, case, machine.workshop() / "handshakes") as run:
        asked = request(path=f"{PATH}?{one_query(16)}")
        first = connected(run.port, asked)
        web = [run.server[-1].pid]
        before = cpu_ns(web)
        clients = [connected(run.port, asked) for _ in range(SOCKETS)]
        time.sleep(1)
        used = (cpu_ns(web) - before) / 1000 / SOCKETS
        for client in (first, *clients):
            client.close()
    return {"connect_us": used}


def kernel() -> dict[str, float]:
    """The kernel's objects of an idle connection, by the sizes that it tells root."""
    sizes = {"TCP": 2368, "sock_inode_cache": 832, "filp": 192, "dentry": 192, "eventpoll_epi": 128}
    with contextlib.suppress(OSError):
        lines = Path("/proc/slabinfo").read_text().splitlines()
        sizes |= {name: int(size) for name, _, _, size, *_ in map(str.split, lines[2:]) if name in sizes}
    return {"kernel_kb": sum(sizes.values()) / 1024}


def three_digits(value: float) -> float:
    """What a measurement of this kind is good for; whole numbers stay whole."""
    return round(value) if value >= 100 else float(f"{value:.3g}")


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.constants", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--part", choices=("frames", "store", "handshakes", "kernel"), help="only these; the others stay"
    )
    parser.add_argument("--write", action="store_true", help=f"write them into bench/{FILE.name}")
    args = parser.parse_args()
    machine.raise_file_limit()
    parts = {"frames": frames, "store": store, "handshakes": handshakes, "kernel": kernel}
    rounds: dict[str, list[float]] = {}
    try:
        for _ in range(args.rounds):
            for name in [args.part] if args.part else parts:
                for constant, value in parts[name]().items():
                    rounds.setdefault(constant, []).append(value)
                    print(f"{constant} {value:.6g}", flush=True)
    except machine.Missing as why:
        sys.exit(str(why))
    finally:
        shutil.rmtree(machine.workshop(), ignore_errors=True)
    medians = {name: three_digits(statistics.median(values)) for name, values in rounds.items()}
    print(json.dumps(medians, indent=1))
    if args.write:
        known = json.loads(FILE.read_text()) if FILE.exists() else {}
        where = machine.description().partition(";")[0]
        FILE.write_text(json.dumps({**known, **medians, "measured": f"{where}."}, indent=1) + "\n")


if __name__ == "__main__":
    main()
