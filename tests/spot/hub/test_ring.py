"""The kernel's own ring, with real sockets. Where the kernel has none, Spot sends one by one, and so do these tests."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from spot.hub import ring as module
from spot.hub.ring import ENTRIES, Ring

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ring() -> Iterator[Ring]:
    made = Ring.where_possible()
    if made is None:
        pytest.skip("this machine's kernel has, or allows, no io_uring")
    yield made
    made.close()


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(2 * ENTRIES + 7)]
    for ours, theirs in made:
        ours.setblocking(False)
        theirs.setblocking(False)
    yield made
    for ours, theirs in made:
        ours.close()
        theirs.close()


def descriptors(pairs: list[Pair]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([ours.fileno() for ours, _ in pairs], np.int32)


def heard(pairs: list[Pair]) -> list[bytes]:
    return [theirs.recv(1 << 16) for _, theirs in pairs]


def test_more_sockets_than_a_call_takes_hear_their_runs_in_order(ring: Ring, pairs: list[Pair]) -> None:
    first, second = len(pairs) // 3, len(pairs) - len(pairs) // 3
    taken = ring.send(descriptors(pairs), [(b"one", first), (b"seven77", second)])
    assert taken.tolist() == [3] * first + [7] * second
    assert heard(pairs) == [b"one"] * first + [b"seven77"] * second


def test_it_goes_around_its_rings(ring: Ring, pairs: list[Pair]) -> None:
    few = pairs[:100]
    for turn in range(50):  # 5,000 sends: several times around both rings
        frame = b"%d" % turn
        assert ring.send(descriptors(few), [(frame, 100)]).tolist() == [len(frame)] * 100
        assert heard(few) == [frame] * 100


def test_a_socket_that_is_full_gone_or_closed_takes_nothing_and_stops_nobody(ring: Ring, pairs: list[Pair]) -> None:
    five = pairs[:5]
    with contextlib.suppress(BlockingIOError):
        while True:
            five[1][0].send(b"x" * 4096)
    five[2][1].close()
    numbers = descriptors(five)
    numbers[3] = 1 << 20  # nobody's
    assert ring.send(numbers, [(b"hello", 5)]).tolist() == [5, 0, 0, 0, 5]


def test_a_part_is_told_as_a_part(ring: Ring, pairs: list[Pair]) -> None:
    frame = bytes(range(256)) * 40_000
    (taken,) = ring.send(descriptors(pairs[:1]), [(frame, 1)]).tolist()
    assert 0 < taken < len(frame)
    got = b""
    while len(got) < taken:
        got += pairs[0][1].recv(1 << 20)
    assert got == frame[:taken]


def test_each_socket_hears_its_own_head_before_the_frame_of_its_run(ring: Ring, pairs: list[Pair]) -> None:
    first = len(pairs) // 3
    runs = [(b"one", first), (b"", 1), (b"seven77", len(pairs) - first - 1)]
    heads = [b"%d:" % place if place % 3 else b"" for place in range(len(pairs))]
    expected = [
        head + frame for head, frame in zip(heads, (run[0] for run in runs for _ in range(run[1])), strict=True)
    ]
    expected[first] = b""  # nothing at all is nothing
    heads[first] = b""
    assert ring.send(descriptors(pairs), runs, heads).tolist() == [len(frame) for frame in expected]
    assert heard(pairs[:first] + pairs[first + 1 :]) == expected[:first] + expected[first + 1 :]
    assert ring.send(descriptors(pairs[:2]), [(b"bare", 2)]).tolist() == [4, 4]
    assert heard(pairs[:2]) == [b"bare"] * 2


def test_of_two_pieces_a_part_is_told_as_a_part_and_a_full_or_gone_socket_takes_nothing(
    ring: Ring, pairs: list[Pair]
) -> None:
    three = pairs[:3]
    with contextlib.suppress(BlockingIOError):
        while True:
            three[1][0].send(b"x" * 4096)
    three[2][1].close()
    frame, heads = bytes(range(256)) * 40_000, [b"first:", b"second:", b"third:"]
    taken = ring.send(descriptors(three), [(frame, 3)], heads).tolist()
    assert taken[1:] == [0, 0]
    assert len(heads[0]) < taken[0] < len(frame)
    got = b""
    while len(got) < taken[0]:
        got += three[0][1].recv(1 << 20)
    assert got == (heads[0] + frame)[: taken[0]]


def test_what_the_kernel_does_not_take_up_is_taken_back(
    ring: Ring, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory after the first two of five: the others count as not sent, and are not sent later either."""
    system, calls = ring._system, []

    def enter(number: int, *words: object) -> int:
        calls.append(number)
        if len(calls) == 1:
            return int(system(number, words[0], 2, 2, *words[3:]))
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(ring, "_system", enter)
    five = pairs[:5]
    assert ring.send(descriptors(five), [(b"once", 5)]).tolist() == [4, 4, 0, 0, 0]
    monkeypatch.setattr(ring, "_system", system)
    assert ring.send(descriptors(five), [(b"more", 5)]).tolist() == [4] * 5
    assert heard(five) == [b"oncemore"] * 2 + [b"more"] * 3


def test_where_there_is_none_that_is_said_and_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_words: object) -> int:
        module.ctypes.set_errno(errno.EPERM)
        return -1

    class Library:
        syscall = staticmethod(refused)

    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_words, **_more: Library)
    assert Ring.where_possible() is None
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_words, **_more: object())
    assert Ring.where_possible() is None
