"""The table of faults: what is broken, what is done, and what must hold. A row is added here and nowhere else."""

from __future__ import annotations

import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from providers.breaker import Breaker
from spot import signs
from spot.management.commands.up import program
from tests.chaos import abuses, stalled
from tests.chaos.bench import Bench, descriptors
from tests.chaos.crowd import silent
from tests.chaos.relay import Behaviour
from tests.chaos.surroundings import day_in_a_minute, lossy_line, moved, silent_market, slow_line, writers

MARKETS = "/coins/markets"


@dataclass(frozen=True)
class Row:
    """A fault. `act` breaks, waits, calls `bench.heal()`, and notes what does not hold meanwhile.

    `recovery`: seconds after healing until every client has fresh data; `closes`: the codes with which clients may be
    cut (none: nobody may be); `marked`: clients must have been told that their data are old; `growth`: MB that web
    and worker may grow by; `dated`: the age of frames can be judged, and calls be counted by the minute, which they
    cannot while clocks are wrong; `visitors`: clients of its own come and go, and no task may be left of them.
    """

    number: str
    fault: str
    act: Callable[[Bench], None]
    recovery: float = 10.0
    closes: frozenset[int] = frozenset()
    marked: bool = False
    growth: float = 60.0
    dated: bool = True
    visitors: bool = False


def _killed(part: str, seconds: float, bench: Bench) -> None:
    bench.site.stop(part, signal.SIGKILL)
    bench.wait(seconds)
    bench.site.start(part)
    bench.heal()


def _redis_killed(seconds: float, bench: Bench) -> None:
    before = bench.ready()
    bench.site.stop("redis", signal.SIGKILL)
    bench.require(bench.wait(10, lambda: not bench.ready()), "/readyz stayed green without Redis")
    bench.wait(max(seconds - 1, 0))
    bench.require(bench.healthy(), "/healthz did not answer without Redis")
    bench.require(before, "the site was not ready before")
    bench.site.start("redis")
    bench.heal()


