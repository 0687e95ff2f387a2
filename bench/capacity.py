"""How many clients a core, a machine and ten machines carry, and what 100,000 and 1,000,000 take.

`python -m bench.capacity` prints the tables of docs/capacity.md, `--write` renews them there. The constants are in
bench/capacity.json, which `python -m bench.constants --write` measures; the formulas are in docs/capacity.md. `--help`
lists what can be assumed otherwise, such as other machines or less memory for a connection.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE, PAGE = HERE / "capacity.json", HERE.parent / "docs" / "capacity.md"
BEGIN, END = "<!-- tables: written by python -m bench.capacity --write -->", "<!-- end of tables -->"

#: No resource is planned to be used more than this.
SHARE = 0.6
#: Seconds in which a web process has written a version to all its clients: the alert SpotDeliverySlow is twice as late.
FANOUT_S = 0.125
#: Seconds for which the median client stays connected.
SESSION_S = 1800.0
#: Seconds over which clients come back that have lost their connection (spot/frontend/src/client/reconnect.js).
RETURN_S = 1.0
#: Cores of a machine that are left to the kernel, the load balancer and the log.
SPARE_CORES = 1
SIMULATED_VERSIONS, SAMPLED_PROCESSES = 120, 8
Constants = dict[str, float]


@dataclass(frozen=True)
class Machine:
    """A machine that web processes run on, a core each; Redis has another of them for itself."""

    cores: int = 8
    memory_gb: float = 32.0
    gbit: float = 10.0

    @property
    def processes(self) -> int:
        """Web processes on it."""
        return max(1, self.cores - SPARE_CORES)

    @property
    def bytes_s(self) -> float:
        """What its network sends in a second."""
        return self.gbit * 1e9 / 8


@dataclass(frozen=True)
class Load:
    """What clients look at: versions a second of it, which frame each makes, and how many different views a web process
    has of it; `own`: each client has one of its own."""

    name: str
    versions_s: float
    frame: str
    views: int = 20
    own: bool = False

    def bytes(self, known: Constants) -> float:
        """Of a frame, without the headers of TCP and TLS."""
        return known[f"frame_bytes_{self.frame}"]

    def frame_us(self, known: Constants) -> float:
        """CPU of a frame; one of an own view has the size of a small one."""
        return known["frame_us_1k" if self.own else f"frame_us_{self.frame}"]

    def client_us(self, known: Constants) -> float:
        """CPU that each client adds to a version."""
        return self.frame_us(known) + (known["view_us"] if self.own else 0.0)

    def version_us(self, known: Constants) -> float:
        """CPU of a web process for a version, before its first client."""
        if self.own:
            return known["version_us"]
        packing = known["deflate_us_16k"] if self.frame.endswith("deflate") else 0.0
        return known["version_us"] + self.views * (known["view_us"] + packing)

    def connection_kb(self, known: Constants) -> float:
        """Memory of a connection."""
        return known["connection_kb_own" if self.own else "connection_kb"] + known["kernel_kb"]


LOADS = (
    Load("polled each minute, 16 KB", 1 / 60, "16k"),
    Load("streamed twice a second, deltas of 1 KB", 2.0, "1k"),
    Load("the same, whole pages of 16 KB, compressed", 2.0, "16k_deflate"),
    Load("the same, not compressed", 2.0, "16k"),
    Load("streamed twice a second, each client its own query of 4 KB", 2.0, "own", own=True),
)


# --- formulas ---------------------------------------------------------------------------------------------------------


def clients_of_process(load: Load, machine: Machine, known: Constants) -> tuple[int, str]:
    """How many clients a web process carries, and what bounds it."""
    client_us = load.client_us(known)
    free_us = SHARE * 1e6 - known["idle_web_us_s"] - load.versions_s * load.version_us(known)
    memory_kb = SHARE * machine.memory_gb * 1e6 / machine.processes - known["process_kb"]
    bounds = {
        "CPU": free_us / (load.versions_s * client_us + known["connect_us"] / SESSION_S),
        "time of a fan-out": (FANOUT_S * 1e6 - load.version_us(known)) / client_us,
        "memory": memory_kb / load.connection_kb(known),
        "network": SHARE * machine.bytes_s / machine.processes / (load.versions_s * load.bytes(known)),
    }
    reason = min(bounds, key=lambda one: bounds[one])
    return max(1, int(bounds[reason])), reason


def redis_share(load: Load, processes: float, known: Constants) -> float:
    """The part of one core that Redis is busy."""
    each = load.versions_s * known["read_redis_us"] + known["idle_redis_us_s"]
    return (processes * each + load.versions_s * known["store_redis_us"]) / 1e6


def redis_bytes_s(load: Load, processes: float, known: Constants) -> float:
    """What Redis sends in a second."""
    return processes * (load.versions_s * known["read_bytes"] + known["idle_bytes_s"])


def most_clients(load: Load, machine: Machine, known: Constants) -> tuple[float, str]:
    """How many clients one Redis is enough for, and what ends first there."""
    each = clients_of_process(load, machine, known)[0]
    cpu = SHARE / (redis_share(load, 1, known) - redis_share(load, 0, known))
    network = SHARE * machine.bytes_s / redis_bytes_s(load, 1, known)
    return each * min(cpu, network), "its core" if cpu < network else "its network"


# --- simulation -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What clients saw in a simulated site: times in milliseconds, `back_s` and `storm_s` after a machine was lost."""

    processes: int
    machines: int
    busy: float
    last_p50: float
    last_p99: float
    skipped: int
    back_s: float
    storm_s: float


