"""Answers that go on, with finished chunks straight to the transport: what `spot.server.frames` is for WebSockets.

The ASGI extension `scope["extensions"]["spot.chunks"] = {"open": function}` is offered on every HTTP request. An
application that has started its answer without a length, and sent a first part of it, may call the function. It returns
a socket with the same members as `spot.frames` offers, to which finished chunks (RFC 9112, section 7.1) are written.
From then on neither `send` nor `receive` may be used, and what the peer still sends is dropped.

``socket.gone``
    An event that is set once the connection has ended.
``socket.end()``
    Finish the answer, and close the connection once the peer has taken it.

A peer that leaves a chunk untaken for `send_seconds` is reset.
"""

from __future__ import annotations

import asyncio

from spot.metrics import SLOW, increment
from spot.server.flow import Flow, reset

EXTENSION = "spot.chunks"
_LAST = b"0\r\n\r\n"
#: A peer that does not take the end of its answer is cut after so many seconds.
_FAREWELL_SECONDS = 1.0


class ChunkSocket(Flow):
    """The server's side of one answer that goes on."""

    deflates = False

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.gone = asyncio.Event()
        self._transport = transport
        self._loop = loop
        self._ended = False
        self._farewell: asyncio.TimerHandle | None = None
        #: Whether it was ended because the client does not read.
        self.cut = False

    def open(self) -> None:
        """Count as untaken whatever the kernel does not take at once."""
        self._write_to(self._transport)  # calls `pause` where something is untaken
        self._become_ready()

    def end(self) -> None:
        """Finish the answer."""
        if not self._ended:
            self._ended = True
            self._block()
            self._transport.write(_LAST)
            self._transport.close()
            self._farewell = self._loop.call_later(_FAREWELL_SECONDS, reset, self._transport)

    # --- flow --------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """The peer has stopped taking what we write."""
        self._begin_patience(self._loop)

    def resume(self) -> None:
        """The peer has taken everything."""
        self._end_patience()
        self._become_ready()

    def lost(self) -> None:
        """The connection has ended: nothing refers to it any more."""
        self._block()
        self.gone.set()
        self._end_patience()
        if self._farewell is not None:
            self._farewell.cancel()
        self._write_no_more()
        self.when_ready = self.when_blocked = None

    def _takes(self) -> bool:
        is_open = not self._ended and not self._transport.is_closing()
        return is_open and not self._transport.get_write_buffer_size()

    def _cut(self) -> None:
        self.cut = True
        increment(SLOW, "sse")
        reset(self._transport)