def _frozen(part: str, seconds: float, bench: Bench) -> None:
    bench.signal(part, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if part != "web":
            bench.require(bench.healthy(), f"/healthz did not answer within 2 s while {part} was frozen")
        bench.wait(1)
    bench.signal(part, signal.SIGCONT)
    bench.heal()


def _relayed(relay: str, behaviour: Behaviour, seconds: float, bench: Bench) -> None:
    chosen = getattr(bench, relay)
    chosen.behave(behaviour)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if relay != "front":
            bench.require(bench.healthy(), "/healthz did not answer within 2 s")
        bench.wait(1)
    chosen.behave()
    bench.heal()


def _distant(delay: float, seconds: float, bench: Bench) -> None:
    """Redis answers after twice the delay: clients go on getting new data."""
    assert bench.crowd is not None
    bench.redis.behave(Behaviour(delay=delay))
    bench.wait(seconds)
    fresh = bench.crowd.served(time.time() - seconds / 2)
    bench.redis.behave()
    bench.require(fresh == len(bench.crowd.clients), f"{len(bench.crowd.clients) - fresh} clients got no new data")
    bench.heal()


def _flushed(bench: Bench) -> None:
    bench.store().flushall()
    bench.heal()


def _full(policy: str, seconds: float, bench: Bench) -> None:
    client = bench.store()
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", "1mb")
    try:
        if policy == "noeviction":
            bench.require(bench.wait(10, lambda: not bench.ready()), "/readyz stayed green while Redis took no writes")
        bench.wait(seconds)
        bench.require(bench.healthy(), "/healthz did not answer")
    finally:
        client.config_set("maxmemory", before)
        client.config_set("maxmemory-policy", "noeviction")
    bench.heal()


def _never_done(kind: str, bench: Bench) -> None:
    """Calls that would never end are given up at their deadline of 20 s, as the worker's log says."""
    written = len(bench.site.log("worker"))
    bench.site.sandbox.fault(MARKETS, kind)

    def given_up() -> bool:
        lines = bench.site.log("worker")[written:].splitlines()
        return any("event=fetch" in line and "outcome=unavailable" in line for line in lines)

    bench.require(bench.wait(26, given_up), "no call was given up in 26 s")
    bench.site.sandbox.heal()
    bench.heal()


def _unpacked(bench: Bench) -> None:
    before = bench.rss_mb("web") + bench.rss_mb("worker")
    bench.forget_peaks()
    _cycle((("truncated", {}), ("wrong_length", {}), ("gzip_bomb", {})), 5, bench)
    peak = bench.peak_mb() - before
    bench.require(peak < 100, f"web and worker took {peak:.0f} MB more for a while")


def _cycle(kinds: tuple[tuple[str, dict[str, object]], ...], seconds: float, bench: Bench) -> None:
    """One kind of answer after the other. Each is met at least once: what the provider did before is forgotten."""
    store = bench.store()
    for kind, options in kinds:
        bench.site.sandbox.heal()
        bench.site.sandbox.fault(MARKETS, kind, **options)
        store.delete("spot:breaker:coingecko", "spot:live:trouble:markets:usd")
        began = time.time()
        met = bench.wait(15, lambda began=began: len(bench.calls(began)) > 0)  # type: ignore[misc]
        bench.require(met, f"no call met {kind}")
        bench.wait(seconds)
    bench.site.sandbox.heal()
    bench.heal()


def _in_trouble(bench: Bench) -> None:
    """The provider blocks the address, and then answers everything with errors: it is left alone each time."""
    store = bench.store()
    kinds: tuple[tuple[str, dict[str, object]], ...] = (
        ("status", {"status": 403}),
        ("status", {"status": 500}),
        ("status", {"status": 502}),
        ("html", {}),
    )
    for kind, options in kinds:
        bench.site.sandbox.heal()
        bench.site.sandbox.fault("/", kind, **options)
        store.delete("spot:breaker:coingecko", "spot:live:trouble:markets:usd", *store.keys("spot:budget:*:rest:*"))
        calls = len(bench.calls_of_all_kinds())
        met = bench.wait(15, lambda calls=calls: len(bench.calls_of_all_kinds()) > calls)  # type: ignore[misc]
        bench.require(met, f"no call met {kind} {options}")
        if options.get("status") == 403:
            bench.wait(5)  # the account rests, and its provider is not to blame
        else:
            _require_left_alone(bench)
    bench.site.sandbox.heal()
    bench.heal()


def _refused(bench: Bench) -> None:
    """Connections to the provider are refused for 15 s, and until it is left alone."""
    bench.upstream.behave(Behaviour(refuse=True))
    bench.wait(15)
    _require_left_alone(bench)
    bench.require(bench.healthy(), "/healthz did not answer within 2 s")
    bench.upstream.behave()
    bench.heal()


def _require_left_alone(bench: Bench) -> None:
    breaker = Breaker(bench.store())
    left_alone = bench.wait(40, lambda: breaker.state("coingecko").state == "open")
    bench.require(left_alone, "the provider was not left alone within 40 s")


def _asked_to_wait(bench: Bench) -> None:
    bench.site.sandbox.fault(MARKETS, "rate_limited", retry_after=10)
    began = time.time()
    bench.wait(14, lambda: len(bench.calls(began)) > 0)
    first = min(bench.calls(began), default=time.time())
    bench.wait(9)
    # A fetch that had its calls granted a moment before the refusal still makes them.
    early = [at for at in bench.calls(began) if first + 1 < at < first + 9]
    bench.require(not early, f"{len(early)} calls inside Retry-After")
    bench.site.sandbox.heal()
    bench.heal()


def _killed_in_a_fetch(bench: Bench) -> None:
    bench.site.sandbox.fault(MARKETS, "slow", seconds=4.0)
    began = time.time()
    bench.wait(10, lambda: len(bench.calls(began)) > 0)
    bench.site.stop("worker", signal.SIGKILL)
    bench.site.sandbox.heal()
    bench.site.start("worker")
    bench.heal()


def _worker_away(bench: Bench) -> None:
    bench.site.stop("worker", signal.SIGKILL)
    bench.wait(20)
    bench.site.start("worker")
    bench.heal()
    bench.wait(20, lambda: bench.crowd is not None and bench.crowd.fresh(bench.healed) > 0)
    bench.wait(6)
    calls = bench.calls(bench.healed)
    span = time.time() - min(calls, default=time.time())
    allowed = span / float(bench.site.environment["SPOT_POLL_SECONDS"]) + 3
    bench.require(len(calls) <= allowed, f"{len(calls)} polls in {span:.0f} s: it catches up")


def _everything(bench: Bench) -> None:
    """Redis has saved what a worker was about to do."""
    bench.site.sandbox.fault(MARKETS, "slow", seconds=4.0)
    with bench.store() as store:
        # The claim of a worker that fetches names its process.
        claimed = bench.wait(10, lambda: b" " in (store.get("spot:claim:markets:usd") or b""))
        store.save()
    bench.require(claimed, "no worker fetched the market within 10 s")
    for part in list(bench.site.processes):
        bench.signal(part, signal.SIGKILL)
    for part in list(bench.site.processes):
        bench.site.stop(part, signal.SIGKILL)
    for part in ("redis", "sandbox", "worker", "beat", "stream", "web"):
        bench.site.start(part)
    bench.heal()


def _asked_to_end(bench: Bench) -> None:
    began = time.monotonic()
    bench.site.stop("web", signal.SIGTERM)
    bench.require(time.monotonic() - began < 5.5, "web did not end by itself")
    bench.require("Traceback" not in bench.site.log("web"), "a traceback in web's log")
    bench.site.start("web")
    bench.heal()


def _bounded(number: int, bound: int, bench: Bench, seconds: float = 12) -> None:
    """A bound of the kernel's on the files of web, worker and beat; lifted afterwards."""
    before = {pid: resource.prlimit(pid, number) for part in ("web", "worker", "beat") for pid in bench.pids(part)}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, number, (bound, hard))
    bench.wait(seconds)
    bench.require(bench.healthy(), "/healthz did not answer")
    for pid, limits in before.items():
        resource.prlimit(pid, number, limits)
    bench.heal()


