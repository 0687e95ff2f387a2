"""Real sockets, of which some are full, gone or leaving while a frame goes out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from spot.hub.audience import Audience, send_all
from spot.hub.outbox import Direct
from spot.hub.ring import Ring

FRAME = b"f" * 3000


@dataclass(eq=False)
class Seat:
    """A socket of ours with its peer; `rest` is what was handed to the transport."""

    ours: socket.socket
    peer: socket.socket
    rest: list[bytes] = field(default_factory=list)
    ready: bool = True
    deflates: bool = False

    @property
    def send_now(self) -> Callable[[bytes], int]:
        return self.ours.send

    @property
    def descriptor(self) -> int:
        return self.ours.fileno()

    def write_frame(self, frame: bytes) -> None:
        self.rest.append(frame)

    def heard(self) -> bytes:
        got = bytearray()
        with contextlib.suppress(BlockingIOError):
            while piece := self.peer.recv(1 << 20):
                got += piece
        return bytes(got)

    def fill(self) -> int:
        """Write until the kernel takes no more; how many bytes it took."""
        size = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                size += self.ours.send(b"x" * 1000)
        return size


@pytest.fixture
def seats() -> Iterator[list[Seat]]:
    made = [Seat(*socket.socketpair()) for _ in range(5)]
    for seat in made:
        seat.ours.setblocking(False)
        seat.peer.setblocking(False)
    yield made
    for seat in made:
        seat.ours.close()
        seat.peer.close()


@pytest.fixture(params=["ring", "send"])
def ring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring | None]:
    """Both ways into the kernel, however few the sockets."""
    monkeypatch.setattr("spot.hub.audience._FEW", 1)
    made = Ring.where_possible() if request.param == "ring" else None
    if request.param == "ring" and made is None:
        pytest.skip("this machine's kernel has, or allows, no io_uring")
    yield made
    if made is not None:
        made.close()


def audience_of(seats: list[Seat]) -> Audience[Seat]:
    made: Audience[Seat] = Audience()
    for seat in seats:
        made.add(seat, Direct(seat, seat.send_now, seat.descriptor))
    return made


def missed_by_nobody(_seat: Seat) -> None:
    raise AssertionError("nobody has left")


def send(audience: Audience[Seat], ring: Ring | None, frame: bytes = FRAME) -> None:
    asyncio.run(audience.send(frame, missed_by_nobody, ring))


def test_everybody_hears_the_frame_once(seats: list[Seat], ring: Ring | None) -> None:
    audience = audience_of(seats)
    send(audience, ring)
    send_all([(audience, FRAME[:10])], ring)
    assert [seat.heard() for seat in seats] == [FRAME + FRAME[:10]] * 5
    assert not any(seat.rest for seat in seats)


def test_what_a_full_socket_does_not_take_goes_to_its_transport(seats: list[Seat], ring: Ring | None) -> None:
    full, partly = seats[0], seats[3]
    full.fill()
    partly.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    large = b"l" * 400_000
    send(audience_of(seats[:1] + seats[3:4]), ring, large)
    assert full.rest == [large]
    taken = len(partly.heard())
    assert partly.rest == ([large[taken:]] if taken < len(large) else [])


def test_one_that_is_gone_does_not_keep_the_others_from_hearing(seats: list[Seat], ring: Ring | None) -> None:
    seats[1].peer.close()
    send(audience_of(seats), ring)
    assert seats[1].rest == [FRAME]  # its transport finds out for itself
    assert [seat.heard() for seat in (seats[0], *seats[2:])] == [FRAME] * 4


def test_who_was_counted_out_hears_nothing(seats: list[Seat], ring: Ring | None) -> None:
    audience = audience_of(seats)
    audience.discard(seats[2])
    audience.discard(seats[2])
    send(audience, ring)
    assert [bool(seat.heard()) for seat in seats] == [True, True, False, True, True]
    assert (len(audience), seats[2] in audience, seats[1] in audience) == (4, False, True)


def test_who_leaves_between_two_slices_is_missed_and_the_rest_hears(
    seats: list[Seat], ring: Ring | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spot.hub.audience.SLICE", 3)
    leaving, staying = seats[0], seats[1]
    crowd = [Seat(staying.ours, staying.peer) for _ in range(3)]
    audience = audience_of([*crowd, leaving, staying])
    missed: list[Seat] = []

    async def story() -> None:
        sending = asyncio.create_task(audience.send(b"!", missed.append, ring))
        await asyncio.sleep(0)
        audience.discard(leaving)
        await sending

    asyncio.run(story())
    assert missed == [leaving]
    assert leaving.heard() == b""
    assert staying.heard() == b"!" * 4


def test_small_groups_hear_their_own_frames_and_what_is_full_keeps_the_rest(
    seats: list[Seat], ring: Ring | None
) -> None:
    groups = [audience_of(seats[:2]), audience_of([]), audience_of(seats[2:4]), audience_of(seats[4:])]
    seats[3].fill()
    send_all(list(zip(groups, [b"one", b"nobody", b"three", b"four"], strict=True)), ring)
    assert [seat.heard() for seat in (*seats[:3], seats[4])] == [b"one", b"one", b"three", b"four"]
    assert [seat.rest for seat in seats] == [[], [], [], [b"three"], []]
