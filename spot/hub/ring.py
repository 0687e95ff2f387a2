"""Many sends by one system call: Linux's io_uring, as far as a broadcast needs it.

Entering the kernel for each of a thousand sockets, and reaching each of them through Python, is a sixth of what a
delivery costs. A ring takes them all: what to send where is written into memory that the kernel shares, one call makes
it do so, and what became of each lies in that memory when the call returns. Nothing is ever left under way: a send that
cannot be done at once is done in part, or not at all, as with send(2) on a socket that does not block.

The layout of that memory is the kernel's (linux/io_uring.h); the numbers of its system calls are the same on every
architecture that Python runs on.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

log = structlog.get_logger(__name__)

#: Sends that one call takes; more go in several.
ENTRIES = 512
_SETUP, _ENTER = 425, 426
_GET_EVENTS = 1  # io_uring_enter: return when so many have been completed
_SINGLE_MMAP = 1  # a feature of every kernel that has what we need: both rings lie in one piece of memory
_OFFSET_OF_ENTRIES = 0x10000000
_SEND_MESSAGE, _SEND = 9, 26
#: Where the bytes of a `bytes` object lie in it. `_prove` sees to it that this is so.
_BYTES_OFFSET = bytes.__basicsize__ - 1
_WRAP = 0xFFFFFFFF  # counters of the rings go on from here at 0
_FLAGS = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT if hasattr(socket, "MSG_NOSIGNAL") else 0
_PARAMETERS = struct.Struct("=10I 8IQ 8IQ")
_ENTRY = np.dtype(
    {
        "names": ["opcode", "fd", "addr", "len", "msg_flags", "user_data"],
        "formats": [np.uint8, np.int32, np.uint64, np.uint32, np.uint32, np.uint64],
        "offsets": [0, 4, 16, 24, 28, 32],
        "itemsize": 64,
    }
)
#: The kernel's `msghdr`, of which only the pieces matter, and `iovec`, a piece of it. Every field but the last is a
#: word; that one is padded to one.
_MESSAGE = np.dtype(
    [(name, np.uintp) for name in ("name", "name_size", "pieces", "count", "more", "more_size", "flags")]
)
_PIECE = np.dtype([("addr", np.uintp), ("len", np.uintp)])
_COMPLETION = np.dtype([("user_data", np.uint64), ("res", np.int32), ("flags", np.uint32)])

#: A frame, and how many sockets in a row it is for.
Run = tuple[bytes, int]


def _places(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Where each row of an array lies in memory."""
    return (rows.ctypes.data + rows.strides[0] * np.arange(len(rows))).astype(np.uint64)


class _Texts(NamedTuple):
    """Where texts lie in memory, and their sizes. Their owner keeps them until they have been sent."""

    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint32]

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> _Texts:
        addresses = np.fromiter(map(id, texts), np.uint64, len(texts)) + np.uint64(_BYTES_OFFSET)
        return cls(addresses, np.fromiter(map(len, texts), np.uint32, len(texts)))

    def repeat(self, counts: Sequence[int]) -> _Texts:
        return _Texts(np.repeat(self.addresses, counts), np.repeat(self.sizes, counts))

    def part(self, part: slice) -> _Texts:
        return _Texts(self.addresses[part], self.sizes[part])


