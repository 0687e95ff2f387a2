"""The documented shapes: bare rows, and an error in answer to a client's mistake. Pure.

With `statuses`, clients are told of freshness besides, in frames of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from spot.codes import Refused
from spot.dialects.base import Ping
from spot.dialects.messages import Own
from spot.dialects.values import (
    Done,
    Exported,
    Facts,
    Failed,
    Heartbeat,
    Page,
    Status,
    Unavailable,
    UnknownCoins,
    Value,
)


@dataclass(frozen=True)
class Documented(Own):
    """The shapes of the source document, and no message that its reader does not know."""

    name: ClassVar[str] = "plain"
    statuses: bool = False

    def write(self, value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
        """Pages as they are; errors; with `statuses`, status and heartbeat."""
        match value:
            case Page():
                return value.answer.data
            case Exported():
                return value.text
            case Status() | Heartbeat() if self.statuses:
                return control(value)
            case Unavailable(refused) if not self.statuses:
                return error(refused)
            case UnknownCoins(refused) | Failed(_, refused):
                return error(refused)
            case Done(Ping()):
                return pong(value.now_ms)
        return None


def error(refused: Refused) -> bytes:
    """The answer to a client's mistake: what is wrong, in which field, and what is allowed."""
    return orjson.dumps(error_fields(refused))


def error_fields(refused: Refused) -> dict[str, Any]:
    """What it says."""
    body: dict[str, Any] = {
        "type": "error",
        "code": refused.code,
        "message": refused.message,
        "retry": refused.fact.retry,
    }
    if refused.field is not None:
        body["field"] = refused.field
    if refused.allowed is not None:
        body["allowed"] = refused.allowed
    if refused.next_try is not None:
        body["next_try_ms"] = refused.next_try
    return body


def pong(now_ms: int) -> bytes:
    """The answer to `{"action": "ping"}`."""
    return orjson.dumps({"type": "pong", "ts": now_ms})


def control(value: Status | Heartbeat) -> bytes:
    """A frame that tells how the data are doing."""
    return orjson.dumps(status_fields(value) if isinstance(value, Status) else heartbeat_fields(value))


def status_fields(status: Status) -> dict[str, Any]:
    """How the data of a feed are doing."""
    facts: Facts | None = status.facts
    return {
        "type": "status",
        "channel": status.channel,
        "state": status.state,
        "reason": status.reason,
        "as_of": None if facts is None else facts.as_of,
        "fetched_at": None if facts is None else facts.fetched_at,
        "age_ms": None if facts is None else facts.age_ms(status.now_ms),
        "source": None if facts is None else facts.source,
        "next_try_ms": status.next_try_ms,
    }


def heartbeat_fields(beat: Heartbeat) -> dict[str, Any]:
    """How old the last page is."""
    facts = beat.facts
    return {
        "type": "heartbeat",
        "channel": beat.channel,
        "ts": beat.now_ms,
        "seq": beat.seq,
        "epoch": facts.epoch,
        "version": facts.version,
        "as_of": facts.as_of,
        "age_ms": facts.age_ms(beat.now_ms),
        "stale": facts.stale(beat.now_ms),
    }
