"""Lanes of a group: how each member is written to.

A member whose socket takes a frame at once is in an audience, plain or deflating; a broadcast touches nothing else of
it. Where pages wait, they wait as finished frames, if the member's connection has a place for them and its label is one
of the first few, and otherwise as pages: a frame that nobody shares would weigh as much for each slow reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import repeat
from operator import setitem
from typing import Any, NamedTuple, Protocol

from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import LABELS, Message
from spot.hub.audience import SLICE, Audience
from spot.hub.outbox import Direct
from spot.hub.update import Seen, Update


class Mailbox(Protocol):
    """Where the newest pages of a connection's members wait."""

    pages: dict[Any, Update]
    #: Those that are finished frames, where the connection's socket takes them.
    frames: list[bytes]

    def withdraw(self, member: Any, /) -> bool:
        """Drop the page that waits for a member; whether there was one."""

    def flush(self) -> None:
        """Send what can be sent."""


class Member(Protocol):
    """A member of groups: a subscription of a connection, or an HTTP request that waits for its answer."""

    #: The client that it is counted for.
    client: str
    dialect: Dialect
    #: The group that the hub has put it into.
    group: Any
    #: The number of the page that it had last, or what its client says that it has seen.
    seq: Seen

    @property
    def label(self) -> bytes:
        """The beginning of its messages that the group's do not have."""

    @property
    def outbox(self) -> Mailbox: ...

    @property
    def frame_slot(self) -> int | None:
        """Its place in `Mailbox.frames`; None where frames cannot be shared with others'."""

    def lend(self) -> Direct | None:
        """The socket that broadcasts may write to."""

    def say(self, message: Message, kind: type) -> None:
        """A control message; of each kind only the newest matters."""

    def refuse_later(self, refused: Refused) -> None:
        """The view turned out not to exist; the hub has already forgotten the member."""


class _Slots(NamedTuple):
    """Places of finished frames, side by side with whose they are."""

    frames: list[list[bytes]]
    slots: list[int]


class _Pushed(NamedTuple):
    """Members whose sockets take no broadcast now, side by side with where their pages wait: as finished frames of each
    label, or as pages."""

    slots: dict[bytes, _Slots]
    pages: list[dict[Any, Update]]
    members: list[Member]
    outboxes: dict[Mailbox, None]


class Broadcast(NamedTuple):
    """Sockets, and the message that all of them are sent after their labels."""

    audience: Audience[Member]
    message: Message


class Lanes:
    """The lanes of one group. `alike`: all members are always sent the same, but for their labels."""

    def __init__(self, *, alike: bool) -> None:
        self._alike = alike
        self._plain: Audience[Member] = Audience()
        self._deflating: Audience[Member] = Audience(deflates=True)
        #: The members with each of the first few labels.
        self._labelled: dict[bytes, set[Member]] = {}
        self._pushed: _Pushed | None = None

    # --- members -----------------------------------------------------------------------------------------------------

    def enter(self, member: Member) -> None:
        """Count a member in."""
        self._pushed = None
        if member.label in self._labelled or len(self._labelled) < LABELS:
            self._labelled.setdefault(member.label, set()).add(member)

    def leave(self, member: Member) -> None:
        """Count a member out."""
        self.suspend(member)
        if (members := self._labelled.get(member.label)) is not None:
            members.discard(member)
            if not members:
                del self._labelled[member.label]

    def admit(self, member: Member) -> None:
        """Write straight to a member's socket, if it is lent."""
        if self._alike and (direct := member.lend()) is not None:
            (self._deflating if direct.socket.deflates else self._plain).add(member, direct)
            self._pushed = None

    def suspend(self, member: Member) -> None:
        """Push to a member again, whose outbox keeps the newest page for when its socket is ready."""
        self._pushed = None
        self._plain.discard(member)
        self._deflating.discard(member)

    def __contains__(self, member: Member) -> bool:
        """Whether broadcasts write straight to the member's socket."""
        return member in self._plain or member in self._deflating

    # --- pages -------------------------------------------------------------------------------------------------------

    @property
    def deflates(self) -> bool:
        """Whether a broadcast takes deflated frames."""
        return bool(self._deflating)

    def _direct(self) -> int:
        return len(self._plain) + len(self._deflating)

    def broadcasts(self, update: Update) -> list[Broadcast]:
        """The sockets that take the page at once."""
        return [Broadcast(audience, update.full) for audience in (self._plain, self._deflating) if audience]

    def at_once(self, update: Update, count: int) -> list[Broadcast] | None:
        """The same, where these are all of the group's `count` members, and few."""
        if count > SLICE or self._direct() != count:
            return None
        return self.broadcasts(update)

    def _slot(self, member: Member) -> int | None:
        """Where the member's pages wait as finished frames; None where they wait as pages."""
        shared = self._alike and member in self._labelled.get(member.label, ())
        return member.frame_slot if shared else None

    def hand(self, member: Member, update: Update) -> None:
        """Leave the page with a member, in place of one that waits; its outbox is to be flushed."""
        slot = self._slot(member)
        if slot is None:
            member.outbox.pages[member] = update
        else:
            member.outbox.frames[slot] = update.full.labelled(member.label).frame

    def push(self, members: Iterable[Member], update: Update, count: int) -> dict[Mailbox, None]:
        """The same for all of the group's `count` members whose sockets take no broadcast now, in one go: their
        outboxes, to be flushed."""
        if self._direct() == count:
            return {}
        update.prepare()
        pushed = self._pushed = self._pushed or self._list(members)
        for label, (frames, slots) in pushed.slots.items():
            deque(map(setitem, frames, slots, repeat(update.full.labelled(label).frame)), maxlen=0)
        deque(map(setitem, pushed.pages, pushed.members, repeat(update)), maxlen=0)
        return pushed.outboxes

    def _list(self, members: Iterable[Member]) -> _Pushed:
        pushed = _Pushed({}, [], [], {})
        for member in members:
            if member in self:
                continue
            slot = self._slot(member)
            if slot is None:
                pushed.pages.append(member.outbox.pages)
                pushed.members.append(member)
            else:
                frames, slots = pushed.slots.setdefault(member.label, _Slots([], []))
                frames.append(member.outbox.frames)
                slots.append(slot)
            pushed.outboxes[member.outbox] = None
        return pushed