class Ring:
    """A ring of one thread."""

    @classmethod
    def where_possible(cls) -> Ring | None:
        """A ring; None where the system has none, or allows none, as containers mostly do."""
        try:
            return cls()
        except (OSError, AttributeError) as error:  # AttributeError: no `syscall` in this system's C library
            log.info("no io_uring here: frames are sent one by one", error=str(error))
            return None

    def __init__(self) -> None:
        """Raises OSError where the kernel has none that sends as we need it to, or allows none."""
        self._system = ctypes.CDLL(None, use_errno=True).syscall
        answer = ctypes.create_string_buffer(_PARAMETERS.size)
        self._number = self._call(_SETUP, ENTRIES, answer)
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            self._share(_PARAMETERS.unpack(answer.raw))
            self._prove()
            failing.pop_all()

    def _share(self, parameters: tuple[int, ...]) -> None:
        entries, completions, features = parameters[0], parameters[1], parameters[5]
        _, tail, _, _, _, _, array, *_ = parameters[10:19]
        head_of, tail_of, _, _, _, completed, *_ = parameters[19:28]
        if not features & _SINGLE_MMAP or entries < ENTRIES:
            raise OSError(errno.ENOSYS, "this kernel's io_uring is too old")
        size = max(array + 4 * entries, completed + _COMPLETION.itemsize * completions)
        rings = mmap.mmap(self._number, size)
        submissions = mmap.mmap(self._number, entries * _ENTRY.itemsize, offset=_OFFSET_OF_ENTRIES)
        self._entries = np.frombuffer(submissions, _ENTRY)
        self._entries["msg_flags"] = _FLAGS
        self._entries["user_data"] = np.arange(entries)
        self._array = np.frombuffer(rings, np.uint32, entries, array)
        self._tail = np.frombuffer(rings, np.uint32, 1, tail)
        self._completed_from = np.frombuffer(rings, np.uint32, 1, head_of)
        self._completed_to = np.frombuffer(rings, np.uint32, 1, tail_of)
        self._completions = np.frombuffer(rings, _COMPLETION, completions, completed)
        self._pieces = np.zeros((entries, 2), _PIECE)
        self._messages = np.zeros(entries, _MESSAGE)
        self._messages["pieces"] = _places(self._pieces)
        self._messages["count"] = 2
        self._addresses = _places(self._messages)
        self._places = np.arange(2 * entries, dtype=np.uint32) % entries
        self._results = np.arange(2 * completions, dtype=np.uint32) % completions

    def send(
        self, descriptors: NDArray[np.int32], runs: Sequence[Run], heads: Sequence[bytes] | None = None
    ) -> NDArray[np.int32]:
        """Write each run's frame to as many of the sockets, in their order; how many bytes each has taken, 0 where the
        socket is full or gone, or the kernel out of memory. `heads`: what goes before the frame, for each socket."""
        counts = [count for _, count in runs]
        frames = _Texts.of([frame for frame, _ in runs]).repeat(counts)
        before = None if heads is None else _Texts.of(heads)
        taken = np.zeros(len(descriptors), np.int32)
        for start in range(0, len(descriptors), ENTRIES):
            part = slice(start, start + ENTRIES)
            self._write(descriptors[part], frames.part(part), None if before is None else before.part(part))
            taken[part] = self._send(len(descriptors[part]))
        return taken

    def _write(self, descriptors: NDArray[np.int32], frames: _Texts, heads: _Texts | None) -> None:
        """Write down what to send where."""
        entries = self._entries[: len(descriptors)]
        entries["fd"] = descriptors
        if heads is None:
            entries["opcode"], entries["addr"], entries["len"] = _SEND, frames.addresses, frames.sizes
            return
        pieces = self._pieces[: len(descriptors)]
        for place, texts in enumerate((heads, frames)):
            pieces["addr"][:, place], pieces["len"][:, place] = texts.addresses, texts.sizes
        entries["opcode"], entries["addr"], entries["len"] = _SEND_MESSAGE, self._addresses[: len(descriptors)], 1

    def _send(self, count: int) -> NDArray[np.int32]:
        entries = len(self._entries)
        tail = int(self._tail[0])
        self._array[self._places[tail % entries :][:count]] = self._places[:count]
        self._tail[0] = (tail + count) & _WRAP
        left = count
        try:
            while left:
                left -= self._call(_ENTER, self._number, left, count, _GET_EVENTS, None, 0)
        except OSError:  # what it has not taken up is taken back
            self._tail[0] = (tail + count - left) & _WRAP
        taken = np.zeros(count, np.int32)
        self._reap(count - left, taken)
        return taken

    def _reap(self, count: int, taken: NDArray[np.int32]) -> None:
        head = int(self._completed_from[0])
        while (int(self._completed_to[0]) - head) & _WRAP < count:
            self._call(_ENTER, self._number, 0, count, _GET_EVENTS, None, 0)
        completions = self._completions[self._results[head % len(self._completions) :][:count]]
        taken[completions["user_data"].astype(np.intp)] = np.maximum(completions["res"], 0)
        self._completed_from[0] = (head + count) & _WRAP

    def _call(self, *words: object) -> int:
        while (answer := int(self._system(*words))) < 0:
            if (number := ctypes.get_errno()) != errno.EINTR:
                raise OSError(number, os.strerror(number))
        return answer

    def _prove(self) -> None:
        """Whether this kernel sends as we mean it to: a part when there is room for a part, and nothing into a socket
        that is full, at once. An older one knows no sends, or keeps those that have to wait."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            ours.setblocking(False)
            frame, one = os.urandom(1 << 20), np.array([ours.fileno()], np.int32)
            head, rest = [frame[:100]], frame[100:]
            first, second = (int(self.send(one, [(rest, 1)], head)[0]) for _ in range(2))
            third, heard = int(self.send(one, [(frame, 1)])[0]), theirs.recv(first)
            while len(heard) < first and (more := theirs.recv(first - len(heard))):
                heard += more
            fourth = int(self.send(one, [(frame, 1)])[0])
            heard_next = theirs.recv(4096)
        sent = 100 < first < len(frame) and not second and not third and frame[:first] == heard
        if not sent or not 0 < fourth < len(frame) or not heard_next or not frame.startswith(heard_next):
            raise OSError(errno.ENOSYS, "this kernel's io_uring does not send")

    def close(self) -> None:
        """Give it back. The shared memory goes with its last reader."""
        os.close(self._number)
