"""Faults of what a site has around it: names, lives that end, other writers, lossy and slow lines, a silent market."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

from tests.chaos.bench import Bench
from tests.chaos.crowd import Crowd
from tests.chaos.defences import Changes
from tests.chaos.relay import Behaviour, Relay
from tests.operating import Operator

#: In a namespace of the network's of its own, a packet can be dropped without anybody else's noticing.
PRIVATE = "CHAOS_PRIVATE_NETWORK"


def private_network() -> list[str] | None:
    """The beginning of a command that runs in a network of its own; None where that cannot be had."""
    if not all(map(shutil.which, ("unshare", "ip", "iptables"))):
        return None
    for unshare in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        script = ["sh", "-c", 'ip link set lo up && iptables -w -L -n >/dev/null && exec "$@"', "sh"]
        if subprocess.run([*unshare, *script, "true"], capture_output=True, check=False).returncode == 0:
            return [*unshare, *script]
    return None


# --- a silent market --------------------------------------------------------------------------------------------------


def silent_market(seconds: float, bench: Bench) -> None:
    """Nothing is published, since nobody asks for it; clients are told that they are still connected."""
    assert bench.crowd is not None
    bench.signal("beat", signal.SIGSTOP)
    bench.wait(6)  # what was on its way has come
    bench.crowd.listen()
    before = bench.crowd.cuts()
    bench.wait(seconds)
    silence = bench.crowd.silence()
    bench.require(silence < 8, f"a client heard nothing for {silence:.1f} s, with heartbeats every 5 s")
    bench.require(bench.crowd.cuts() == before, f"{bench.crowd.cuts() - before} clients were cut")
    bench.signal("beat", signal.SIGCONT)
    bench.heal()


# --- a day in a minute ------------------------------------------------------------------------------------------------

#: Everything that ends after hours or days, or after so many tasks, ends within seconds.
SHORT_LIVES: Changes = {
    "providers.datasets": (("    kept: int = _DAY", "    kept: int = 10"),),
    "spot.signs": (("_DAY = 86_400", "_DAY = 10"),),
    "spot.snapshots.commands": (
        ("LINGER_MS = 120_000", "LINGER_MS = 10_000"),
        ("_VIEWERS_MS = 30_000", "_VIEWERS_MS = 10_000"),
    ),
    "spot.server.listening": (("PING_SECONDS = 20", "PING_SECONDS = 2"),),
    "spot_project.settings": (
        ("CELERY_WORKER_MAX_TASKS_PER_CHILD = 2000", "CELERY_WORKER_MAX_TASKS_PER_CHILD = 20"),
        ('"visibility_timeout": 120', '"visibility_timeout": 10'),
    ),
}
_OURS = ("worker", "beat", "stream", "web")


def day_in_a_minute(seconds: float, bench: Bench) -> None:
    """A site all of whose lives are short; Redis drops idle connections after 10 s besides."""
    assert bench.crowd is not None
    crowd, everybody = bench.crowd, len(bench.crowd.clients)
    bench.change(SHORT_LIVES)
    _restart(bench)
    bench.store().config_set("timeout", 10)
    bench.require(bench.wait(60, lambda: crowd.fresh() == everybody), "no fresh data where all lives are short")
    before, deadline = crowd.cuts(), time.monotonic() + seconds
    crowd.listen()
    while time.monotonic() < deadline:
        bench.wait(5)
        fresh = crowd.fresh(time.time() - 15)
        bench.require(fresh == everybody, "a client was left with old data where all lives are short")
    bench.require(crowd.silence() < 15, f"a client heard nothing for {crowd.silence():.0f} s")
    bench.require(crowd.cuts() == before, f"{crowd.cuts() - before} clients were cut")
    bench.store().config_set("timeout", 0)
    bench.change({})
    _restart(bench)
    bench.heal()


def _restart(bench: Bench) -> None:
    for part in _OURS:
        bench.site.restart(part)


# --- names ------------------------------------------------------------------------------------------------------------


def moved(seconds: float, bench: Bench) -> None:
    """The upstream's name cannot be found, and then means another address, at which the same answers."""
    bench.name(None)
    bench.upstream.cut()
    bench.wait(seconds)
    former = bench.upstream
    bench.upstream = Relay(former.target, ("127.0.0.2", former.port))
    former.close()
    bench.name("127.0.0.2")
    bench.heal()


