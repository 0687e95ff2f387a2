"""Order of ticks: drops duplicates and late ticks, and corrects times in the future. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from providers.clean import moment
from providers.stream import Tick

#: Coins whose last tick is remembered; a stream carries a few hundred at most.
_MOST_COINS = 10_000


@dataclass(slots=True)
class _Last:
    tick: Tick
    sequence: int


class Sieve:
    """Passes the ticks of a provider that are newer than the last of their coin, and counts the others in `counts`:
    `duplicate`, `late`. Ticks from the future are counted as `ahead` and pass with our time."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._last: dict[tuple[str, str], _Last] = {}

    def reconnected(self) -> None:
        """Forget sequence numbers: with a new connection providers start again."""
        for last in self._last.values():
            last.sequence = 0

    def passed(self, tick: Tick, now_ms: int) -> Tick | None:
        """The tick with a time: its own, or ours where that is missing, impossible or in the future. None when the tick
        is not new."""
        if tick.at is not None and tick.at > now_ms:
            self.counts["ahead"] += 1
        at = moment(tick.at, now_ms)
        stamped = replace(tick, at=now_ms if at is None else at)
        key = (tick.coin, tick.currency)
        last = self._last.get(key)
        if last is not None and (reason := _drop_reason(stamped, at is not None, last)):
            self.counts[reason] += 1
            return None
        if last is None and len(self._last) >= _MOST_COINS:
            self._last.clear()
        self._last[key] = _Last(stamped, tick.sequence)
        return stamped


def _drop_reason(tick: Tick, timed: bool, last: _Last) -> str:
    """Why the tick is dropped; "" when it passes."""
    if tick.sequence and last.sequence and tick.sequence <= last.sequence:
        return "duplicate" if tick.sequence == last.sequence else "late"
    if not timed or tick.at is None or last.tick.at is None:
        return ""
    if tick.at < last.tick.at:
        return "late"
    return "duplicate" if tick.at == last.tick.at and tick.values == last.tick.values else ""
