"""Rings of events: what entered a feed lately, numbered, so that a client can go on after the last one that it saw.

Prices are state, and the newest page is all that matters. Announcements and on-chain events are not: each counts. A
ring keeps the newest ones of its group, and outlives it for a while. A client that comes back after the oldest of them
was dropped is told so.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from spot.dialects.base import Since
from spot.feeds.answer import Answer

#: Events that are kept for clients which come back.
_LENGTH = 256
#: Rings whose groups have ended: so many are kept, and each for so long (ms).
_SHELVED, SHELVED_MS = 64, 600_000


class _Event(NamedTuple):
    """An event; one without a key stands for those that nobody has seen."""

    key: Hashable | None
    row: dict[str, Any]


class Missed(NamedTuple):
    """The events that a client has missed, the oldest first. `gap`: there were others before these or among them."""

    rows: Sequence[dict[str, Any]]
    gap: bool


class EventRing:
    """The newest events of one group. `start` is the number of the last event before the first that it will hold: a
    time in milliseconds, so that no number of an earlier ring is taken for one of its own. `epoch` is what the numbers
    belong to."""

    def __init__(self, start: int, epoch: str = "", length: int = _LENGTH) -> None:
        self.start = self.last = start
        self.epoch = epoch
        self._events: deque[_Event] = deque(maxlen=length)
        self._keys: set[Any] = set()

    def take(self, answer: Answer) -> None:
        """Add what has entered since the last answer, whose rows come newest first."""
        keys = answer.keys()
        known, self._keys = self._keys, set(keys)
        if known and keys and known.isdisjoint(keys):  # all has been replaced, and perhaps more came than is left
            self._add(_Event(None, {}))
        entered = [place for place, key in enumerate(keys) if key not in known]
        for place, row in zip(reversed(entered), reversed(answer.cells(entered)), strict=True):
            self._add(_Event(keys[place], row))

    def _add(self, event: _Event) -> None:
        self._events.append(event)
        self.last += 1

    def since(self, seen: int | Since) -> Missed:
        """The events after the last one that a client saw: all that are kept, if that one is not known here."""
        count = self._count_since(seen)
        known = count is not None and 0 <= count <= len(self._events)
        missed = list(self._events)[len(self._events) - (count or 0) :] if known else list(self._events)
        rows = [event.row for event in missed if event.key is not None]
        return Missed(rows, gap=not known or len(rows) < len(missed))

    def next_after(self, seen: int) -> tuple[int, dict[str, Any] | None]:
        """The number and the row of the first event after that number which is kept; no row where there is none, or
        where the number is another ring's."""
        if not self.start <= seen < self.last:
            return self.last, None
        first = self.last - len(self._events) + 1
        number = max(seen + 1, first)
        event = self._events[number - first]
        return number, None if event.key is None else event.row

    def _count_since(self, seen: int | Since) -> int | None:
        if isinstance(seen, int):
            return self.last - seen
        if seen.key is not None:
            newest_first = (event.key for event in reversed(self._events))
            return next((count for count, key in enumerate(newest_first) if key == seen.key), None)
        return self.last - seen.seq if seen.epoch == self.epoch else None


class Shelf:
    """Rings whose groups have ended, for clients that come back."""

    def __init__(self) -> None:
        self._rings: OrderedDict[Hashable, tuple[EventRing, int]] = OrderedDict()

    def keep(self, key: Hashable, ring: EventRing, now_ms: int) -> None:
        """Keep a ring for a while."""
        self._rings[key] = ring, now_ms
        self._rings.move_to_end(key)
        self.sweep(now_ms)

    def take(self, key: Hashable, now_ms: int) -> EventRing | None:
        """Take a ring back, if it is still here."""
        self.sweep(now_ms)
        ring, _ = self._rings.pop(key, (None, 0))
        return ring

    def sweep(self, now_ms: int) -> None:
        """Forget the rings that were kept long enough, and the oldest where there are too many."""
        while self._rings:
            _, kept_at = next(iter(self._rings.values()))
            if len(self._rings) <= _SHELVED and now_ms - kept_at <= SHELVED_MS:
                return
            self._rings.popitem(last=False)
