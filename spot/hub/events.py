"""Rings of events: what entered a feed lately, numbered, so that a client can go on after the last one that it saw.

Prices are state, and the newest page is all that matters. Announcements and on-chain events are not: each counts. A
ring keeps the newest ones of its group. A client that comes back after the oldest of them was dropped is told so.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from spot.dialects.values import Events
from spot.feeds.answer import Answer

#: Events that are kept for clients which come back.
_LENGTH = 256


class EventRing:
    """The newest events of one group. `start` is the number of the last event before the first that it will hold: a
    time in milliseconds, so that no number of another process's ring, or of an earlier life, is taken for one of its
    own."""

    def __init__(self, start: int, length: int = _LENGTH) -> None:
        self.last = start
        self._events: deque[dict[str, Any]] = deque(maxlen=length)
        self._keys: set[Any] | None = None

    def take(self, answer: Answer) -> None:
        """Add what has entered since the last answer, whose rows come newest first. The first one's are known to all
        who join, so they are no events."""
        keys = answer.keys()
        known, self._keys = self._keys, set(keys)
        if known is not None:
            entered = [place for place, key in enumerate(keys) if key not in known]
            for event in reversed(answer.cells(entered)):
                self._events.append(event)
                self.last += 1

    def since(self, channel: str, seq: int) -> Events:
        """The events after that number; `gap` says whether some of them are gone."""
        missed = self.last - seq
        count = min(max(missed, 0), len(self._events))
        events = list(self._events)[len(self._events) - count :]
        return Events(channel, events, self.last, gap=missed < 0 or missed > count)
