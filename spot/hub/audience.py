"""The sockets of a group that take a frame at once, and how all of them are given one.

The kernel's part of a send is most of what a delivery costs. What is left is the loop: where the kernel takes many
sends in one call (`spot.hub.ring`), it makes the loop; elsewhere that runs in C, as `map` over the sockets' own
send(2). Either way in slices. Where members' labels differ, the ring takes each frame in two pieces, of which the
second is the same for all. A socket is here only while nothing waits in its transport, so no byte can overtake another;
what the kernel does not take of a frame goes to the transport, which thereby ceases to be ready and leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import call
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spot.clients.meter import BROADCAST, Tally
from spot.dialects.frames import Message, Parts
from spot.hub.outbox import Direct, Send
from spot.hub.ring import Ring

#: Other work is let in after so many sockets.
SLICE = 512
#: For fewer sockets than this a ring is not worth the call.
_FEW = 32


class Labelled(Protocol):
    """Somebody whose messages begin with a label of their own."""

    @property
    def label(self) -> bytes: ...


Listener = TypeVar("Listener", bound=Labelled)


class _Listed(NamedTuple, Generic[Listener]):
    """Members side by side with how each is written to."""

    members: list[Listener]
    sends: list[Send]
    descriptors: NDArray[np.int32]
    labels: list[bytes]
    #: The label of all; None where they differ.
    label: bytes | None
    #: The length of the shortest label, and by how much all labels together are longer than that.
    shortest: int
    excess: int

    def part(self, start: int, end: int) -> _Listed[Listener]:
        cut = slice(start, end)
        labels = self.labels[cut]
        sockets = self.members[cut], self.sends[cut], self.descriptors[cut]
        return _Listed(*sockets, labels, self.label, self.shortest, self.excess)


class _Sending(NamedTuple, Generic[Listener]):
    """Members, and what each is sent: a head of its own, where they differ, and the same rest."""

    listed: _Listed[Listener]
    heads: list[bytes] | None
    rest: bytes

    def frame(self, index: int) -> bytes:
        return self.rest if self.heads is None else self.heads[index] + self.rest

    def frames(self) -> Iterator[bytes]:
        """Each member's, made one by one."""
        if self.heads is None:
            return repeat(self.rest, len(self.listed.members))
        return (head + self.rest for head in self.heads)

    def sizes(self) -> NDArray[np.int64]:
        count, size = len(self.listed.members), len(self.rest)
        if self.heads is None:
            return np.full(count, size, np.int64)
        return np.fromiter(map(len, self.heads), np.int64, count) + size


