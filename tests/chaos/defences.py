"""Builds that each lack one defence: on such a build the row must fall. A defence is added here and nowhere else.

`make chaos ARGS="--without-defence F3"` runs rows so. Nothing is changed in the product: the processes of the site
replace texts of modules when they import them (`inside/sitecustomize.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: By module, texts of its source and what stands in their place.
Changes = dict[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Defence:
    """What lets a row hold, in words, and the build without it. `seen`: how the row fell there; "" until it was run."""

    row: str
    defence: str
    changes: Changes
    seen: str = ""


def misplaced(changes: Changes) -> Iterator[str]:
    """The texts that their module does not have exactly once: the defence has moved, and so must the change."""
    for module, pairs in changes.items():
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        source = Path(spec.origin).read_text(encoding="utf-8")
        for old, new in pairs:
            if source.count(old) != 1:
                yield f"{module}: {old}"
            source = source.replace(old, new)


_NO_MARK: Changes = {"providers.facts": (("return age is None or age > self.max_age_ms", "return False"),)}
_NEVER_AGAIN: Changes = {
    "spot.hub.hub": (
        (
            'log.warning("store out of reach", error=type(error).__name__, why=why(error))',
            "return  # ",
        ),
    )
}
_LONELY: Changes = {"providers.breaker": (("LONELY_SECONDS = 60.0", "LONELY_SECONDS = 600.0"),)}
_NO_DEADLINE: Changes = {
    "providers.client": (
        ("READ_SECONDS, TOTAL_SECONDS = 3.05, 10.0, 20.0", "READ_SECONDS, TOTAL_SECONDS = 3.05, 600.0, 600.0"),
    ),
    "spot_project.settings": (
        ("CELERY_TASK_SOFT_TIME_LIMIT = 25", "CELERY_TASK_SOFT_TIME_LIMIT = 600"),
        ("CELERY_TASK_TIME_LIMIT = 28", "CELERY_TASK_TIME_LIMIT = 600"),
    ),
}  # fmt: skip
DEFENCES = (
    Defence("F1", "a hub goes on reading after an error of the store", _NEVER_AGAIN),
    Defence("F2", "data that have grown old are marked", _NO_MARK),
    Defence(
        "F3",
        "nothing waits for Redis on the event loop",
        {
            "spot.hub.hub": (
                ("await self._watch(now_ms())", "settings.REDIS.client().ping(), await self._watch(now_ms())"),
            )
        },
    ),
    Defence(
        "F4",
        "a reply of Redis that does not come is given up",
        {"spot_project.redis_address": (('"socket_timeout": 15', '"socket_timeout": 3600'),)},
    ),
    Defence(
        "F4b",
        "Redis may take longer than a neighbour would",
        {
            "spot_project.redis_connections": (
                ('return {"connection_class": ASYNC', 'return {"socket_timeout": 0.05} | {"connection_class": ASYNC'),
            )
        },
    ),
    Defence("F4c", "a hub goes on reading after an error of the store", _NEVER_AGAIN),
    Defence(
        "F5",
        "hubs tell every five seconds what is looked at",
        {
            "spot.hub.hub": (
                (
                    "self._comparing, self._demanding, names = False, True, set(self.topics)",
                    "self._comparing, names = False, set(self.topics)",
                ),
            )
        },
    ),
    Defence(
        "F6",
        "readiness writes, and looks at the memory of Redis",
        {"spot.web.health": (("await reader.try_write()", "pass"), ("FULL = 0.95", "FULL = 99"))},
    ),
    Defence(
        "F6b",
        "hubs tell every five seconds what is looked at",
        {
            "spot.hub.hub": (
                (
                    "self._comparing, self._demanding, names = False, True, set(self.topics)",
                    "self._comparing, names = False, set(self.topics)",
                ),
            )
        },
    ),
    Defence(
        "F9",
        "an account rests for as long as its provider asks",
        {"providers.client": (('wait = retry_after(response.headers.get("retry-after", ""))', "wait = 1.0"),)},
    ),
    Defence("F10", "a provider that nobody can replace is tried again each minute", _LONELY),
    Defence("F11", "a call has a deadline, and so has its task", _NO_DEADLINE),
    Defence(
        "F11b",
        "a call has a deadline besides the time between two bytes, and so has its task",
        {
            "providers.client": (("TOTAL_SECONDS = 3.05, 10.0, 20.0", "TOTAL_SECONDS = 3.05, 10.0, 600.0"),),
            "spot_project.settings": _NO_DEADLINE["spot_project.settings"],
        },
    ),
    Defence("F11c", "a provider that nobody can replace is tried again each minute", _LONELY),
    Defence(
        "F12",
        "the size of an answer is bounded while it is unpacked",
        {"providers.client": (("MAX_BYTES = 16 * 1024 * 1024", "MAX_BYTES = 16 * 1024 * 1024 * 1024"),)},
    ),
    Defence(
        "F13",
        "numbers that cannot be are blanked",
        {
            "providers.clean": (
                ("if number is not None and number < 0 and not signed:", "if False:"),
                ("    return number is None or number < 0", "    return False"),
            )
        },
    ),
    Defence(
        "F14",
        "an answer without rows is an error",
        {"providers.adapters.coingecko": (("        raise _empty(dataset, answers, raws)", "        pass"),)},
    ),
    Defence(
        "F16",
        "the claim of a killed worker expires",
        {
            "spot.ingest.tasks": (
                ("_CLAIM_SECONDS = settings.CELERY_TASK_TIME_LIMIT + _TICK_SECONDS + 2", "_CLAIM_SECONDS = 3600.0"),
            )
        },
    ),
    Defence(
        "F17",
        "ticks expire, one runs at a time, and each fetches only what is due",
        {
            "spot_project.settings": (
                (
                    '"tick": {"task": "spot.ingest.tasks.tick", "schedule": 1.0, "options": {"expires": 1.0}}',
                    '"tick": {"task": "spot.ingest.tasks.tick", "schedule": 1.0}',
                ),
            ),
            "spot.ingest.tasks": (
                ('if snapshots.first_in("tick", 0.8):', "if True:"),
                ("return max(0.0, fresh - now, (next_try or 0) - now) / 1000", "return 0.0"),
            ),
        },
    ),
    Defence(
        "F18",
        "one tick runs at a time, and each fetches only what is due",
        {
            "spot.ingest.tasks": (
                ('if snapshots.first_in("tick", 0.8):', "if True:"),
                ("return max(0.0, fresh - now, (next_try or 0) - now) / 1000", "return 0.0"),
            ),
        },
    ),
    Defence("F19", "data that have grown old are marked", _NO_MARK),
    Defence(
        "F20",
        "a time in the future is taken for a clock that was set back",
        {"providers.clean": (("    return noted_ms > now_ms + SLACK_MS", "    return False"),)},
    ),
    Defence(
        "F20b",
        "beat takes an entry that ran in the future for due",
        {"spot_project.beat": (("if entry.last_run_at > now + _SLACK:", "if False:"),)},
    ),
    Defence(
        "F20c",
        "a version is one more than the last where the time is not",
        {
            "spot.snapshots": (
                (
                    '.with_name("store.lua").read_text()',
                    '.with_name("store.lua").read_text().replace("redis.call(\'incr\', KEYS[2])", "0")',
                ),
            )
        },
    ),
    Defence(
        "F21",
        "a web process that ends says so to its clients",
        {"spot.server.uvicorn": (("        listening.begin_draining()", "        __import__('os')._exit(0)"),)},
    ),
    Defence(
        "F26",
        "a hub stays connected to Redis",
        {
            "spot.snapshots.reader": (
                (
                    "before = self.realm\n        pipe",
                    "before = self.realm\n        await self._redis.connection.disconnect()\n        pipe",
                ),
            )
        },
    ),
    Defence(
        "A1",
        "a peer that is cut is reset, and takes nothing of the kernel's any more",
        {
            "spot.server.flow": (
                (
                    'transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)',
                    "pass",
                ),
            )
        },
    ),
    Defence(
        "A2",
        "a message that is no JSON is answered with an error",
        {
            "spot.dialects.messages": (
                ("except (orjson.JSONDecodeError, UnicodeEncodeError) as", "except UnicodeEncodeError as"),
            )
        },
    ),
    Defence(
        "A4",
        "a request has 10 s for its head",
        {"spot.server.listening": (("HEAD_SECONDS = 10 ", "HEAD_SECONDS = 3600 "),)},
    ),
    Defence(
        "A5",
        "the size of a message is bounded while it is read and unpacked",
        {"spot.server.listening": (("INBOUND_BYTES = 65_536 ", "INBOUND_BYTES = 1_073_741_824 "),)},
    ),
    Defence(
        "A6",
        "currencies and charts that are polled are bounded, and so are calls in every minute",
        {
            "spot_project.settings": (
                ('env.whole("SPOT_CURRENCIES", default=8', 'env.whole("SPOT_CURRENCIES", default=0'),
                ('env.whole("SPOT_CHARTS", default=100', 'env.whole("SPOT_CHARTS", default=0'),
            ),
            "providers.minute": (
                ("return bool(self.lua_acquire_moving_window(", "return True or bool(self.lua_acquire_moving_window("),
            ),
        },
    ),
    Defence(
        "A7",
        "the connections of a key are counted",
        {
            "spot.clients.limits": (
                (
                    "lambda: settings.SPOT_CONNECTIONS, lambda plan: plan.connections,",
                    "lambda: settings.SPOT_CONNECTIONS, lambda plan: 0,",
                ),
            )
        },
    ),
    Defence(
        "A11",
        "wrong keys of one network are counted",
        {
            "spot.clients.limits": (
                ("mistakes = Allowance(lambda _plan: 10,", "mistakes = Allowance(lambda _plan: 10_000,"),
            )
        },
    ),
)  # fmt: skip
