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


def _swap(module: str, *texts: str) -> Changes:
    """The changes of one module: each text is followed by what stands in its place."""
    return {module: tuple(zip(texts[::2], texts[1::2], strict=True))}


_NO_MARK = _swap("providers.facts", "return age is None or age > self.max_age_ms", "return False")
_READING_ENDS = _swap("spot.hub.hub", 'log.warning("store out of reach", error=', "return; dict(error=")
_DEMAND_ONCE = _swap(
    "spot.hub.hub", "self._demanding, names = False, True, set(self.topics)", "names = False, set(self.topics)"
)
_LEFT_ALONE = _swap(
    "providers.breaker",
    "LONELY_SECONDS = 60.0",
    "LONELY_SECONDS = 600.0",
    "FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0",
    "FIRST_SECONDS, LONGEST_SECONDS = 600.0, 600.0",
)
_STUCK_TASKS = _swap("providers.fetching", "TOTAL_SECONDS = 22.0", "TOTAL_SECONDS = 600.0") | _swap(
    "spot_project.settings",
    "CELERY_TASK_SOFT_TIME_LIMIT = 25",
    "CELERY_TASK_SOFT_TIME_LIMIT = 600",
    "CELERY_TASK_TIME_LIMIT = 28",
    "CELERY_TASK_TIME_LIMIT = 600",
)
_TICKS = (
    'if token is False or (token is True and not snapshots.first_in("tick", _ONE_TICK_SECONDS)):',
    "if False:",
    "return max(0.0, fresh - now, (next_try or 0) - now) / 1000",
    "return 0.0",
)
_NO_CLAIM = _swap(
    "spot.snapshots.claims",
    'return f"spot:claim:{dataset.name}"',
    """return f"spot:claim:{dataset.name}:{__import__('random').random()}\"""",
    "lambda answers: ours if answers[0] else None",
    "lambda answers: ours",
)
_LASTING_CLAIM = _swap(
    "spot.ingest.tasks",
    "_CLAIM_SECONDS = settings.CELERY_TASK_TIME_LIMIT + _TICK_SECONDS + 2",
    "_CLAIM_SECONDS = 3600.0",
    "min(expires + _BEYOND_SECONDS, _CLAIM_SECONDS)",
    "_CLAIM_SECONDS",
) | _swap("spot.snapshots.holders", "return _began(int(words[2])) != words[3]", "return False")
DEFENCES = (
    Defence("F1", "a hub goes on reading after an error of the store", _READING_ENDS, "40 lost"),
    Defence("F2", "data that have grown old are marked", _NO_MARK, "40 unmarked, nobody told"),
    Defence(
        "F3",
        "nothing waits for Redis on the event loop",
        _swap(
            "spot.hub.hub",
            "await self._watch(now_ms())",
            "settings.REDIS.client().ping()\n                await self._watch(now_ms())",
        ),
        "/healthz did not answer",
    ),
    Defence(
        "F4",
        "a reply of Redis that does not come is given up",
        _swap("spot_project.redis_address", '"socket_timeout": 15', '"socket_timeout": 3600'),
        "40 lost",
    ),
    Defence(
        "F4b",
        "Redis may take longer than a neighbour would",
        _swap(
            "spot_project.redis_connections",
            'return {"connection_class": ASYNC[self.kind], **self.options}',
            'return {"connection_class": ASYNC[self.kind], **self.options, "socket_timeout": 0.015}',
        ),
        "40 clients got no new data",
    ),
    Defence("F4c", "a hub goes on reading after an error of the store", _READING_ENDS, "40 lost"),
    Defence("F5", "hubs tell every five seconds what is looked at", _DEMAND_ONCE, "40 lost"),
    Defence(
        "F6",
        "readiness writes, and looks at the memory of Redis",
        _swap("spot.web.health", "await reader.try_write()", "pass", "FULL = 0.95", "FULL = 99"),
        "/readyz stayed green",
    ),
    Defence("F6b", "hubs tell every five seconds what is looked at", _DEMAND_ONCE, "40 lost"),
    Defence(
        "F7",
        "a group that has had nothing new is sent heartbeats",
        _swap(
            "spot.hub.groups",
            "quiet = now_ms - self._quiet_since > settings.SPOT_HEARTBEAT_SECONDS * 1000",
            "quiet = False",
        ),
        "a silence of 59 s",
    ),
    Defence("F8", "hubs tell every five seconds what is looked at", _DEMAND_ONCE, "old data for a client"),
    Defence(
        "F9",
        "an account rests for as long as its provider asks",
        _swap("providers.client", 'wait = retry_after(response.headers.get("retry-after", ""))', "wait = 1.0"),
        "2 calls inside Retry-After",
    ),
    Defence(
        "F10",
        "a provider is left alone for seconds at first, and for a minute where nobody can replace it",
        _LEFT_ALONE,
        "40 lost",
    ),
    Defence(
        "F11",
        "a call has a deadline, and so have its fetch and its task",
        _STUCK_TASKS
        | _swap(
            "providers.client",
            "READ_SECONDS, TOTAL_SECONDS = 3.05, 10.0, 20.0",
            "READ_SECONDS, TOTAL_SECONDS = 3.05, 600.0, 600.0",
        ),
        "40 lost, no call given up",
    ),
    Defence(
        "F11b",
        "a call has a deadline besides the time between two bytes, and so have its fetch and its task",
        _STUCK_TASKS
        | _swap("providers.client", "TOTAL_SECONDS = 3.05, 10.0, 20.0", "TOTAL_SECONDS = 3.05, 10.0, 600.0"),
        "40 lost, no call given up",
    ),
    Defence(
        "F11c",
        "a provider is left alone for seconds at first, and for a minute where nobody can replace it",
        _LEFT_ALONE,
        "40 lost",
    ),
    Defence(
        "F12",
        "the size of an answer is bounded while it is unpacked",
        _swap("providers.client", "MAX_BYTES = 16 * 1024 * 1024", "MAX_BYTES = 16 * 1024 * 1024 * 1024"),
        "515 MB more for a while",
    ),
    Defence(
        "F13",
        "numbers that cannot be are blanked, and rows without a possible price dropped",
        _swap(
            "providers.clean",
            "if number is not None and number < 0 and not signed:",
            "if False:",
            "    return number is None or number < 0",
            "    return False",
        )
        | _swap(
            "providers.plausible",
            "return all(_positive(row[name]) for name in traits.positive if row.get(name) is not None)",
            "return True",
        ),
        "12 prices below zero",
    ),
    Defence(
        "F14",
        "an answer without rows is an error",
        _swap(
            "providers.adapters.coingecko",
            "        raise _empty(dataset, answers, raws)",
            "        pass",
            "    if total is not None and len(answer.payload) < min(PAGE, total - before):",
            "    if False:",
        ),
        "130 errors, 10 doubled",
    ),
    Defence(
        "F15",
        "a name is looked up again for each connection",
        _swap(
            "providers.client",
            "CONNECT_SECONDS, READ_SECONDS,",
            "import socket\nsocket.getaddrinfo = functools.cache(socket.getaddrinfo)\nCONNECT_SECONDS, READ_SECONDS,",
        ),
        "40 lost",
    ),
    Defence("F16", "the claim of a killed worker ends with it, or expires", _LASTING_CLAIM, "40 lost"),
    Defence(
        "F17",
        "ticks expire, one runs at a time, each fetches only what is due, and nothing is fetched twice at once",
        _swap(
            "spot_project.settings",
            '"tick": {"task": "spot.ingest.tasks.tick", "schedule": 1.0, "options": {"expires": 1.0}}',
            '"tick": {"task": "spot.ingest.tasks.tick", "schedule": 1.0}',
        )
        | _swap("spot.ingest.tasks", *_TICKS)
        | _NO_CLAIM,
        "39 polls in 6 s",
    ),
    Defence(
        "F18",
        "one tick runs at a time, each fetches only what is due, and nothing is fetched twice at once",
        _swap("spot.ingest.tasks", *_TICKS) | _NO_CLAIM,
        "40 lost: the worker does not keep up",
    ),
    Defence("F19", "data that have grown old are marked", _NO_MARK, "40 unmarked, nobody told"),
    Defence(
        "F20",
        "a time in the future is taken for a clock that was set back",
        _swap("providers.clean", "    return noted_ms > now_ms + SLACK_MS", "    return False"),
        "40 lost",
    ),
    Defence(
        "F20b",
        "beat takes an entry that ran in the future for due",
        _swap("spot_project.beat", "if entry.last_run_at > now + _SLACK:", "if False:"),
        "40 lost, nothing polled",
    ),
    Defence(
        "F21",
        "a web process that ends says so to its clients",
        _swap("spot.server.uvicorn", "        listening.begin_draining()", "        __import__('os')._exit(0)"),
        "40 closed with 1006",
    ),
    Defence(
        "F23",
        "a line that cannot be logged ends nothing",
        _swap(
            "spot_project.logs",
            'LEVELS = ("DEBUG"',
            'def _fail(*_):\n    raise\n\nlogging.Handler.handleError = _fail\nLEVELS = ("DEBUG"',
        ),
        "the worker ended, 40 lost",
    ),
    Defence(
        "F24",
        "a writer waits for others",
        _swap("spot_project.settings", '"timeout": 20,', '"timeout": 0,'),
        "signing in answered 500",
    ),
    Defence(
        "F25",
        "accepting a client writes nothing into the database",
        _swap(
            "spot.web.consumers",
            "            self._apply_plan()\n            if",
            "            file = settings.DATABASES['default']['NAME']\n"
            "            database = __import__('sqlite3').connect(file, timeout=20)\n"
            "            database.execute('BEGIN IMMEDIATE')\n"
            "            database.close()\n"
            "            self._apply_plan()\n            if",
        ),
        "clients got no new data meanwhile",
    ),
    Defence(
        "F27",
        "nothing is written to a socket that has not taken what was written before",
        _swap(
            "spot.server.flow",
            'if transport.get_extra_info("sslcontext") is None:',
            "if False:",
            "set_write_buffer_limits(high=0)",
            "set_write_buffer_limits(high=1 << 30)",
        ),
        "8 cut",
    ),
    Defence(
        "F29",
        "the claim of a killed worker ends with it, or expires",
        _LASTING_CLAIM,
        "40 lost",
    ),
    Defence(
        "A1",
        "a peer that is cut is reset, and takes nothing of the kernel's any more",
        _swap(
            "spot.server.flow",
            'transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)',
            "pass",
        ),
        "not told that they were cut",
    ),
    Defence(
        "A2",
        "a message that is no JSON is answered with an error",
        _swap(
            "spot.dialects.messages",
            "except (orjson.JSONDecodeError, UnicodeEncodeError) as",
            "except UnicodeEncodeError as",
        ),
        "98 closed with 1011",
    ),
    Defence(
        "A4",
        "a request has 10 s for its head",
        _swap("spot.server.listening", "HEAD_SECONDS = 10 ", "HEAD_SECONDS = 3600 "),
        "334 not cut in 60 s",
    ),
    Defence(
        "A5",
        "the size of a message is bounded while it is read and unpacked",
        _swap("spot.server.listening", "INBOUND_BYTES = 65_536 ", "INBOUND_BYTES = 1_073_741_824 "),
        "1,110 MB more for a while",
    ),
    Defence(
        "A6",
        "currencies and charts that are polled are bounded, and so are calls in every minute",
        _swap(
            "spot_project.settings",
            'env.whole("SPOT_CURRENCIES", default=8',
            'env.whole("SPOT_CURRENCIES", default=0',
            'env.whole("SPOT_CHARTS", default=100',
            'env.whole("SPOT_CHARTS", default=0',
        )
        | _swap(
            "providers.budget",
            '.with_name(f"{name}.lua").read_text()',
            """.with_name(f"{name}.lua").read_text().replace("return {'minute', wait}", "wait = 0")""",
        ),
        "94 s without new data, at load 23",
    ),
    Defence(
        "A7",
        "the connections of a key are counted",
        _swap(
            "spot.clients.limits",
            "lambda: settings.SPOT_CONNECTIONS, lambda plan: plan.connections,",
            "lambda: settings.SPOT_CONNECTIONS, lambda plan: 0,",
        ),
        "all 50 let in",
    ),
    Defence(
        "A11",
        "wrong keys of one network are counted",
        _swap(
            "spot.clients.limits",
            "mistakes = Allowance(lambda _plan: 10,",
            "mistakes = Allowance(lambda _plan: 10_000,",
        ),
        "1,000 of 1,000 guesses judged",
    ),
)
#: Rows that no defence of the product lets hold, and what does.
WITHOUT = {
    "F19b": "the prices of the clients' views come by polls",
    "F20c": "the next poll is late by no more than the step",
    "F22": "the supervisor starts the process again, and the clients come back",
    "F26": "asyncio accepts again a second after it had no descriptor; a hub that connects again takes its own",
    "F28": "the clients come back",
    "F28b": "TCP sends again",
}
