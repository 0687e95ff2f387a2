"""A site with a relay before everything that can fail, the clients that look on, and what the machine says of it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from spot.management.commands.up import manage
from spot.processes import reaper, redis_server
from spot.processes.supervisor import Program
from tests.chaos.crowd import Crowd
from tests.chaos.defences import Changes
from tests.chaos.history import Published
from tests.chaos.relay import Relay
from tests.live import LiveSite, get, wait_until

#: What the clients' views are made of: coins that the market lacks come from the quotes.
TABLES = ("spot:live:table:markets:usd", "spot:live:table:quotes:usd")
#: The limit of the provider, which only abuse comes near.
CALLS_PER_MINUTE = 600
FEW_COINS: Changes = {"providers.sandbox.market": (("list(load() if", "list(load()[:300] if"),)}
#: Celery takes the time of day from C, which a clock that is put wrong does not reach.
CLOCKS: Changes = {
    "celery.app.base": (
        (
            "datetime.now(datetime_timezone.utc)",
            "datetime.fromtimestamp(__import__('time').time(), datetime_timezone.utc)",
        ),
    ),
    "celery.worker.request": (
        (
            "datetime.now(timezone.utc if self.expires.tzinfo else None)",
            "datetime.fromtimestamp(__import__('time').time(), timezone.utc if self.expires.tzinfo else None)",
        ),
    ),
}
INSIDE = Path(__file__).parent / "inside"


class Bench:
    """Redis and upstream are reached through relays, and so are the clients' sockets: `redis`, `upstream`, `front`."""

    def __init__(self, clients: int = 40, changes: Changes | None = None, **environment: str) -> None:
        """`changes`: what is another in the source of the site's processes (`tests.chaos.defences`). The market has
        300 coins, on two pages, and is polled every two seconds, so that a slow machine keeps up."""
        home = Path(tempfile.mkdtemp(prefix="chaos-"))
        self._clock = home / "clock"
        self._clock.write_bytes(bytes(8))
        self._names, self._changes_file = home / "names.json", home / "changes.json"
        self.name("127.0.0.1")
        self.site = LiveSite(home, **environment)
        self.redis = Relay(str(home / "redis.sock"))
        self.upstream = Relay(int(self.site.sandbox.url.split(":")[2].split("/")[0]))
        self.front = Relay(self.site.port)
        self.site.environment |= {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis.port}/0",
            "SPOT_DEMO": "off",
            "COINGECKO_BASE_URL": f"http://localhost:{self.upstream.port}/api/v3",
            "COINGECKO_CALLS_PER_MINUTE": f"{CALLS_PER_MINUTE}",
            "COINGECKO_CALLS_PER_MONTH": "0",
            "SPOT_CONNECTIONS_PER_ADDRESS": "5000",
            "SPOT_HEARTBEAT_SECONDS": "5",
            "SPOT_POLL_SECONDS": "2",
            "PYTHONPATH": f"{INSIDE}",
            "CHAOS_CLOCK": str(self._clock),
            "CHAOS_NAMES": str(self._names),
            "CHAOS_CHANGES": str(self._changes_file),
        } | environment
        self._changes = FEW_COINS | CLOCKS | (changes or {})
        self.change({})
        self.published: list[Published] = []
        self.healed = 0.0
        self.notes: list[str] = []
        self.skipped = ""
        self._ended = threading.Event()
        self._size = clients
        self.crowd: Crowd | None = None
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def open(self, *parts: str) -> None:
        """Start the site, or those parts of it beside Redis, then the clients."""
        self.site.open(*(parts or ("sandbox", "worker", "beat", "stream", "web")))
        self._look_on()

    def open_as_one(self) -> None:
        """Start the site by one command, in half of the time: its parts are forks of `manage.py up`, so that no row can
        stop one of them by its name."""
        site = self.site
        site.start("redis")
        site.start("sandbox")
        site._listener.close()  # the command opens the port itself
        wait_until(lambda: not redis_server.trouble(site.redis), what="Redis")
        site.processes["up"] = site._spawn(Program("up", manage("up")))
        wait_until(site.is_ready, what="readiness")
        self._look_on()

    def _look_on(self) -> None:
        self._watcher.start()
        self.crowd = Crowd(self.front.port, self._size)

    def close(self) -> None:
        """End everything that was started here, paused processes too."""
        for relay in (self.redis, self.upstream, self.front):
            relay.behave()
        if self.crowd:
            self.crowd.close()
        self._ended.set()
        for name in list(self.site.processes):
            self.signal(name, signal.SIGKILL)  # nothing is judged any more
        self.site.close()
        for relay in (self.front, self.redis, self.upstream):
            relay.close()

    # --- the publisher's log --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Note each version that the store has, past the relay."""
        client = Redis.from_url(self.site.redis_url, socket_timeout=1)
        while not self._ended.wait(0.05):
            entries = []
            with suppress(RedisError, OSError):
                for table in TABLES:
                    fields: Any = client.hmget(table, ["epoch", "version"])
                    if fields[0] is not None:
                        entries.append(Published(time.time(), fields[0].decode(), int(fields[1])))
            self.published += entries
        client.close()

    def change(self, changes: Changes) -> None:
        """Let the processes that start from now on have that source besides the changes of this bench."""
        together = {module: (*self._changes.get(module, ()), *pairs) for module, pairs in changes.items()}
        self._changes_file.write_text(json.dumps(self._changes | together))

    def name(self, address: str | None) -> None:
        """Let the upstream's name, "localhost", mean that address, or be unknown."""
        self._names.write_text(json.dumps({"localhost": address}))

    # --- what a row does ------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """From now on the fault is over."""
        self.healed = time.time()

    def wait(self, seconds: float, watched: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass, or less if it comes true; whether it came true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if watched():
                return True
            time.sleep(0.05)
        return watched()

    def signal(self, name: str, number: int) -> None:
        """Signal a part's processes, all of them."""
        with suppress(KeyError):
            reaper.send(self.site.processes[name].pid, number)

    def pids(self, name: str) -> list[int]:
        """The processes of a part: it leads a group of its own, as a program or as a fork of `manage.py up`."""
        if (process := self.site.processes.get(name)) is not None:
            return [pid for pid in _pids() if _group(pid) == process.pid]
        if (up := self.site.processes.get("up")) is None:
            return []
        leaders = {pid for pid in _children(up.pid) if _name(pid) == f"spot {name}"}
        return [pid for pid in _pids() if _group(pid) in leaders]

    def rss_mb(self, name: str) -> float:
        """The memory of a part's processes, in MB."""
        return sum(rss_kb(pid) for pid in self.pids(name)) / 1024

    def forget_peaks(self) -> None:
        """Measure `peak_mb` from now on."""
        for pid in [*self.pids("web"), *self.pids("worker")]:
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """What web and worker have taken at most since `forget_peaks`, in MB."""
        return sum(peak_kb(pid) for pid in [*self.pids("web"), *self.pids("worker")]) / 1024

    def skew(self, seconds: float) -> None:
        """Put the clock of every process of the site that much ahead."""
        with self._clock.open("r+b") as file:
            file.write(int(seconds * 1e9).to_bytes(8, signed=True))

    def store(self) -> Redis:
        """A client of the store, past the relay."""
        return Redis.from_url(self.site.redis_url, socket_timeout=5)

    def calls(self, since: float = 0.0) -> list[float]:
        """When the first page of the market in dollars was asked for (epoch seconds)."""
        wanted = {"page": "1", "vs_currency": "usd"}
        return [
            call["at"] / 1e3
            for call in self.site.sandbox.requests()
            if call["path"] == "/coins/markets"
            and wanted.items() <= call["params"].items()
            and call["at"] / 1e3 >= since
        ]

    def calls_of_all_kinds(self) -> list[float]:
        """When the provider was asked for anything (epoch seconds), as it says itself."""
        return [call["at"] / 1e3 for call in self.site.sandbox.requests()]

    def healthy(self, seconds: float = 2.0) -> bool:
        """Whether the web process answers at once, whatever it answers of its surroundings."""
        with suppress(OSError, AssertionError):
            return get(f"{self.site.url}/healthz", seconds=seconds)[0] == 200
        return False

    def ready(self) -> bool:
        """Whether /readyz is green."""
        with suppress(OSError, AssertionError):
            return get(f"{self.site.url}/readyz", seconds=5)[0] == 200
        return False

    def note(self, words: str) -> None:
        """Add to what must hold, and does not."""
        self.notes.append(words)

    def skip(self, words: str) -> None:
        """Say why the row cannot be run here."""
        self.skipped = words

    def require(self, condition: bool, words: str) -> None:
        """Note it unless it holds."""
        if not condition:
            self.note(words)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    return ""


def rss_kb(pid: int) -> int:
    """A process's resident memory in KB."""
    return _status(pid, "VmRSS")


def peak_kb(pid: int) -> int:
    """The most resident memory that a process has had, in KB."""
    return _status(pid, "VmHWM")


def threads(pid: int) -> int:
    """How many threads a process has."""
    return _status(pid, "Threads")


def _status(pid: int, name: str) -> int:
    with suppress(OSError), open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - no file of ours
        return next((int(line.split()[1]) for line in status if line.startswith(name)), 0)
    return 0


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    return 0
