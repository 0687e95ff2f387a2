"""Lanes of a group: how each member is written to. Members of one lane are sent the very same frame.

A member whose socket takes a frame at once is in an audience, plain or deflating; a broadcast touches nothing else of
it. Where pages wait, they wait as finished frames, if the member's connection has a place for them, and otherwise as
pages. The members of a group differ in their labels at most: each of the first few labels has a lane. Members with
other labels, of which few are expected, get their pages one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
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


class _Lane:
    """The members with one label."""

    __slots__ = ("deflating", "members", "plain")

    def __init__(self) -> None:
        self.members: set[Member] = set()
        self.plain: Audience[Member] = Audience()
        self.deflating: Audience[Member] = Audience()


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
    """Sockets, and the frame that all of them are sent."""

    audience: Audience[Member]
    frame: bytes


class Lanes:
    """The lanes of one group. `alike`: all members of a lane are always sent the same."""

    def __init__(self, *, alike: bool) -> None:
        self._alike = alike
        self._lanes: dict[bytes, _Lane] = {}
        self._pushed: _Pushed | None = None

    # --- members -----------------------------------------------------------------------------------------------------

    def enter(self, member: Member) -> None:
        """Count a member in."""
        self._pushed = None
        lane = self._lanes.get(member.label)
        if lane is None:
            if len(self._lanes) >= LABELS:
                return
            lane = self._lanes[member.label] = _Lane()
        lane.members.add(member)

    def leave(self, member: Member) -> None:
        """Count a member out."""
        self.suspend(member)
        if (lane := self._lanes.get(member.label)) is not None:
            lane.members.discard(member)
            if not lane.members:
                del self._lanes[member.label]

    def admit(self, member: Member) -> None:
        """Write straight to a member's socket, if it is lent."""
        lane = self._lanes.get(member.label) if self._alike else None
        if lane is not None and member in lane.members and (direct := member.lend()) is not None:
            (lane.deflating if direct.socket.deflates else lane.plain).add(member, direct)
            self._pushed = None

    def suspend(self, member: Member) -> None:
        """Push to a member again, whose outbox keeps the newest page for when its socket is ready."""
        self._pushed = None
        if (lane := self._lanes.get(member.label)) is not None:
            lane.plain.discard(member)
            lane.deflating.discard(member)

    def __contains__(self, member: Member) -> bool:
        """Whether broadcasts write straight to the member's socket."""
        lane = self._lanes.get(member.label)
        return lane is not None and (member in lane.plain or member in lane.deflating)

    # --- pages -------------------------------------------------------------------------------------------------------

    @property
    def deflates(self) -> bool:
        """Whether a broadcast takes deflated frames."""
        return any(lane.deflating for lane in self._lanes.values())

    def _direct(self) -> int:
        return sum(len(lane.plain) + len(lane.deflating) for lane in self._lanes.values())

    def broadcasts(self, update: Update) -> Iterator[Broadcast]:
        """The sockets that take the page at once, with its frames."""
        for label, lane in list(self._lanes.items()):
            if lane.plain:
                yield Broadcast(lane.plain, update.full.labelled(label).frame)
            if lane.deflating:
                yield Broadcast(lane.deflating, update.full.labelled(label).deflated)

    def at_once(self, update: Update, count: int) -> list[Broadcast] | None:
        """The same, where these are all of the group's `count` members, and few."""
        if count > SLICE or self._direct() != count:
            return None
        return list(self.broadcasts(update))

    def hand(self, member: Member, update: Update) -> None:
        """Leave the page with a member, in place of one that waits; its outbox is to be flushed."""
        slot = member.frame_slot if self._alike and member.label in self._lanes else None
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
            slot = member.frame_slot if self._alike and member.label in self._lanes else None
            if slot is None:
                pushed.pages.append(member.outbox.pages)
                pushed.members.append(member)
            else:
                frames, slots = pushed.slots.setdefault(member.label, _Slots([], []))
                frames.append(member.outbox.frames)
                slots.append(slot)
            pushed.outboxes[member.outbox] = None
        return pushed
