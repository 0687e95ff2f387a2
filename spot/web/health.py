"""`/healthz` and `/readyz`: what a supervisor, a container engine or a load balancer asks.

`/healthz` looks at nothing but this process: were it to fail with Redis, an outage of Redis would have every web
process restarted. `/readyz` says whether this process can serve data now and, when it cannot, why.
"""

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, connection
from redis.exceptions import RedisError

from providers.datasets import Dataset
from providers.redis_trouble import refusal
from spot import signs, snapshots
from spot.dialects.interface import Operation, Outcome, Payload
from spot.dialects.schema import closed
from spot.hub.hub import Hub
from spot.server import listening
from spot.web.answers import Request, Response, json_answer

REDIS_SECONDS = 0.5
#: The part of its memory from which Redis is as good as full: past all of it, it takes nothing any more.
FULL = 0.95
DATABASE_SECONDS = 1.0
PACE_SECONDS = 1.0
RETRY_SECONDS = 5
#: The dataset of most feeds: asked for when the store is empty, so that a site nobody has visited becomes ready.
FIRST = Dataset("markets", "usd")

_checked: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[float, dict[str, str]]] = (
    weakref.WeakKeyDictionary()
)
_turn: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


_ALIVE = json_answer({"status": "ok"}, cache_control="no-store")


async def healthz(_request: Request) -> Response:
    """200 while the event loop turns."""
    return _ALIVE


async def readyz(_request: Request) -> Response:
    """200 when every check is "ok", else 503; the JSON gives each check's outcome by name."""
    outcomes = await _lately()
    ready = all(outcome == "ok" for outcome in outcomes.values())
    number = {"process": listening.number} if listening.number else {}
    readiness = {"ready": ready, **number, "checks": outcomes}
    if readiness["ready"]:
        return json_answer(readiness, cache_control="no-store")
    return json_answer(readiness, 503, cache_control="no-store", retry_after=str(RETRY_SECONDS))


_READINESS = Payload(
    "Readiness",
    closed(
        {
            "ready": {"type": "boolean"},
            "process": {"type": "integer", "description": "which of several web processes answers, from 1"},
            "checks": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "the outcome of each check by its name: ok, or what is wrong",
            },
        },
        optional=("process",),
    ),
)
HEALTHZ = Operation(
    id="getHealth",
    summary="whether the process lives",
    tag="health",
    key="none",
    answers=(Outcome(200, "it lives", (Payload("Health", closed({"status": {"type": "string", "enum": ["ok"]}})),)),),
)
READYZ = Operation(
    id="getReadiness",
    summary="whether the process can serve data now",
    tag="health",
    key="none",
    answers=(Outcome(200, "it can", (_READINESS,)), Outcome(503, "it cannot, and why", (_READINESS,))),
)


async def _lately() -> dict[str, str]:
    """The outcomes of checks made within the last second: however many ask, Redis and the database are asked once. That
    the process is ending is known without asking."""
    loop = asyncio.get_running_loop()
    async with _turn.setdefault(loop, asyncio.Lock()):
        checked_at, outcomes = _checked.get(loop, (0.0, {}))
        if not outcomes or time.monotonic() - checked_at > PACE_SECONDS:
            results = await asyncio.gather(*(_outcome(check, seconds) for check, seconds in CHECKS.values()))
            outcomes = dict(zip(CHECKS, results, strict=True))
            _checked[loop] = (time.monotonic(), outcomes)
    return outcomes | {"process": await _process()}


async def _outcome(check: Callable[[], Awaitable[str]], seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (RedisError, DatabaseError, OSError) as error:
        refused = refusal(error) if isinstance(error, RedisError) else ""
        return f"Redis {refused}" if refused else f"failed: {type(error).__name__}"


async def _process() -> str:
    return "the process is ending" if listening.draining.is_set() else "ok"


async def _redis() -> str:
    reader = Hub.current().reader
    await reader.try_write()
    full = await reader.fullness()
    return "ok" if full < FULL else f"{full:.0%} of its memory is in use; give it more (maxmemory)"


async def _database() -> str:
    await sync_to_async(_read_database)()
    return "ok"


def _read_database() -> None:
    close_old_connections()  # one that has broken is not asked again
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
    finally:
        close_old_connections()


async def _hub() -> str:
    return "ok" if Hub.current().nudges.begun else "not subscribed to news of snapshots"


async def _data() -> str:
    hub = Hub.current()
    if any(topic.snapshot and not topic.dataset.traits.streamed for topic in hub.topics.values()):
        return "ok"
    if (await hub.reader.news([FIRST.name]))[FIRST.name].version:
        return "ok"
    await hub.reader.want({FIRST.name: snapshots.now_ms()}, {}, {})
    return "no snapshot yet"


async def _worker() -> str:
    seen = await asyncio.to_thread(snapshots.worker_seen_ms)
    if seen is None:
        return "no worker has run yet"
    silent = snapshots.now_ms() - seen
    return "ok" if silent < signs.SILENT_MS else f"silent for {silent // 1000} s"


CHECKS: dict[str, tuple[Callable[[], Awaitable[str]], float]] = {
    "process": (_process, REDIS_SECONDS),
    "redis": (_redis, REDIS_SECONDS),
    "database": (_database, DATABASE_SECONDS),
    "hub": (_hub, REDIS_SECONDS),
    "data": (_data, REDIS_SECONDS),
    "worker": (_worker, REDIS_SECONDS),
}
