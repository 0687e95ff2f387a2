"""Answers that go on, with finished chunks straight to the transport: what `spot.server.frames` is for WebSockets.

The ASGI extension `scope["extensions"]["spot.chunks"] = {"open": function}` is offered on every HTTP request. An
application that has started its answer without a length, and sent a first part of it, may call the function. It returns
a socket with the same members as `spot.frames` offers, to which finished chunks (RFC 9112, section 7.1) are written.
From then on neither `send` nor `receive` may be used, and what the peer still sends is dropped.

``socket.gone``
    An event that is set once the connection has ended.
``socket.end()``
    Finish the answer, and close the connection once the peer has taken it.

A peer that leaves a chunk untaken for `send_seconds` is cut.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

EXTENSION = "spot.chunks"
_LAST = b"0\r\n\r\n"
#: A peer that does not take the end of its answer is cut after so many seconds.
_FAREWELL_SECONDS = 1.0


class ChunkSocket:
    """The server's side of one answer that goes on."""

    #: How long a peer may leave a chunk untaken, in seconds; 0: as long as the kernel lets it.
    send_seconds = 10.0
    deflates = False

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.ready = False
        self.when_ready: Callable[[], None] | None = None
        self.when_blocked: Callable[[], None] | None = None
        self.send_now: Callable[[bytes], int] | None = None
        self.descriptor: int | None = None
        #: Writes a finished chunk: the transport's own method, because a broadcast calls it thousands of times.
        self.write_frame: Callable[[bytes], None] = transport.write
        self.gone = asyncio.Event()
        self._transport = transport
        self._loop = loop
        self._kernel: socket.socket | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._held = self._ended = False

    def open(self) -> None:
        """Count as untaken whatever the kernel does not take at once."""
        if self._transport.get_extra_info("sslcontext") is None:
            # The transport's own descriptor, for send(2): write(2) goes through the file system's layers first.
            ours = self._transport.get_extra_info("socket")
            self._kernel = socket.socket(ours.family, ours.type, ours.proto, fileno=ours.fileno())
            self.send_now, self.descriptor = self._kernel.send, self._kernel.fileno()
        self._transport.set_write_buffer_limits(high=0)  # calls `pause` where something is untaken
        self._become_ready()

    def end(self) -> None:
        """Finish the answer."""
        if not self._ended:
            self._ended = True
            self._block()
            self._transport.write(_LAST)
            self._transport.close()
            self._loop.call_later(_FAREWELL_SECONDS, self._transport.abort)

    # --- flow --------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """The peer has stopped taking what we write: it has `send_seconds` to go on."""
        self._block()
        if self._patience is None and self.send_seconds:
            self._patience = self._loop.call_later(self.send_seconds, self._transport.abort)

    def resume(self) -> None:
        """The peer has taken everything."""
        self._end_patience()
        self._become_ready()

    def hold(self) -> None:
        """Cease to be ready until `release`."""
        self._held = True
        self._block()

    def release(self) -> None:
        """Be ready again, as far as the peer is."""
        self._held = False
        self._become_ready()

    def lost(self) -> None:
        """The connection has ended: nothing refers to it any more."""
        self._block()
        self.gone.set()
        self._end_patience()
        if self._kernel is not None:
            self._kernel.detach()  # the descriptor is the transport's, which closes it next
        self.send_now = self.descriptor = self._kernel = self.when_ready = self.when_blocked = None

    def _become_ready(self) -> None:
        is_open = not self._ended and not self._transport.is_closing()
        self.ready = is_open and not self._held and not self._transport.get_write_buffer_size()
        if self.ready and self.when_ready is not None:
            self.when_ready()

    def _block(self) -> None:
        if self.ready:
            self.ready = False
            if self.when_blocked is not None:
                self.when_blocked()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