def _no_descriptors(bench: Bench) -> None:
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in bench.pids("web")}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + 5, hard))
    peers = [silent(bench.site.port) for _ in range(30)]
    began = time.time()
    bench.wait(6)
    assert bench.crowd is not None
    bench.require(
        bench.wait(10, lambda: bench.crowd is not None and bench.crowd.fresh(began) == len(bench.crowd.clients)),
        "clients that were connected got no new data",
    )
    for peer in peers:
        peer.close()
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    bench.heal()
    bench.require(bench.wait(10, bench.healthy), "no new connection 10 s after descriptors were free")


def _locked(bench: Bench) -> None:
    database = sqlite3.connect(bench.site.home / "spot.sqlite3", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    began = time.time()
    try:
        peer = silent(bench.site.port, "market?envelope=1&page_size=1", buffer=65_536)
        peer.settimeout(5)
        try:
            accepted = b"101" in peer.recv(64)
        except TimeoutError:
            accepted = False
        bench.require(accepted, "a new client was not accepted within 5 s")
        peer.close()
        bench.wait(10)
        assert bench.crowd is not None
        bench.require(bench.crowd.fresh(began) == len(bench.crowd.clients), "clients got no new data meanwhile")
    finally:
        database.execute("ROLLBACK")
        database.close()
    bench.heal()
    _require_whole_database(bench)


def _skewed(steps: tuple[float, ...], bench: Bench) -> None:
    for step in steps:
        bench.skew(step)
        bench.wait(6)
        bench.require(bench.healthy(), f"/healthz did not answer with the clock {step:+g} s off")
    bench.skew(0)
    bench.heal()


def _set_back(seconds: float, bench: Bench) -> None:
    """While the clock is behind, polls go on: the sandbox counts them, whose clock is as wrong."""
    bench.skew(-seconds)
    bench.wait(3)
    calls = len(bench.calls())
    bench.require(bench.wait(20, lambda: len(bench.calls()) > calls + 2), "nothing was polled with the clock set back")
    bench.require(bench.healthy(), "/healthz did not answer with the clock set back")
    bench.skew(0)
    bench.heal()


def _full_disk(seconds: float, bench: Bench) -> None:
    """No file of web, worker and beat can grow, and the site answers all the same."""
    assert bench.crowd is not None
    began = time.time()
    _bounded(resource.RLIMIT_FSIZE, 0, bench, seconds)
    fresh = bench.crowd.served(began + seconds / 2)
    bench.require(fresh == len(bench.crowd.clients), f"{len(bench.crowd.clients) - fresh} clients got no new data")
    _require_whole_database(bench)


def _require_whole_database(bench: Bench) -> None:
    whole = sqlite3.connect(bench.site.home / "spot.sqlite3", timeout=20)
    bench.require(whole.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the database is damaged")
    whole.close()


def _second_beat(bench: Bench) -> None:
    beat = program("beat", bench.site._listener, bench.site.sandbox.url)
    assert beat is not None
    schedule = ["--schedule", str(bench.site.home / "second-beat")]
    bench.site.processes["second"] = bench.site._spawn(replace(beat, name="second", argv=[*beat.argv, *schedule]))
    bench.wait(3)
    began = time.time()
    bench.wait(10)
    calls = len(bench.calls(began))
    warned = bench.wait(20, lambda: "another beat" in bench.site.log("second"))
    bench.require(warned, "the second beat logged no warning")
    bench.require(len(signs.running(bench.store(), "beat")) == 2, "the doctor would not warn of two beats")
    bench.site.stop("second")
    bench.require(calls <= 7, f"{calls} polls in 10 s with two beats")
    bench.heal()


def _cut(part: float, bench: Bench) -> None:
    bench.front.cut(part)
    bench.heal()


CUT = frozenset({1006, 1012, 1013})
ROWS = (
    Row("F1", "Redis killed, back after 3 s", partial(_redis_killed, 3)),
    Row("F2", "Redis gone for 30 s", partial(_redis_killed, 30), marked=True),
    Row("F3", "Redis frozen for 15 s", partial(_frozen, "redis", 15), marked=True),
    Row(
        "F4",
        "Redis black-holed for 15 s, connections lost",
        partial(_relayed, "redis", Behaviour(lose=True), 15),
        recovery=30,
        marked=True,
    ),
    Row("F4b", "Redis 20 ms away for 15 s", partial(_distant, 0.01, 15)),
    Row("F4c", "connections to Redis reset", lambda bench: (bench.redis.cut(), bench.heal())[1]),
    Row("F5", "Redis flushed", _flushed),
    Row("F6", "Redis full, refuses writes for 12 s", partial(_full, "noeviction", 12)),
    Row("F6b", "Redis full, evicts for 12 s", partial(_full, "allkeys-lru", 12)),
    Row("F7", "nothing published for 60 s", partial(silent_market, 60), recovery=20, marked=True),
    Row("F8", "a day in a minute: all lives are short", partial(day_in_a_minute, 60), recovery=60, closes=CUT),
    Row("F9", "upstream asks to wait (429, Retry-After 10)", _asked_to_wait, recovery=25),
    Row(
        "F10",
        "upstream answers 403, 500, 502, a page",
        _in_trouble,
        recovery=30,
        marked=True,
    ),
    Row("F11", "upstream hangs", partial(_never_done, "hang"), recovery=75, marked=True),
    Row("F11b", "upstream drips", partial(_never_done, "drip"), recovery=75, marked=True),
    Row(
        "F11c",
        "upstream refuses connections",
        _refused,
        recovery=30,
        marked=True,
    ),
    Row(
        "F12",
        "upstream cut short, of wrong length, gzip bomb",
        _unpacked,
        recovery=75,
        growth=80,
    ),
    Row(
        "F13",
        "NaN, null, text and negative numbers",
        partial(
            _cycle,
            (("nan", {"every": 3}), ("nulls", {"every": 3}), ("strings", {"every": 3}), ("negative", {"every": 3})),
            4,
        ),
        recovery=75,
    ),
    Row(
        "F14",
        "rows twice, empty lists, another shape, half JSON",
        partial(_cycle, (("overlap", {"rows": 20}), ("empty", {}), ("wrong_shape", {}), ("broken_json", {})), 4),
        recovery=75,
    ),
    Row(
        "F15",
        "upstream's name unknown for 15 s, then another address",
        partial(moved, 15),
        recovery=75,
        marked=True,
    ),
    Row("F16", "worker killed in a fetch", _killed_in_a_fetch, recovery=15),
    Row("F17", "worker away for 20 s", _worker_away, recovery=20, marked=True),
    Row("F18", "two beats", _second_beat),
    Row("F19", "beat frozen for 15 s", partial(_frozen, "beat", 15), recovery=20, marked=True),
    Row("F19b", "stream killed", partial(_killed, "stream", 2)),
    Row("F20", "clock +1 h, +26 h, then right", partial(_skewed, (3600, 93_600)), recovery=60, dated=False),
    Row("F20b", "clock -1 h, then right", partial(_set_back, 3600), recovery=60, dated=False),
    Row("F20c", "clock 3 s ahead, 3 s behind, ahead again", partial(_skewed, (3, -3, 3)), dated=False),
    Row("F21", "web asked to end", _asked_to_end, recovery=30, closes=frozenset({1012})),
    Row("F22", "web killed", partial(_killed, "web", 1), recovery=30, closes=CUT),
    Row("F23", "disk full for web, worker, beat", partial(_full_disk, 12)),
    Row("F24", "eight processes write into SQLite for 15 s", partial(writers, 8, 15)),
    Row("F25", "SQLite locked for 10 s", _locked),
    Row("F26", "web out of file descriptors", _no_descriptors),
    Row("F27", "clients behind a line of 32 KB/s for 60 s", partial(slow_line, 32_768, 60)),
    Row("F28", "a third of the connections reset", partial(_cut, 0.33), closes=CUT),
    Row("F28b", "a tenth of the packets lost for 15 s", partial(lossy_line, 0.1, 15), recovery=30, closes=CUT),
    Row("F29", "everything killed in a fetch, started again", _everything, recovery=15, closes=CUT),
    Row(
        "A1",
        "10,000 sockets that never read",
        partial(stalled.never_reading, 10_000),
        growth=250,
        visitors=True,
    ),
    Row("A2", "4,000 malformed messages", partial(abuses.malformed, 4000), visitors=True),
    Row("A3", "1,000 sessions of random bytes", partial(abuses.noise, 1000), visitors=True),
    Row("A4", "500 idle peers, half heads and half bodies", partial(stalled.half_requests, 500), visitors=True),
    Row("A5", "deflate bombs, fragments, frames of 16 MiB", abuses.heavy, visitors=True),
    Row("A6", "10,000 distinct queries", partial(abuses.distinct, 10_000), recovery=75, visitors=True),
    Row("A7", "50 handshakes on a plan of 5, 20 times", partial(abuses.handshakes, 20), visitors=True),
    Row(
        "A8", "5,000 connects in 5 s, then none", partial(abuses.stampede, 5000), recovery=30, growth=150, visitors=True
    ),
    Row("A9", "1,000 subscriptions a second come and go", partial(abuses.churn, 10), visitors=True),
    Row("A10", "paths in coin ids", abuses.paths, visitors=True),
    Row("A11", "1,000 guesses at a client's key", partial(abuses.guesses, 1000), visitors=True),
    Row("A12", "keys in logs, answers and files", abuses.secrets, recovery=75, visitors=True),
)
#: Rows of RELIABILITY's matrix that are not here, and what proves them instead, if anything does.
ELSEWHERE = {
    "F30": "24 h of load: make soak HOURS=24",
}
