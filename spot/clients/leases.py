"""What web processes tell each other of keys, so that limits hold in all of them together.

Each leaves a report in Redis, which expires when it is not renewed: a process that dies gives back what it had.
"""

from __future__ import annotations

import secrets
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
        #: The requests with each key in other processes, as counted there since they began.
        self._spent: dict[tuple[str, str], float] = {}
        self._known: set[str] = set()

    async def exchange(self, redis: Any, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Leave this process's report, and read those of the others by process."""
        text = orjson.dumps(report)
        answers: Any = await redis.eval(_EXCHANGE, 1, _PROCESSES, self.process, text, EXPIRE_MS)
        reports = zip(answers[::2], answers[1::2], strict=True)
        return {name.decode(): orjson.loads(report) for name, report in reports}

    async def withdraw(self, redis: Any) -> None:
        """Give back at once what this process had."""
        await redis.delete(f"{_PROCESSES}:{self.process}")

    def spent_since(self, others: dict[str, dict[str, Any]]) -> dict[str, float]:
        """What each key has spent in other processes since the last call."""
        news: dict[str, float] = {}
        seen = {}
        for name, report in others.items():
            for key, total in report["spent"].items():
                before = self._spent.get((name, key), 0.0 if name in self._known else total)
                seen[name, key] = total
                news[key] = news.get(key, 0.0) + (total - before if total >= before else total)
        self._known, self._spent = set(others), seen
        return news
