"""The sockets of a group that take a frame at once, and how all of them are given one.

The kernel's part of a send is most of what a delivery costs. What is left is the loop: where the kernel takes many
sends in one call (`spot.hub.ring`), it makes the loop; elsewhere that runs in C, as `map` over the sockets' own
send(2). Either way in slices. A socket is here only while nothing waits in its transport, so no byte can overtake
another; what the kernel does not take of a frame goes to the transport, which thereby ceases to be ready and leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from operator import call
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from spot.clients.meter import Tally
from spot.hub.outbox import Direct, Send
from spot.hub.ring import Ring

#: Other work is let in after so many sockets.
SLICE = 512
#: For fewer sockets than this a ring is not worth the call.
_FEW = 32

Listener = TypeVar("Listener")


class _Listed(NamedTuple, Generic[Listener]):
    """Members side by side with how each is written to."""

    members: list[Listener]
    sends: list[Send]
    descriptors: NDArray[np.int32]

    def part(self, start: int, end: int) -> _Listed[Listener]:
        return _Listed(self.members[start:end], self.sends[start:end], self.descriptors[start:end])


class Audience(Generic[Listener]):
    """Members, each with the socket that takes its frames."""

    __slots__ = ("_listed", "_sockets", "tally")

    def __init__(self) -> None:
        #: What has been sent, for members with a meter.
        self.tally = Tally()
        self._sockets: dict[Listener, Direct] = {}
        self._listed: _Listed[Listener] | None = None

    def add(self, member: Listener, direct: Direct) -> None:
        """Count the member in, with the socket that its connection lends."""
        self._sockets[member] = direct
        self._listed = None
        if direct.meter is not None:
            direct.meter.follow(self.tally)

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

    async def send(self, frame: bytes, missed: Callable[[Listener], None], ring: Ring | None = None) -> None:
        """Give everybody the frame, slice by slice; `missed` is told of members that left in between."""
        listed = self._list()
        self.tally.add(frame)
        for start in range(0, len(listed.members), SLICE):
            if start:
                await asyncio.sleep(0)
            part = listed.part(start, start + SLICE)
            if self._listed is not listed:
                for member in part.members:
                    if member not in self._sockets:
                        missed(member)
                part = self._listing(member for member in part.members if member in self._sockets)
            for index, count in _written([part], [frame], ring):
                self._rest(part.members[index], frame[count:])

    def _list(self) -> _Listed[Listener]:
        if self._listed is None:
            self._listed = self._listing(self._sockets)
        return self._listed

    def _listing(self, members: Iterable[Listener]) -> _Listed[Listener]:
        members = list(members)
        sockets = [self._sockets[member] for member in members]
        descriptors = np.array([direct.descriptor for direct in sockets], np.int32)
        return _Listed(members, [direct.send for direct in sockets], descriptors)

    def _rest(self, member: Listener, rest: bytes) -> None:
        if (direct := self._sockets.get(member)) is not None:
            direct.socket.write_frame(rest)


def send_all(each: Sequence[tuple[Audience[Any], bytes]], ring: Ring | None = None) -> None:
    """Give each audience its frame, without giving way: for small ones."""
    lists = [audience._list() for audience, _ in each]
    for audience, frame in each:
        audience.tally.add(frame)
    short = _written(lists, [frame for _, frame in each], ring)
    if not short:
        return
    written = [
        (audience, member, frame)
        for (audience, frame), listed in zip(each, lists, strict=True)
        for member in listed.members
    ]
    for index, count in short:
        audience, member, frame = written[index]
        audience._rest(member, frame[count:])


def _written(lists: Sequence[_Listed[Any]], frames: Sequence[bytes], ring: Ring | None) -> list[tuple[int, int]]:
    """One write a socket, of each list with its frame; those that took less than that, by index in all lists together,
    and how many bytes they took."""
    counts = [len(listed.members) for listed in lists]
    if ring is None or sum(counts) < _FEW:
        each = chain.from_iterable(map(repeat, frames, counts))
        return _written_singly(list(chain.from_iterable(listed.sends for listed in lists)), list(each))
    taken = ring.send(np.concatenate([listed.descriptors for listed in lists]), list(zip(frames, counts, strict=True)))
    short = np.flatnonzero(taken < np.repeat([len(frame) for frame in frames], counts))
    return list(zip(short.tolist(), taken[short].tolist(), strict=True))


def _written_singly(sends: list[Send], frames: list[bytes]) -> list[tuple[int, int]]:
    taken: list[int] = []
    while len(taken) < len(sends):
        try:
            taken.extend(map(call, sends[len(taken) :], frames[len(taken) :]))
        except OSError:  # full, or gone: `taken` holds those before it
            taken.append(0)
    sizes = list(map(len, frames))
    return [] if taken == sizes else [(at, count) for at, count in enumerate(taken) if count < sizes[at]]