def site(load: Load, clients: int, machine: Machine, known: Constants) -> tuple[int, int]:
    """Web processes and machines for so many clients; one machine more than they need, which may be lost."""
    processes = math.ceil(clients / clients_of_process(load, machine, known)[0])
    machines = math.ceil(processes / machine.processes) + 1
    return machines * machine.processes, machines


def simulate(load: Load, clients: int, machine: Machine, known: Constants) -> Outcome:
    """Run a site: Redis answers one web process after another; each process takes its events one by one; its machine's
    network sends what they write. The newest version replaces one that waits."""
    processes, machines = site(load, clients, machine, known)
    each = clients / processes
    chance = random.Random(clients)
    jobs = [number * processes // SAMPLED_PROCESSES for number in range(min(processes, SAMPLED_PROCESSES))]
    busy, skipped, lasts = 0.0, 0, []
    interval = 1 / load.versions_s
    for position in jobs:
        arrivals = [interval * turn + position * known["read_redis_us"] / 1e6 for turn in range(SIMULATED_VERSIONS)]
        seconds = interval * SIMULATED_VERSIONS
        coming = _poisson(chance, each / SESSION_S, seconds)
        seen = _process(load, each, arrivals, coming, known)
        busy, skipped = busy + seen.used / seconds / len(jobs), skipped + seen.skipped
        lasts += _sent(load, clients / machines, machine, arrivals, seen.ends, known)
    lasts.sort()
    back_s, storm_s = _storm(load, each, processes, machine, known)
    return Outcome(
        processes,
        machines,
        busy,
        1000 * lasts[len(lasts) // 2],
        1000 * lasts[int(0.99 * len(lasts))],
        skipped,
        back_s,
        storm_s,
    )


def _poisson(chance: random.Random, rate: float, seconds: float) -> list[float]:
    times, now = [], chance.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += chance.expovariate(rate)
    return times


@dataclass(frozen=True)
class _Seen:
    """Of one web process: seconds that its core was used, when the last frame of each version was written, how many
    versions were replaced, when the last client that came was served."""

    used: float
    ends: list[tuple[int, float]]
    skipped: int
    connected: float


def _process(load: Load, clients: float, arrivals: list[float], coming: Iterable[float], known: Constants) -> _Seen:
    """Run one web process over the arrivals of versions and of clients."""
    fanout = (load.version_us(known) + clients * load.client_us(known)) / 1e6
    connect = known["connect_us"] / 1e6
    events = sorted([(time, connect, -1) for time in coming] + [(time, fanout, n) for n, time in enumerate(arrivals)])
    free, used, skipped, connected = 0.0, 0.0, 0, 0.0
    ends: list[tuple[int, float]] = []
    for time, cost, version in events:
        start = max(free, time)
        if 0 <= version < len(arrivals) - 1 and start >= arrivals[version + 1]:
            skipped += 1
            continue
        free, used = start + cost, used + cost
        if version >= 0:
            ends.append((version, free))
        else:
            connected = free
    return _Seen(used, ends, skipped, connected)


def _sent(
    load: Load,
    on_machine: float,
    machine: Machine,
    arrivals: list[float],
    ends: list[tuple[int, float]],
    known: Constants,
) -> list[float]:
    """Seconds from the store to the last byte of each version that was written."""
    duration, free, lasts = on_machine * load.bytes(known) / machine.bytes_s, 0.0, []
    began = {version: version / load.versions_s for version, _ in ends}
    for version, written in ends:
        free = max(free, arrivals[version]) + duration
        lasts.append(max(free, written) - began[version])
    return lasts


def _storm(load: Load, clients: float, processes: int, machine: Machine, known: Constants) -> tuple[float, float]:
    """A machine is lost: seconds until the others serve its clients, and the longest that a frame takes meanwhile."""
    left = processes - machine.processes
    if left < 1:
        return math.inf, math.inf
    more = clients * machine.processes / left
    coming = [RETURN_S * number / more for number in range(int(more))]
    turns = max(2, math.ceil(30 * load.versions_s))
    arrivals = [0.25 + turn / load.versions_s for turn in range(turns)]
    seen = _process(load, clients + more, arrivals, coming, known)
    return seen.connected, max(end - arrivals[version] for version, end in seen.ends)


# --- tables -----------------------------------------------------------------------------------------------------------


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = list(head)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _round(value: float) -> str:
    """Two digits of it, which is what these figures are good for."""
    if value <= 0 or math.isinf(value):
        return "-"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def carried(machine: Machine, known: Constants) -> str:
    """Clients of a core, a machine and ten."""
    lines = []
    for load in LOADS:
        each, reason = clients_of_process(load, machine, known)
        most, why = most_clients(load, machine, known)
        whole = each * machine.processes
        back = _round(each * known["connect_us"] / 1e6)
        lines.append([load.name, *map(_round, (each, whole, 10 * whole)), reason, back, f"{_round(most)}, {why}"])
    head = [
        "what clients look at", "a core", "a machine", "ten machines", "bounded by", "all connect at once, s",
        "one Redis is enough for",
    ]  # fmt: skip
    return _table(head, lines)


def simulated(clients: int, machine: Machine, known: Constants) -> str:
    """A site for so many clients."""
    lines = []
    for load in LOADS:
        seen = simulate(load, clients, machine, known)
        memory = (clients * load.connection_kb(known) + seen.processes * known["process_kb"]) / 1e6
        network = clients * load.versions_s * load.bytes(known) * 8 / 1e9
        redis = redis_share(load, seen.processes, known)
        sent = redis_bytes_s(load, seen.processes, known) * 8 / 1e6
        shares: dict[str, float] = {
            "cores": seen.busy,
            "network": network / seen.machines / machine.gbit,
            "memory": memory / seen.machines / machine.memory_gb,
            "Redis": redis,
            "Redis' network": sent / 1000 / machine.gbit,
        }
        first = max(shares, key=lambda one: shares[one])
        lines.append(
            [
                load.name,
                f"{seen.machines:,}",
                _round(seen.busy * seen.processes),
                _round(memory),
                _round(network),
                f"{_round(100 * redis)} %",
                _round(sent),
                f"{_round(seen.last_p50)}, {_round(seen.last_p99)}",
                f"{_round(seen.back_s)}, {_round(seen.storm_s)}",
                f"{first}, {_round(100 * shares[first])} %",
            ]
        )
    head = [
        "what clients look at", "web machines", "cores busy", "GB of memory", "Gbit/s to clients", "Redis, of a core",
        "Mbit/s from Redis", "last client, ms: p50, p99", "a machine lost: back after s, longest wait s", "fullest",
    ]  # fmt: skip
    return _table(head, lines)


NAMES: dict[str, str] = {
    "frame_us_1k": "CPU of a frame of 1 KB to one of many, µs",
    "frame_us_16k": "of 16 KB",
    "frame_us_128k": "of 128 KB",
    "frame_us_16k_deflate": "of 16 KB, compressed once for all",
    "frame_bytes_16k_deflate": "bytes of that",
    "deflate_us_16k": "compressing it, for each view, µs",
    "view_us": "a view: evaluate, encode, frame, µs",
    "version_us": "a version of 500 coins in a web process: nudge, read, decode, µs",
    "read_redis_us": "Redis: a version for one web process, µs",
    "read_bytes": "bytes of that",
    "charts_bytes": "bytes of the charts, read besides where they are shown and have changed",
    "store_redis_us": "Redis: storing a version of 500 coins with charts, µs",
    "connect_us": "a client connects and has its first frame, µs",
    "idle_web_us_s": "a web process without versions, µs a second",
    "idle_redis_us_s": "the same in Redis, µs a second",
    "connection_kb": "memory of a connection that shares its view, KB",
    "connection_kb_own": "memory of a connection with a query of its own, KB",
    "kernel_kb": "the kernel's part of an idle connection, KB",
    "process_kb": "a web process without clients, KB",
}


def constants(known: Constants) -> str:
    """What was measured."""
    return _table(
        ["constant", "measured"],
        (
            [title, f"{known[name]:,.0f}" if known[name] >= 100 else f"{known[name]:.3g}"]
            for name, title in NAMES.items()
        ),
    )


def whole(machine: Machine, known: Constants, sites: Iterable[int] = (100_000, 1_000_000)) -> str:
    """All tables."""
    parts = [
        "### Constants",
        f"{known['measured']}",
        constants(known),
        "### A core, a machine, ten machines",
        f"Machines of {machine.cores} cores, {machine.memory_gb:g} GB and {machine.gbit:g} Gbit/s.",
        carried(machine, known),
    ]
    for clients in sites:
        parts += [f"### {clients:,} clients, simulated", simulated(clients, machine, known)]
    return "\n\n".join(parts) + "\n"


def read() -> Constants:
    """The measured constants."""
    known: Constants = json.loads(FILE.read_text())
    return known


def write(text: str) -> None:
    """Put the tables into the page."""
    page = PAGE.read_text()
    block = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    put: Callable[[re.Match[str]], str] = lambda _: f"{BEGIN}\n\n{text}\n{END}"  # noqa: E731
    PAGE.write_text(block.sub(put, page))


def main() -> None:
    """Print the tables."""
    usual = Machine()
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--cores", type=int, default=usual.cores, help="of a web machine (8)")
    parser.add_argument("--memory-gb", type=float, default=usual.memory_gb, help="of a web machine (32)")
    parser.add_argument("--gbit", type=float, default=usual.gbit, help="of a machine's network (10)")
    parser.add_argument("--connection-kb", type=float, help="memory of a connection, in place of the measured")
    parser.add_argument("--clients", type=int, action="append", help="simulate so many (100000 and 1000000)")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/capacity.md")
    args = parser.parse_args()
    machine = replace(usual, cores=args.cores, memory_gb=args.memory_gb, gbit=args.gbit)
    known = read()
    if args.connection_kb is not None:
        known |= {"connection_kb": args.connection_kb}
    text = whole(machine, known, args.clients or (100_000, 1_000_000))
    print(text)
    if args.write:
        write(text)


if __name__ == "__main__":
    main()
