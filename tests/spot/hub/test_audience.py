"""Real sockets, of which some are full, gone or leaving while a frame goes out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from spot.clients.meter import Meter
from spot.dialects.frames import Message
from spot.hub.audience import Audience, send_all
from spot.hub.outbox import Direct
from spot.hub.ring import Ring

BODY = b"f" * 3000


def framed(payload: bytes) -> bytes:
    """The frame of a text (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes([size]) + payload
    return (b"\x81\x7e" + size.to_bytes(2) if size < 65_536 else b"\x81\x7f" + size.to_bytes(8)) + payload


@dataclass(eq=False)
class Seat:
    """A socket of ours with its peer; `rest` is what was handed to the transport."""

    ours: socket.socket
    peer: socket.socket
    rest: list[bytes] = field(default_factory=list)
    ready: bool = True
    deflates: bool = False
    label: bytes = b""

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


def audience_of(seats: list[Seat], made: Audience[Seat] | None = None) -> Audience[Seat]:
    made = Audience() if made is None else made
    for seat in seats:
        made.add(seat, Direct(seat, seat.send_now, seat.descriptor))
    return made


def missed_by_nobody(_seat: Seat) -> None:
    raise AssertionError("nobody has left")


def send(audience: Audience[Seat], ring: Ring | None, payload: bytes = BODY) -> None:
    asyncio.run(audience.send(Message(payload), missed_by_nobody, ring))


def test_everybody_hears_the_frame_once(seats: list[Seat], ring: Ring | None) -> None:
    audience = audience_of(seats)
    send(audience, ring)
    send_all([(audience, Message(b"short"))], ring)
    assert [seat.heard() for seat in seats] == [framed(BODY) + b"\x81\x05short"] * 5
    assert not any(seat.rest for seat in seats)


def test_what_a_full_socket_does_not_take_goes_to_its_transport(seats: list[Seat], ring: Ring | None) -> None:
    full, partly = seats[0], seats[3]
    full.fill()
    partly.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    large = b"l" * 400_000
    send(audience_of(seats[:1] + seats[3:4]), ring, large)
    assert full.rest == [framed(large)]
    taken = len(partly.heard())
    assert partly.rest == ([framed(large)[taken:]] if taken < len(framed(large)) else [])


def test_one_that_is_gone_does_not_keep_the_others_from_hearing(seats: list[Seat], ring: Ring | None) -> None:
    seats[1].peer.close()
    send(audience_of(seats), ring)
    assert seats[1].rest == [framed(BODY)]  # its transport finds out for itself
    assert [seat.heard() for seat in (seats[0], *seats[2:])] == [framed(BODY)] * 4


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
        sending = asyncio.create_task(audience.send(Message(b"!"), missed.append, ring))
        await asyncio.sleep(0)
        audience.discard(leaving)
        await sending

    asyncio.run(story())
    assert missed == [leaving]
    assert leaving.heard() == b""
    assert staying.heard() == framed(b"!") * 4


def test_small_groups_hear_their_own_frames_and_what_is_full_keeps_the_rest(
    seats: list[Seat], ring: Ring | None
) -> None:
    groups = [audience_of(seats[:2]), audience_of([]), audience_of(seats[2:4]), audience_of(seats[4:])]
    seats[3].fill()
    payloads = [b"one", b"nobody", b"three", b"four"]
    send_all([(group, Message(payload)) for group, payload in zip(groups, payloads, strict=True)], ring)
    one, three, four = framed(b"one"), framed(b"three"), framed(b"four")
    assert [seat.heard() for seat in (*seats[:3], seats[4])] == [one, one, three, four]
    assert [seat.rest for seat in seats] == [[], [], [], [three], []]


# --- labels -----------------------------------------------------------------------------------------------------------

#: Of these the frame's length takes two, four and ten bytes; the labels make it longer.
BODIES = [b"", b"b" * 120, b"b" * 65_525]
LABELS = [b"", b"{", b'{"id":1,', b'{"id":"%s",' % (b"x" * 64), b'{"id":2,']


def named(seats: list[Seat], labels: list[bytes] = LABELS) -> list[Seat]:
    for seat, label in zip(seats, labels, strict=True):
        seat.label = label
    return seats


def inflated(frame: bytes) -> bytes:
    """The text of a frame of the usual lengths that may be compressed."""
    assert frame[0] in (0x81, 0xC1)
    start = {126: 4, 127: 10}.get(frame[1], 2)
    assert len(frame) - start == (frame[1] if start == 2 else int.from_bytes(frame[2:start]))
    if frame[0] == 0x81:
        return frame[start:]
    return zlib.decompressobj(wbits=-15).decompress(frame[start:] + b"\x00\x00\xff\xff")


@pytest.mark.parametrize("body", BODIES)
def test_each_label_stands_before_the_payload_that_all_share(seats: list[Seat], ring: Ring | None, body: bytes) -> None:
    audience = audience_of(named(seats))
    send(audience, ring, body)
    assert [seat.heard() for seat in seats] == [framed(label + body) for label in LABELS]
    send_all([(audience, Message(body)), (audience_of(seats[:1]), Message(b"alone"))], ring)
    assert seats[0].heard() == framed(body) + framed(b"alone")
    assert [seat.heard() for seat in seats[1:]] == [framed(label + body) for label in LABELS[1:]]
    assert not any(seat.rest for seat in seats)


@pytest.mark.parametrize("body", [b"short", b"long" * 1000, bytes(range(256)) * 1000])
def test_compressed_payloads_are_shared_too(seats: list[Seat], ring: Ring | None, body: bytes) -> None:
    audience = audience_of(named(seats), Audience(deflates=True))
    message = Message(body)
    asyncio.run(audience.send(message, missed_by_nobody, ring))
    heard = [seat.heard() + b"".join(seat.rest) for seat in seats]
    assert [inflated(frame) for frame in heard] == [label + body for label in LABELS]
    assert heard == [message.labelled(label).deflated for label in LABELS]


def test_what_is_not_taken_of_a_labelled_frame_goes_to_its_transport(seats: list[Seat], ring: Ring | None) -> None:
    full, gone, *partly = named(seats)
    full.fill()
    gone.peer.close()
    for seat in partly:
        seat.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    large = bytes(range(256)) * 2000
    send(audience_of(seats), ring, large)
    assert [full.rest, gone.rest] == [[framed(full.label + large)], [framed(gone.label + large)]]
    for seat in partly:
        assert len(seat.rest) == 1
        assert seat.heard() + seat.rest[0] == framed(seat.label + large)


def test_a_label_that_leaves_between_two_slices_is_missed_and_the_others_hear_theirs(
    seats: list[Seat], ring: Ring | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spot.hub.audience.SLICE", 2)
    audience = audience_of(named(seats))
    missed: list[Seat] = []

    async def story() -> None:
        sending = asyncio.create_task(audience.send(Message(b"!"), missed.append, ring))
        await asyncio.sleep(0)
        audience.discard(seats[2])
        await sending

    asyncio.run(story())
    assert missed == [seats[2]]
    expected = [framed(label + b"!") for label in LABELS]
    assert [seat.heard() for seat in seats] == [*expected[:2], b"", *expected[3:]]


def test_meters_count_each_frame_with_its_label(seats: list[Seat], ring: Ring | None) -> None:
    named(seats)
    meters = [Meter() for _ in seats]
    audience: Audience[Seat] = Audience()
    for seat, meter in zip(seats, meters, strict=True):
        audience.add(seat, Direct(seat, seat.send_now, seat.descriptor, meter))
    send(audience, ring)
    send_all([(audience, Message(BODY[:1000]))], ring)
    assert [meter.take() for meter in meters] == [(2, len(seat.heard())) for seat in seats]
