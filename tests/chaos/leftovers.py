"""What is left of clients that have gone, and how many calls went upstream: invariants that hold around every row."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tests.live import get

if TYPE_CHECKING:
    from tests.chaos.bench import Bench

#: A minute as the provider counts it, less what a call may take from its grant to its arrival (seconds).
WINDOW = 59.0
_GAUGE = re.compile(r"^(\w+\{[^}]*\}) (\S+)$", re.MULTILINE)
#: What a web process may take more of than before: threads and pools grow as they are used.
_SPARE = {"descriptors": 12, "tasks": 12}


class Taken(NamedTuple):
    """What the web process takes for its clients."""

    descriptors: float
    connections: float
    groups: float
    tasks: float


def gauges(bench: Bench, name: str) -> dict[str, float]:
    """The values of a metric, by name with labels."""
    with suppress(OSError, AssertionError):
        text = str(get(f"{bench.site.url}/metrics")[1])
        return {label: float(value) for label, value in _GAUGE.findall(text) if label.startswith(f"{name}{{")}
    return {}


def taken(bench: Bench, *, whole: bool) -> Taken:
    """What the web process takes now; connections and groups as of two seconds ago, tasks as of ten. Without `whole`,
    descriptors only, which the kernel tells at once."""
    from tests.chaos.bench import descriptors

    names = ("spot_connections", "spot_groups", "spot_process_tasks")
    sums = [sum(gauges(bench, name).values()) if whole else 0.0 for name in names]
    return Taken(sum(map(descriptors, bench.pids("web"))), *sums)


def left(before: Taken, now: Taken) -> list[str]:
    """What is more than before, in words. Pure."""
    return [
        f"{now_value:g} {name}, {value:g} before"
        for name, value, now_value in zip(Taken._fields, before, now, strict=True)
        if now_value > value + _SPARE.get(name, 0)
    ]


def most_calls(times: Sequence[float], window: float = WINDOW) -> int:
    """The most calls in any span of so many seconds. Pure."""
    ordered = sorted(times)
    return max((place + 1 - bisect_left(ordered, at - window) for place, at in enumerate(ordered)), default=0)
