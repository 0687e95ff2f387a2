"""The sockets of a group that take a frame at once, and how all of them are given one.

The kernel's part of a send is most of what a delivery costs. What is left is the loop, so that runs in C as well: `map`
over the sockets' own send(2), in slices. A socket is here only while nothing waits in its transport,
so no byte can overtake another; what the kernel does not take of a frame goes to the transport, which thereby ceases to
be ready and leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import call
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

#: Other work is let in after so many sockets.
SLICE = 512


#: send(2): takes bytes, returns how many were taken, raises OSError.
Send = Callable[[bytes], int]


class PreparedSocket(Protocol):
    """What `spot.prepared` offers."""

    @property
    def ready(self) -> bool: ...

    @property
    def deflates(self) -> bool: ...

    @property
    def send_now(self) -> Send | None: ...

    def write_frame(self, frame: bytes, /) -> None: ...


Who = TypeVar("Who")


class _Listed(NamedTuple, Generic[Who]):
    members: list[Who]
    sends: list[Send]


class Audience(Generic[Who]):
    """Members, each with the socket that takes its frames."""

    __slots__ = ("_listed", "_sockets")

    def __init__(self) -> None:
        self._sockets: dict[Who, tuple[PreparedSocket, Send]] = {}
        self._listed: _Listed[Who] | None = None

    def add(self, member: Who, socket: PreparedSocket) -> None:
        """Count the member in: its socket is ready, and has a send of its own."""
        assert socket.send_now is not None
        self._sockets[member] = socket, socket.send_now
        self._listed = None

    def discard(self, member: Who) -> None:
        """Count the member out. Harmless when it is not here."""
        if self._sockets.pop(member, None) is not None:
            self._listed = None

    def __contains__(self, member: Who) -> bool:
        return member in self._sockets

    def __len__(self) -> int:
        return len(self._sockets)

    async def send(self, frame: bytes, missed: Callable[[Who], None]) -> None:
        """Give everybody the frame, slice by slice; `missed` is told of members that left in between."""
        listed = self._list()
        for start in range(0, len(listed.members), SLICE):
            if start:
                await asyncio.sleep(0)
            members = listed.members[start : start + SLICE]
            sends = listed.sends[start : start + SLICE]
            if self._listed is not listed:
                for member in members:
                    if member not in self._sockets:
                        missed(member)
                members = [member for member in members if member in self._sockets]
                sends = [self._sockets[member][1] for member in members]
            self._write(members, sends, frame)

    def _list(self) -> _Listed[Who]:
        if self._listed is None:
            self._listed = _Listed(list(self._sockets), [send for _, send in self._sockets.values()])
        return self._listed

    def _write(self, members: Sequence[Who], sends: list[Send], frame: bytes) -> None:
        for index, count in _written(sends, [frame] * len(sends)):
            self._rest(members[index], frame[count:])

    def _rest(self, member: Who, rest: bytes) -> None:
        if (seat := self._sockets.get(member)) is not None:
            seat[0].write_frame(rest)


def send_all(each: Sequence[tuple[Audience[Any], bytes]]) -> None:
    """Give each audience its frame, without giving way: for small ones."""
    members, sends, frames, audiences = [], [], [], []
    for audience, frame in each:
        listed = audience._list()
        members += listed.members
        sends += listed.sends
        frames += [frame] * len(listed.members)
        audiences += [audience] * len(listed.members)
    for index, count in _written(sends, frames):
        audiences[index]._rest(members[index], frames[index][count:])


def _written(sends: list[Send], frames: list[bytes]) -> list[tuple[int, int]]:
    """One write a socket; those that took less than their frame, by index, and how many bytes they took."""
    taken: list[int] = []
    while len(taken) < len(sends):
        try:
            taken.extend(map(call, sends[len(taken) :], frames[len(taken) :]))
        except OSError:  # full, or gone: `taken` holds those before it
            taken.append(0)
    sizes = list(map(len, frames))
    return [] if taken == sizes else [(at, count) for at, count in enumerate(taken) if count < sizes[at]]