class Audience(Generic[Listener]):
    """Members, each with the socket that takes its frames, all of them compressed or none."""

    __slots__ = ("_deflates", "_listed", "_sockets", "tally")

    def __init__(self, *, deflates: bool = False) -> None:
        #: What has been sent, for members with a meter.
        self.tally = Tally()
        self._deflates = deflates
        self._sockets: dict[Listener, Direct] = {}
        self._listed: _Listed[Listener] | None = None

    def add(self, member: Listener, direct: Direct) -> None:
        """Count the member in, with the socket that its connection lends."""
        self._sockets[member] = direct
        self._listed = None
        if direct.meter is not None:
            direct.meter.follow(self.tally, len(member.label))

    def discard(self, member: Listener) -> None:
        """Count the member out. Harmless when it is not here."""
        if (direct := self._sockets.pop(member, None)) is not None:
            self._listed = None
            if direct.meter is not None:
                direct.meter.leave()

    def __contains__(self, member: Listener) -> bool:
        return member in self._sockets

    def __len__(self) -> int:
        return len(self._sockets)

    async def send(self, message: Message, missed: Callable[[Listener], None], ring: Ring | None = None) -> None:
        """Give everybody the message, slice by slice; `missed` is told of members that left in between."""
        listed = self._list()
        self._count(message, listed)
        for start in range(0, len(listed.members), SLICE):
            if start:
                await asyncio.sleep(0)
            part = listed.part(start, start + SLICE)
            if self._listed is not listed:
                for member in part.members:
                    if member not in self._sockets:
                        missed(member)
                part = self._listing(member for member in part.members if member in self._sockets)
            self._deliver(message, part, ring)

    def _deliver(self, message: Message, part: _Listed[Listener], ring: Ring | None) -> None:
        sending = self._sending(message, part)
        for index, count in _written([sending], ring):
            self._rest(part.members[index], sending.frame(index)[count:])

    def _sending(self, message: Message, listed: _Listed[Listener]) -> _Sending[Listener]:
        if listed.label is not None:
            labelled = message.labelled(listed.label)
            return _Sending(listed, None, labelled.deflated if self._deflates else labelled.frame)
        parts = self._parts(message)
        return _Sending(listed, parts.heads(listed.labels), parts.rest)

    def _parts(self, message: Message) -> Parts:
        return message.body.deflated_parts if self._deflates else message.body.parts

    def _count(self, message: Message, listed: _Listed[Listener]) -> None:
        """Count the message once for all; their labels are told apart by their meters."""
        if count := len(listed.members):
            parts = self._parts(message)
            size = len(parts.opening(listed.shortest)) + len(parts.rest)
            self.tally.add(size)
            BROADCAST.frames += count
            BROADCAST.bytes += count * size + listed.excess

    def _list(self) -> _Listed[Listener]:
        if self._listed is None:
            self._listed = self._listing(self._sockets)
        return self._listed

    def _listing(self, members: Iterable[Listener]) -> _Listed[Listener]:
        members = list(members)
        sockets = [self._sockets[member] for member in members]
        descriptors = np.array([direct.descriptor for direct in sockets], np.int32)
        labels = [member.label for member in members]
        label = labels[0] if len(set(labels)) == 1 else None if labels else b""
        shortest = min(map(len, labels), default=0)
        excess = sum(map(len, labels)) - shortest * len(labels)
        sends = [direct.send for direct in sockets]
        return _Listed(members, sends, descriptors, labels, label, shortest, excess)

    def _rest(self, member: Listener, rest: bytes) -> None:
        if (direct := self._sockets.get(member)) is not None:
            direct.socket.write_frame(rest)


def send_all(each: Sequence[tuple[Audience[Any], Message]], ring: Ring | None = None) -> None:
    """Give each audience its message, without giving way: for small ones."""
    sendings = []
    for audience, message in each:
        listed = audience._list()
        audience._count(message, listed)
        sendings.append(audience._sending(message, listed))
    short = _written(sendings, ring)
    if not short:
        return
    written = [
        (audience, sending, place)
        for (audience, _), sending in zip(each, sendings, strict=True)
        for place in range(len(sending.listed.members))
    ]
    for index, count in short:
        audience, sending, place = written[index]
        audience._rest(sending.listed.members[place], sending.frame(place)[count:])


def _written(sendings: Sequence[_Sending[Any]], ring: Ring | None) -> list[tuple[int, int]]:
    """One write a socket; those that took less than their frame, by index in all lists together, and how many bytes
    they took."""
    if ring is None or sum(len(sending.listed.members) for sending in sendings) < _FEW:
        sends = list(chain.from_iterable(sending.listed.sends for sending in sendings))
        taken = _written_singly(sends, chain.from_iterable(sending.frames() for sending in sendings))
    else:
        taken = _written_together(sendings, ring)
    short = np.flatnonzero(taken < np.concatenate([sending.sizes() for sending in sendings]))
    return list(zip(short.tolist(), taken[short].tolist(), strict=True))


def _written_together(sendings: Sequence[_Sending[Any]], ring: Ring) -> NDArray[np.int32]:
    """How many bytes each socket has taken."""
    runs = [(sending.rest, len(sending.listed.members)) for sending in sendings]
    heads = None
    if any(sending.heads is not None for sending in sendings):
        each = (repeat(b"", len(one.listed.members)) if one.heads is None else one.heads for one in sendings)
        heads = list(chain.from_iterable(each))
    return ring.send(np.concatenate([sending.listed.descriptors for sending in sendings]), runs, heads)


def _written_singly(sends: list[Send], frames: Iterator[bytes]) -> NDArray[np.int32]:
    """The same without a ring. Each frame is gone before the next one is made."""
    taken: list[int] = []
    while len(taken) < len(sends):
        try:
            taken.extend(map(call, sends[len(taken) :], frames))
        except OSError:  # full, or gone: `taken` holds those before it
            taken.append(0)
    return np.array(taken, np.int32)
