"""CoinGecko's REST API as Spot speaks it: CPU per request, beside others that serve the same answers.

Four servers run at the same time, and are asked in turns: Spot's web process; the bare ASGI application of
`bench.http`, with Spot's heads and bytes ready made; a Django view that reads Redis and encodes
(`bench/plain/views.py`); and nginx with proxy_cache before the bare application. Spot is asked once more while its
market changes every second.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from redis import Redis

from bench.cases import Case
from bench.contenders import Contender, Run, running, spot_environment
from bench.http import CONNECTIONS, Reply, children, get, pool_of, start_bare, start_nginx, write_answers
from bench.machine import Missing, workshop
from bench.measure import cpu_ns
from bench.plain.keys import LIST, MARKET, PRICES

SPOT, CHANGING, BARE, DJANGO, NGINX = (
    "Spot",
    "Spot, an update a second",
    "bare ASGI",
    "Django view",
    "nginx proxy_cache",
)
SERVERS = (SPOT, CHANGING, BARE, DJANGO, NGINX)
LISTED = 17_000
_ROOT = "/compat/coingecko/api/v3"
_LIMITS = {"SPOT_REQUESTS_PER_MINUTE": "100000000"}
#: Seconds of asking that count, without and with updates, and the rounds of all connections before.
_SECONDS, _CHANGING_SECONDS, _WARM = 1.0, 3.0, 3
#: The versions of which each is written for one request, and the seconds that one has to arrive.
_VERSIONS, _ARRIVED = 10, 0.2


@dataclass(frozen=True)
class Kind:
    """A request, as clients send it. `moves`: each version of the market changes the answer."""

    title: str
    target: str
    coding: str = ""
    moves: bool = True

    @property
    def request(self) -> bytes:
        """The bytes."""
        return get(self.target, **({"accept_encoding": self.coding} if self.coding else {}))


def _target(path: str, **parameters: object) -> str:
    return f"{_ROOT}/{path}?{urlencode(parameters)}"


_IDS = ",".join(f"coin-{number}" for number in range(1, 51))
_MARKETS = {"vs_currency": "usd", "order": "market_cap_desc", "per_page": 250, "page": 1, "sparkline": "true"}
KINDS = PRICES_OF_50, MARKETS, MARKETS_GZIP, LIST_GZIP = (
    Kind(
        "simple/price, 50 coins",
        _target("simple/price", ids=_IDS, vs_currencies="usd", include_24hr_change="true"),
    ),
    Kind("coins/markets, 250 with charts", _target("coins/markets", **_MARKETS)),
    Kind("coins/markets, 250 with charts, gzip", _target("coins/markets", **_MARKETS, locale="en"), "gzip"),
    Kind("coins/list, 17,000, gzip", _target("coins/list", include_platform="false"), "gzip", moves=False),
)


@dataclass
class Costs:
    """Microseconds of CPU per request, for each kind and server, a value a round. `version`: microseconds for a new
    version of the market and one answer of it. `sizes`: bytes of the bodies."""

    rounds: dict[tuple[Kind, str], list[float]]
    version: dict[Kind, list[float]]
    sizes: dict[Kind, int]

    def add(self, kind: Kind, server: str, cost: float) -> None:
        """One more round."""
        self.rounds.setdefault((kind, server), []).append(cost)

    def median(self, kind: Kind, server: str) -> float | None:
        """The median over the rounds."""
        costs = self.rounds.get((kind, server))
        return statistics.median(costs) if costs else None

    def ratio(self, kind: Kind, one: str, other: str) -> float | None:
        """One server's cost by the other's: the median of the ratios within each round."""
        pairs = zip(self.rounds.get((kind, one), []), self.rounds.get((kind, other), []), strict=False)
        ratios = [a / b for a, b in pairs]
        return statistics.median(ratios) if ratios else None


# --- the servers ------------------------------------------------------------------------------------------------------


def _start_spot(run: Run) -> None:
    env = spot_environment(run) | _LIMITS
    run.start(sys.executable, "manage.py", "serve", env=env)
    rows = run.case.write_rows(run.folder)
    run.publisher(sys.executable, "-m", "bench.publish_spot", rows, str(LISTED), env=env)


def _start_django(address: str) -> Callable[[Run], None]:
    def start(run: Run) -> None:
        env = {"BENCH_REDIS": address, "DJANGO_SETTINGS_MODULE": "bench.plain.settings"}
        words = ("--port", str(run.port), "--log-level", "warning", "--no-access-log")
        run.start(sys.executable, "-m", "uvicorn", *words, "bench.plain.asgi:application", env=env)

    return start


def _store_for_django(address: str, replies: dict[Kind, Reply]) -> None:
    """Leave the market where the view reads it: once with the charts, once without, and the list."""
    rows = json.loads(replies[MARKETS].body)
    bare = [{name: value for name, value in row.items() if name != "sparkline_in_7d"} for row in rows]
    redis = Redis.from_url(address)
    listed = _data(replies[LIST_GZIP]) if LIST_GZIP in replies else []
    for name, value in {MARKET: rows, PRICES: bare, LIST: listed}.items():
        redis.set(name, json.dumps(value))
    redis.close()


def _start_cache(port: int) -> Callable[[Run], None]:
    return lambda run: start_nginx(run, "nginx_cache.conf", upstream=port)


# --- measuring --------------------------------------------------------------------------------------------------------


# Each has connections of its own, since the servers close those that are not used for some seconds.


def _answer(run: Run, kind: Kind) -> Reply:
    with pool_of(run) as pool:
        return pool.ask(kind.request)


def _cost(run: Run, kind: Kind, *, changing: bool = False) -> float:
    """Microseconds of CPU per request; `changing`: there is a new version of the market every second."""
    pids, request = children(run.server[-1].pid), kind.request
    with pool_of(run) as pool:
        for _ in range(_WARM):
            pool.ask(request)
        before, began, asked, updates = cpu_ns(pids), time.monotonic(), 0, 0
        while (passed := time.monotonic() - began) < (_CHANGING_SECONDS if changing else _SECONDS):
            if changing and passed >= updates:
                run.tick.sendall(b"\n")
                updates += 1
            pool.ask(request)
            asked += CONNECTIONS
        return (cpu_ns(pids) - before) / 1000 / asked


def _version_cost(run: Run, kind: Kind) -> float:
    """Microseconds of CPU for a version of the market that is read, and one answer that is written of it."""
    pids, tags = children(run.server[-1].pid), set()
    with pool_of(run) as pool:
        before = cpu_ns(pids)
        for _ in range(_VERSIONS):
            run.tick.sendall(b"\n")
            time.sleep(_ARRIVED)
            tags.add(pool.ask_one(kind.request).header("etag"))
        cost = (cpu_ns(pids) - before) / 1000 / _VERSIONS
    if len(tags) < _VERSIONS:
        raise Missing(f"of {_VERSIONS} versions only {len(tags)} came within {_ARRIVED} s each")
    return cost


def compare(rounds: int) -> Costs:
    """The costs of every kind that Spot serves. Raises `Missing`."""
    if not Path(f"/proc/{os.getpid()}/schedstat").exists():
        raise Missing("the CPU of a process is read from /proc, which this system lacks.")
    costs = Costs({}, {}, {})
    with contextlib.ExitStack() as stack:

        def started(name: str, start: Callable[[Run], None]) -> Run:
            contender = Contender(name, name, start, Case.spot_target)
            return stack.enter_context(running(contender, Case(1, own=True), workshop() / f"rest-{name}"))

        spot = started("spot", _start_spot)
        replies = {kind: reply for kind in KINDS if (reply := _answer(spot, kind)).status == 200}
        if MARKETS not in replies:
            raise Missing(f"Spot has no answer: {spot.last_words()}")
        costs.sizes = {kind: len(reply.body) for kind, reply in replies.items()}
        write_answers({kind.target: (reply, reply) for kind, reply in replies.items()})
        address = f"unix://{spot.folder / 'redis.sock'}"
        _store_for_django(address, replies)
        bare = started("bare", start_bare)
        others = {BARE: bare, DJANGO: started("django", _start_django(address))}
        with contextlib.suppress(Missing):
            others[NGINX] = started("cache", _start_cache(bare.port))
        for name, other in others.items():
            for kind, reply in replies.items():
                _check(name, kind, reply, _answer(other, kind))
        for _ in range(rounds):
            for kind in replies:
                for name, run in {SPOT: spot, **others}.items():
                    costs.add(kind, name, _cost(run, kind))
                if kind.moves:
                    costs.add(kind, CHANGING, _cost(spot, kind, changing=True))
                    costs.version.setdefault(kind, []).append(_version_cost(spot, kind))
    return costs


def _check(name: str, kind: Kind, ours: Reply, theirs: Reply) -> None:
    """Raise `Missing` where a server gives another answer."""
    same = ours.body == theirs.body if name != DJANGO else _data(ours) == _data(theirs)
    if theirs.status != 200 or not same:
        raise Missing(f"{name} gives another answer to {kind.title}: {theirs.status}, {theirs.body[:200]!r}")


def _data(reply: Reply) -> object:
    packed = reply.header("content-encoding") == "gzip"
    return json.loads(gzip.decompress(reply.body) if packed else reply.body)
