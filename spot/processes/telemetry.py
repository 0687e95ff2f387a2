"""What a process tells of itself from its start: its role, in every line of its log."""

from __future__ import annotations

from spot_project import logs


def begin(role: str, number: int = 0) -> None:
    """Begin to tell, as `web`, `worker`, `beat` or `stream`; `number` says which of several it is, from 1."""
    logs.tell_process(role, number)
