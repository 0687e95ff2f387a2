"""A group's page, and its messages, each made when the first member needs it."""

from __future__ import annotations

from spot.dialects.base import Dialect, Since
from spot.dialects.frames import Message, Once
from spot.dialects.values import Delta, Events, Page
from spot.hub.events import EventRing

#: What a client has seen of a view: the number of a page or an event of this process, or what it says of itself.
Seen = int | Since | None
#: Different numbers of missed events for which a message is kept.
_KEPT = 16


class Update(Page):
    """A page with its messages."""

    def __init__(self, page: Page, dialect: Dialect, before: Page | None, ring: EventRing | None = None) -> None:
        super().__init__(page.answer, page.facts, page.seq, page.stale, page.missing, page.run, page.now_ms)
        self.dialect = dialect
        self._ring = ring
        #: The page that `delta` continues from, without its own; no member has the number -1.
        self.before: Page | None = None
        if before is not None and dialect.deltas:
            self.before = Page(before.answer, before.facts, before.seq, before.stale, before.missing, before.run)
        self.base = -1 if self.before is None else self.before.seq
        self._since: dict[tuple[int, bool], Message] = {}

    def at(self, now_ms: int) -> Update:
        """The same page, written at that time."""
        page = Page(self.answer, self.facts, self.seq, self.stale, self.missing, self.run, now_ms)
        return Update(page, self.dialect, None, self._ring)

    def prepare(self) -> None:
        """Make the messages that most members need, so that one which cannot be written fails here."""
        if not self._single:
            _ = self.full
        if self.before is not None:
            _ = self.delta

    @property
    def _single(self) -> bool:
        return self._ring is not None and self.dialect.single_events

    @Once
    def full(self) -> Message:
        """The whole page."""
        return self._message(self)

    @Once
    def delta(self) -> Message:
        """The changes since the page before."""
        assert self.before is not None
        return self._message(Delta(self.before, self))

    def _message(self, value: Page | Delta | Events) -> Message:
        payload = self.dialect.write(value)
        assert payload is not None, "a dialect writes its pages"
        return self.dialect.message(payload)

    def next_after(self, seen: Seen) -> tuple[Message | None, Seen]:
        """The next message for a member that has seen so much, if there is one, and what it has seen then."""
        if self._ring is None or not self.dialect.single_events:
            return self.message_after(seen), self.seq
        number, row = self._ring.next_after(seen) if isinstance(seen, int) else (self.seq, None)
        if row is None:
            return None, number
        if (message := self._since.get((number, False))) is None:
            message = self._since[number, False] = self._message(Events(self, [row], False))
        return message, number

    def message_after(self, seen: Seen) -> Message:
        """The message for a member that has seen so much: the change, where it continues from there, or the events
        since."""
        if self._ring is not None and seen is not None:
            return self._events_since(self._ring, seen)
        if isinstance(seen, Since):
            seen = self._own_number(seen)
        message: Message = self.delta if seen == self.base else self.full
        return message

    def is_known(self, seen: Seen) -> bool:
        """Whether a client that has seen so much lacks nothing."""
        if self._single and not isinstance(seen, int):
            return True
        if self._ring is not None and seen is not None:
            missed = self._ring.since(seen)
            return not missed.rows and not missed.gap
        return isinstance(seen, Since) and self._own_number(seen) == self.seq

    def _own_number(self, seen: Since) -> int | None:
        return seen.seq if seen.epoch == self.epoch and seen.key is None else None

    def _events_since(self, ring: EventRing, seen: int | Since) -> Message:
        missed = ring.since(seen)
        key = len(missed.rows), missed.gap
        if (message := self._since.get(key)) is None:
            message = self._message(Events(self, missed.rows, missed.gap))
            if len(self._since) < _KEPT:
                self._since[key] = message
        return message
