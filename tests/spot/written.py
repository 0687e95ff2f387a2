"""Values as the feeds' own dialects write them, with defaults for what a test does not look at."""

from collections.abc import Mapping
from typing import Any

from spot.dialects.base import Ping
from spot.dialects.documented import Documented
from spot.dialects.envelope import Envelope
from spot.dialects.values import (
    Delta,
    Done,
    Exported,
    Facts,
    Failed,
    Heartbeat,
    Missing,
    Notice,
    Page,
    Status,
    Value,
)
from spot.feeds.answer import Answer
from tests.spot.rows import FACTS

ENVELOPE, STATUSES = Envelope(), Documented(statuses=True)


def written(value: Value) -> bytes:
    """The envelope's message for a value."""
    payload = ENVELOPE.write(value)
    assert payload is not None
    return payload


def page(
    answer: Answer,
    facts: Facts = FACTS,
    seq: int = 1,
    *,
    stale: bool = False,
    missing: Mapping[str, Missing] | None = None,
) -> Page:
    return Page(answer, facts, seq, stale, missing or {})


def snapshot_frame(answer: Answer, facts: Facts = FACTS, seq: int = 1, **more: Any) -> bytes:
    return written(page(answer, facts, seq, **more))


def delta_frame(old: Answer, new: Answer, facts: Facts, base: int, seq: int, **more: Any) -> bytes:
    return written(Delta(page(old, facts, base), page(new, facts, seq, **more)))


def status_frame(*status: Any) -> bytes:
    return written(Status(*status))


def heartbeat_frame(*beat: Any) -> bytes:
    return written(Heartbeat(*beat))


def notice_frame(code: str, message: str) -> bytes:
    return written(Notice(code, message))


def error_frame(refused: Any) -> bytes:
    return written(Failed(None, refused))


def pong_frame(now_ms: int) -> bytes:
    return written(Done(Ping(), 1, 1, now_ms))


def export_frame(answer: Answer, text: str) -> bytes:
    return written(Exported(answer, text.encode()))