# --- the database -----------------------------------------------------------------------------------------------------

_WRITER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO chaos_writes VALUES (?)", (time.time(),))
    database.execute("COMMIT")
    time.sleep(0.01)
"""


def writers(count: int, seconds: float, bench: Bench) -> None:
    """So many processes write into the database, while an operator signs in again and again."""
    import sqlite3

    assert bench.crowd is not None
    file = str(bench.site.home / "spot.sqlite3")
    with closing(sqlite3.connect(file, timeout=20)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS chaos_writes (at REAL)")
    argv = [sys.executable, "-I", "-c", _WRITER, file, str(seconds)]
    before = {part: len(bench.site.log(part)) for part in _OURS}
    processes = [subprocess.Popen(argv, stderr=subprocess.DEVNULL) for _ in range(count)]
    began, longest, signed = time.time(), 0.0, 0
    try:
        while any(process.poll() is None for process in processes):
            asked = time.monotonic()
            Operator(bench.site)  # raises unless each page is answered with 200
            longest, signed = max(longest, time.monotonic() - asked), signed + 1
            bench.wait(0.5)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    bench.require(longest < 20, f"signing in took {longest:.1f} s")
    bench.require(signed > 1, "nobody could sign in again")
    bench.require(bench.crowd.fresh(began) == len(bench.crowd.clients), "clients got no new data meanwhile")
    for part, length in before.items():
        bench.require("database is locked" not in bench.site.log(part)[length:], f"{part}: database is locked")
    with closing(sqlite3.connect(file, timeout=20)) as database:
        (written,) = database.execute("SELECT count(*) FROM chaos_writes").fetchone()
        database.execute("DROP TABLE chaos_writes")
        bench.require(database.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the database is damaged")
    bench.require(written > 10 * seconds, f"only {written} rows were written beside")
    bench.heal()


# --- lines ------------------------------------------------------------------------------------------------------------


def lossy_line(part: float, seconds: float, bench: Bench) -> None:
    """A part of the packets between clients and their relay are dropped, in both directions."""
    if PRIVATE not in os.environ:
        bench.skip("dropping packets needs a network of its own: unshare, iptables")
        bench.heal()
        return
    rules = [["INPUT", "-p", "tcp", way, str(bench.front.port)] for way in ("--dport", "--sport")]
    for rule in rules:
        _iptables("-A", *rule, "-m", "statistic", "--mode", "random", "--probability", str(part), "-j", "DROP")
    bench.wait(seconds)
    listed = _iptables("-L", "INPUT", "-v", "-x")
    dropped = [int(count) for count in re.findall(r"^ *(\d+) +\d+ +DROP", listed, re.MULTILINE)]
    _iptables("-F", "INPUT")
    bench.require(len(dropped) == 2 and min(dropped) > 0, f"packets dropped: {dropped}")
    bench.heal()


def _iptables(*arguments: str) -> str:
    return subprocess.run(["iptables", "-w", *arguments], capture_output=True, text=True, check=True).stdout


#: A page of which one every two seconds is more than the line takes, and the seconds that its data may be old on
#: arrival: two pages and what the kernel and the relay take, half a megabyte.
_WIDE, _BEHIND = "market?envelope=1&page_size=50&sparkline=true", 20.0


def slow_line(rate: int, seconds: float, bench: Bench) -> None:
    """Clients whose line takes less than is published get the newest page, and not each page later and later."""
    line = Relay(bench.site.port, window=65_536)
    line.behave(Behaviour(rate=rate))
    crowd = Crowd(line.port, 8, _WIDE, compressed=False)
    bench.wait(seconds)
    frames = sum(len(life) for client in crowd.clients for life in client.lives)
    behind, cuts = max(client.lag for client in crowd.clients), crowd.cuts()
    crowd.close()
    line.close()
    bench.require(frames >= 8 * 3, f"{frames} frames came through the slow line")
    bench.require(behind < _BEHIND, f"a client behind the slow line is {behind:.0f} s behind")
    bench.require(not cuts, f"{cuts} clients behind the slow line were cut")
    bench.heal()
