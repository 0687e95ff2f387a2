"""Ticks in their order: what came before, what comes again and what comes from the future. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from providers.clean import moment
from providers.stream import Tick

#: Coins whose last tick is remembered; a stream follows a few hundred at most.
_KEPT = 10_000


@dataclass(slots=True)
class _Last:
    tick: Tick
    sequence: int


class Sieve:
    """Lets a provider's ticks through that are newer than the last of their coin, and counts the others in `counts`:
    `duplicate`, `late`; `ahead` are those from the future, which pass with our time."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._last: dict[tuple[str, str], _Last] = {}

    def reconnected(self) -> None:
        """A new connection: providers count from the beginning."""
        for last in self._last.values():
            last.sequence = 0

    def passed(self, tick: Tick, now_ms: int) -> Tick | None:
        """The tick, with a time: its own, ours where that is missing, impossible or ahead of us; None when it brings
        nothing new."""
        if tick.at is not None and tick.at > now_ms:
            self.counts["ahead"] += 1
        at = moment(tick.at, now_ms)
        stamped = replace(tick, at=now_ms if at is None else at)
        key = (tick.coin, tick.currency)
        last = self._last.get(key)
        if last is not None and (why := _nothing_new(stamped, at is not None, last)):
            self.counts[why] += 1
            return None
        if last is None and len(self._last) >= _KEPT:
            self._last.clear()
        self._last[key] = _Last(stamped, tick.sequence)
        return stamped


def _nothing_new(tick: Tick, timed: bool, last: _Last) -> str:
    """Why the tick is not let through; "" when it is."""
    if tick.sequence and last.sequence and tick.sequence <= last.sequence:
        return "duplicate" if tick.sequence == last.sequence else "late"
    if not timed or tick.at is None or last.tick.at is None:
        return ""
    if tick.at < last.tick.at:
        return "late"
    return "duplicate" if tick.at == last.tick.at and tick.values == last.tick.values else ""
