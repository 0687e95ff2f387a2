"""The flow of a socket to which finished frames or chunks are written: when its peer takes more, and when it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

#: SO_LINGER, on, for 0 s.
_NO_LINGER = struct.pack("ii", 1, 0)


def reset(transport: Any) -> None:
    """End an open connection at once with RST.

    After a plain close the kernel goes on offering what the peer has not taken, for `listening.UNACKNOWLEDGED_MS`. It
    then gives up without a word, and a peer that never reads never learns that it has been cut.
    """
    with contextlib.suppress(OSError):  # the peer has just ended it
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class Flow:
    """What `spot.server.frames` and `spot.server.chunks` offer of a socket alike; a subclass says whether it is open,
    and how a peer is cut that takes nothing."""

    #: How long a peer may leave a frame untaken, in seconds; 0: as long as the kernel lets it.
    send_seconds = 10.0

    #: Writes a finished frame: the transport's own method, because a broadcast calls it thousands of times.
    write_frame: Callable[[bytes], None]

    def __init__(self) -> None:
        self.ready = False
        self.when_ready: Callable[[], None] | None = None
        self.when_blocked: Callable[[], None] | None = None
        self.send_now: Callable[[bytes], int] | None = None
        self.descriptor: int | None = None
        self._held = False
        self._kernel: socket.socket | None = None
        self._patience: asyncio.TimerHandle | None = None

    def _takes(self) -> bool:
        """Whether the socket is open, and its peer has taken everything so far."""
        raise NotImplementedError

    def _cut(self) -> None:
        """End the connection of a peer that takes nothing."""
        raise NotImplementedError

    def hold(self) -> None:
        """Cease to be ready until `release`."""
        self._held = True
        self._block()

    def release(self) -> None:
        """Be ready again, as far as the peer is."""
        self._held = False
        self._become_ready()

    def _write_to(self, transport: Any) -> None:
        """Count as untaken whatever the kernel does not take at once, and offer the kernel's own call."""
        if transport.get_extra_info("sslcontext") is None:
            # The transport's own descriptor, for send(2): write(2) goes through the file system's layers first.
            ours = transport.get_extra_info("socket")
            self._kernel = socket.socket(ours.family, ours.type, ours.proto, fileno=ours.fileno())
            self.send_now, self.descriptor = self._kernel.send, self._kernel.fileno()
        self.write_frame = transport.write
        transport.set_write_buffer_limits(high=0)  # pauses writing where something is untaken

    def _write_no_more(self) -> None:
        """Undo what refers to the transport."""
        if self._kernel is not None:
            self._kernel.detach()  # the descriptor is the transport's, which closes it next
        self.send_now = self.descriptor = self._kernel = None

    def _become_ready(self) -> None:
        self.ready = not self._held and self._takes()
        if self.ready and self.when_ready is not None:
            self.when_ready()

    def _block(self) -> None:
        if self.ready:
            self.ready = False
            if self.when_blocked is not None:
                self.when_blocked()

    def _begin_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        """The peer has stopped taking what we write: it has `send_seconds` to go on."""
        self._block()
        if self._patience is None and self.send_seconds:
            self._patience = loop.call_later(self.send_seconds, self._cut)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
