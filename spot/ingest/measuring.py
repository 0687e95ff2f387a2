"""What workers count of their tasks, by Celery's signals: how long each waited, how long it took, how it ended. Lines
of the log have the task and its id, and a trace goes on in it.

Beat and web processes only note when a task is due. A worker process tells its counts after a task,
every two seconds (`providers.counters`). Importing connects the signals.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from celery.signals import (
    before_task_publish,
    task_postrun,
    task_prerun,
    task_revoked,
    worker_process_shutdown,
)
from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars, unbind_contextvars

from providers import tracing
from providers.counters import Reporter, process_facts, tell
from spot import snapshots
from spot.metrics import QUEUE_DELAY, TASK_SECONDS, TASKS, increment, observe

log = structlog.get_logger(__name__)

#: The headers of a task's message that say when it is due, epoch ms, and to which trace it belongs.
_DUE, _TRACE = "spot_due", "traceparent"
#: A process tells its counts at most every so many seconds, after a task, and when it ends; when it last did.
_TELL_SECONDS = 2.0
_told = [float("-inf")]
_started: dict[str, float] = {}
_spans: dict[str, AbstractContextManager[None]] = {}


@before_task_publish.connect
def _note_due(headers: dict[str, Any] | None = None, **_: object) -> None:
    if headers is not None:
        eta = headers.get("eta")
        if context := tracing.context():
            headers[_TRACE] = context
        headers[_DUE] = snapshots.now_ms() if eta is None else round(datetime.fromisoformat(eta).timestamp() * 1000)


@task_prerun.connect
def _begin(task_id: str, task: Any, **_: object) -> None:
    _started[task_id] = time.monotonic()
    bind_contextvars(task=_name(task), task_id=task_id)
    _spans[task_id] = tracing.root(f"task {_name(task)}", task.request.get(_TRACE) or "")
    _spans[task_id].__enter__()
    if (due := task.request.get(_DUE)) is not None:
        observe(QUEUE_DELAY, max(0, snapshots.now_ms() - due) / 1000)


@task_postrun.connect
def _end(task_id: str, task: Any, state: str | None = None, **_: object) -> None:
    name = _name(task)
    increment(TASKS, name, state or "UNKNOWN")
    if (started := _started.pop(task_id, None)) is not None:
        observe(TASK_SECONDS, time.monotonic() - started, name)
    if (span := _spans.pop(task_id, None)) is not None:
        tracing.note(state=state)
        span.__exit__(None, None, None)
    if time.monotonic() - _told[0] > _TELL_SECONDS:
        _tell()
    unbind_contextvars("task", "task_id")


@worker_process_shutdown.connect
def _end_process(**_: object) -> None:
    _tell()


@task_revoked.connect
def _expire(sender: Any = None, expired: bool = False, **_: object) -> None:
    if expired and sender is not None:
        increment(TASKS, _name(sender), "EXPIRED")
        _tell()


def _tell() -> None:
    _told[0] = time.monotonic()
    try:
        tell(snapshots.connection(), _reporter(), process_facts(), snapshots.now_ms())
    except (RedisError, OSError) as error:
        log.debug("counts not told", error=type(error).__name__)


def _name(task: Any) -> str:
    return str(task.name).rpartition(".")[2]


@cache
def _reporter() -> Reporter:
    return Reporter("worker")
