"""What web processes tell each other of their clients, so that limits hold in all of them together.

Each leaves a report in Redis, which expires when it is not renewed: a process that dies gives back what it had.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson

#: A report that is not renewed for so long is gone, in ms.
EXPIRE_MS = 5000

#: KEYS: the set of processes. ARGV: this one's name, its report, the time that the report lasts.
_EXCHANGE = """
redis.call('set', KEYS[1] .. ':' .. ARGV[1], ARGV[2], 'px', ARGV[3])
redis.call('sadd', KEYS[1], ARGV[1])
local reports = {}
for _, name in ipairs(redis.call('smembers', KEYS[1])) do
  if name ~= ARGV[1] then
    local report = redis.call('get', KEYS[1] .. ':' .. name)
    if report then reports[#reports + 1] = name; reports[#reports + 1] = report
    else redis.call('srem', KEYS[1], name) end
  end
end
return reports
"""
_PROCESSES = "spot:client:processes"


class Leases:
    """The reports of this process and of the others."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(4)

    async def exchange(self, redis: Any, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Leave this process's report, and read those of the others by process."""
        text = orjson.dumps(report)
        answers: Any = await redis.eval(_EXCHANGE, 1, _PROCESSES, self.process, text, EXPIRE_MS)
        reports = zip(answers[::2], answers[1::2], strict=True)
        return {name.decode(): orjson.loads(report) for name, report in reports}

    async def withdraw(self, redis: Any) -> None:
        """Give back at once what this process had."""
        await redis.delete(f"{_PROCESSES}:{self.process}")


class Progress:
    """How much the totals of other processes have grown."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], float] = {}
        self._known: set[str] = set()

    def since(self, totals: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """By name, in all processes together: what has been added since the last call. A process that was there before
        us is counted from now on."""
        news: dict[str, float] = {}
        seen = {}
        for process, by_name in totals.items():
            for name, total in by_name.items():
                before = self._totals.get((process, name), 0.0 if process in self._known else total)
                seen[process, name] = total
                news[name] = news.get(name, 0.0) + (total - before if total >= before else total)
        self._known, self._totals = set(totals), seen
        return news
