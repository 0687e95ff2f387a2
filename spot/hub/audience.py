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
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spot.hub.ring import Ring

#: Other work is let in after so many sockets.
SLICE = 512
#: For fewer sockets than this a ring is not worth the call.
_FEW = 32

#: send(2): takes bytes, returns how many were taken, raises OSError.
Send = Callable[[bytes], int]


class PreparedSocket(Protocol):
    """What `spot.server.prepared` offers."""

    @property
    def ready(self) -> bool: ...

    @property
    def deflates(self) -> bool: ...

    @property
    def send_now(self) -> Send | None: ...

    @property
    def descriptor(self) -> int | None: ...

    def write_frame(self, frame: bytes, /) -> None: ...


Who = TypeVar("Who")


class _Seat(NamedTuple):
    socket: PreparedSocket
    send: Send
    descriptor: int


class _Listed(NamedTuple, Generic[Who]):
    """Members side by side with how each is written to."""

    members: list[Who]
    sends: list[Send]
    descriptors: NDArray[np.int32]

    def part(self, start: int, end: int) -> _Listed[Who]:
        return _Listed(self.members[start:end], self.sends[start:end], self.descriptors[start:end])


class Audience(Generic[Who]):
    """Members, each with the socket that takes its frames."""

    __slots__ = ("_listed", "_seats")

    def __init__(self) -> None:
        self._seats: dict[Who, _Seat] = {}
        self._listed: _Listed[Who] | None = None

    def add(self, member: Who, socket: PreparedSocket) -> None:
        """Count the member in: its socket is ready, and has a send of its own."""
        assert socket.send_now is not None
        assert socket.descriptor is not None
        self._seats[member] = _Seat(socket, socket.send_now, socket.descriptor)
        self._listed = None

    def discard(self, member: Who) -> None:
        """Count the member out. Harmless when it is not here."""
        if self._seats.pop(member, None) is not None:
            self._listed = None

    def __contains__(self, member: Who) -> bool:
        return member in self._seats

    def __len__(self) -> int:
        return len(self._seats)

    async def send(self, frame: bytes, missed: Callable[[Who], None], ring: Ring | None = None) -> None:
        """Give everybody the frame, slice by slice; `missed` is told of members that left in between."""
        listed = self._list()
        for start in range(0, len(listed.members), SLICE):
            if start:
                await asyncio.sleep(0)
            part = listed.part(start, start + SLICE)
            if self._listed is not listed:
                for member in part.members:
                    if member not in self._seats:
                        missed(member)
                part = self._listing(member for member in part.members if member in self._seats)
            for index, count in _written([part], [frame], ring):
                self._rest(part.members[index], frame[count:])

    def _list(self) -> _Listed[Who]:
        if self._listed is None:
            self._listed = self._listing(self._seats)
        return self._listed

    def _listing(self, members: Iterable[Who]) -> _Listed[Who]:
        members = list(members)
        seats = [self._seats[member] for member in members]
        return _Listed(members, [seat.send for seat in seats], np.array([seat.descriptor for seat in seats], np.int32))

    def _rest(self, member: Who, rest: bytes) -> None:
        if (seat := self._seats.get(member)) is not None:
            seat.socket.write_frame(rest)


def send_all(each: Sequence[tuple[Audience[Any], bytes]], ring: Ring | None = None) -> None:
    """Give each audience its frame, without giving way: for small ones."""
    lists = [audience._list() for audience, _ in each]
    short = _written(lists, [frame for _, frame in each], ring)
    if not short:
        return
    heard = [
        (audience, member, frame) for (audience, frame), one in zip(each, lists, strict=True) for member in one.members
    ]
    for index, count in short:
        audience, member, frame = heard[index]
        audience._rest(member, frame[count:])


def _written(lists: Sequence[_Listed[Any]], frames: Sequence[bytes], ring: Ring | None) -> list[tuple[int, int]]:
    """One write a socket, of each list with its frame; those that took less than that, by index in all lists together,
    and how many bytes they took."""
    counts = [len(one.members) for one in lists]
    if ring is None or sum(counts) < _FEW:
        each = chain.from_iterable(map(repeat, frames, counts))
        return _written_singly(list(chain.from_iterable(one.sends for one in lists)), list(each))
    taken = ring.send(np.concatenate([one.descriptors for one in lists]), list(zip(frames, counts, strict=True)))
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
