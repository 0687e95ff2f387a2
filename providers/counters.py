"""What all processes count together, in Redis: the source of the metrics (docs/metrics.md).

Each process counts in memory and adds up every few seconds, in one script that also leaves its report: readings of the
moment, such as its connections and its memory. A report that is not renewed expires. Counters outlive the process that
counted, so a restart neither loses nor repeats anything, and every process can answer for all.

Reports are numbered by the lowest free number of their role, so that restarts make no new labels.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from providers.metrics import SEPARATOR, counts

_COUNTERS, _REPORTS = "spot:metrics:counters", "spot:metrics:reports"
#: A report that is not renewed for so long (ms) is of a process that has ended. A worker process may have no task for a
#: while.
_EXPIRE_MS = {"web": 8_000, "stream": 15_000, "worker": 60_000}

#: KEYS: counters, reports. ARGV: role, token, number, now and expiry (ms), report; then counters with their amounts.
#: Returns the number of the process among those of its role.
_TELL = """
for n = 7, #ARGV, 2 do redis.call('hincrby', KEYS[1], ARGV[n], ARGV[n + 1]) end
local number = tonumber(ARGV[3])
while true do
  local report = redis.call('hget', KEYS[2], ARGV[1] .. ' ' .. number)
  if not report then break end
  local owner, at = string.match(report, '^(%S+) (%d+) ')
  if owner == ARGV[2] or math.abs(ARGV[4] - at) > tonumber(ARGV[5]) then break end
  number = number + 1
end
redis.call('hset', KEYS[2], ARGV[1] .. ' ' .. number, ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. ARGV[6])
return number
"""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Reporter:
    """The reports of this process, in a role: web, worker or stream."""

    def __init__(self, role: str) -> None:
        self._role, self._token, self._number = role, secrets.token_hex(6), 1

    def message(self, report: Mapping[str, Any], pending: Mapping[str, int], now_ms: int) -> tuple[Any, ...]:
        """The arguments of `eval`, by which a client of Redis tells both; `told` takes its answer."""
        text = orjson.dumps(report)
        head = (self._role, self._token, self._number, now_ms, _EXPIRE_MS[self._role], text)
        return _TELL, 2, _COUNTERS, _REPORTS, *head, *(part for pair in pending.items() for part in pair)

    def told(self, answer: Any) -> None:
        """Keep the number under which the report stands."""
        self._number = int(answer)

    @property
    def field(self) -> str:
        """Where the report stands, for `withdraw`."""
        return f"{self._role} {self._number}"


def tell(redis: Any, reporter: Reporter, report: Mapping[str, Any], now_ms: int) -> None:
    """Add up what this process has counted, and leave its report. Raises `RedisError`; nothing is lost then."""
    pending, told = counts.take(), False
    try:
        reporter.told(redis.eval(*reporter.message(report, pending, now_ms)))
        told = True
    finally:
        if not told:
            counts.put_back(pending)


async def tell_soon(redis: Any, reporter: Reporter, report: Mapping[str, Any], now_ms: int) -> None:
    """The same with a client for asyncio."""
    pending, told = counts.take(), False
    try:
        reporter.told(await redis.eval(*reporter.message(report, pending, now_ms)))
        told = True
    finally:
        if not told:
            counts.put_back(pending)


async def withdraw(redis: Any, reporter: Reporter) -> None:
    """Remove the report of a process that ends."""
    await redis.hdel(_REPORTS, reporter.field)


# --- reading ----------------------------------------------------------------------------------------------------------

#: By metric and labels: of a counter its value under "", of a histogram its parts: "0", "1" and so on, and "sum".
Totals = dict[str, dict[tuple[str, ...], int]]


class Report(NamedTuple):
    """The report of one process."""

    role: str
    number: str
    content: dict[str, Any]


def read(redis: Any, now_ms: int) -> tuple[Totals, list[Report]]:
    """All counters, by the metric's name and the labels, of a histogram with its part as the last label; and the
    reports of the processes that live. Raises `RedisError`."""
    pipe = redis.pipeline(transaction=False)
    pipe.hgetall(_COUNTERS)
    pipe.hgetall(_REPORTS)
    counters, texts = pipe.execute()
    totals: Totals = {}
    for field, amount in counters.items():
        name, *labels = field.decode().split(SEPARATOR)
        totals.setdefault(name, {})[tuple(labels)] = int(amount)
    reports = []
    for field, text in texts.items():
        role, number = field.decode().split(" ")
        _, at, content = text.split(b" ", 2)
        if abs(now_ms - int(at)) <= _EXPIRE_MS[role]:
            reports.append(Report(role, number, orjson.loads(content)))
    return totals, sorted(reports, key=lambda report: (report.role, int(report.number)))


def process_facts() -> dict[str, float]:
    """Of this process: seconds of CPU, resident bytes, and open files; the last two on Linux only."""
    facts: dict[str, float] = {"cpu": time.process_time()}
    proc = Path("/proc/self")
    if proc.exists():
        facts["memory"] = int((proc / "statm").read_text().split()[1]) * _PAGE_BYTES
        facts["files"] = sum(1 for _ in (proc / "fd").iterdir())
    return facts
