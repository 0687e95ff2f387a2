"""Times as vendors write them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """`2026-05-03T12:00:01.123Z`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at_ms: int | None) -> str | None:
    """The same of a time that may be unknown."""
    return None if at_ms is None else iso(at_ms)


def to_100_ns(at_ms: int) -> str:
    """`2026-05-03T12:00:01.1230000Z`: seven digits after the point."""
    return iso(at_ms).removesuffix("Z") + "0000Z"
