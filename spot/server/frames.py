"""uvicorn's WebSocket protocol with one ASGI extension more: finished frames, straight to the transport.

The extension, `scope["extensions"]["spot.frames"] = {"socket": socket}`, is offered on every WebSocket. An
application that uses it must have accepted the connection; it may go on using `send` besides, whole messages never
interleave.

``socket.ready``
    True while the connection is open and the peer has taken everything written so far.
``socket.deflates``
    True when permessage-deflate was negotiated so that frames compressed without context may be sent.
``socket.write_frame(frame)``
    Write one finished frame (header and payload, unmasked). To be called only while `ready`; afterwards `ready` tells
    whether the peer took it at once.
``socket.send_now``
    The kernel's send(2), for an application that writes a finished frame itself while `ready`, in place of
    `write_frame`: returns how many bytes were taken, raises OSError. What was not taken must be handed to `write_frame`
    at once. None where that is not possible (TLS).
``socket.descriptor``
    The number by which the kernel knows the socket, for an application that has it send many frames in one call: under
    the same terms as `send_now`, and None where that is.
``socket.hold()``, ``socket.release()``
    Cease to be ready, and be ready again: for an application whose next frame is still being made.
``socket.when_ready``, ``socket.when_blocked``
    Callables that the application may set: called each time the socket becomes ready again, and ceases to be.

A peer that leaves a frame untaken for `send_seconds` is closed with 4508, and reset a second later. Until then its
socket holds that one frame; the application keeps at most the newest one that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from spot.codes import Close
from spot.metrics import SLOW, increment
from spot.server.flow import Flow, reset
from spot.server.intake import Intake
from spot.server.listening import DRAIN, KEEPALIVE

EXTENSION = "spot.frames"
#: A peer that does not answer our close is cut after so many seconds.
_FAREWELL_SECONDS = 2.0
#: The same for one that was too slow already.
_CUT_SECONDS = 1.0
#: No context on either side: a compressed frame can be shared by all sockets, and no socket keeps a dictionary.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"memLevel": 5}
)


class _Connection(ServerProtocol):
    """The state of one WebSocket. The library fails a peer that closes inside a fragmented message, which RFC 6455
    allows (section 5.4: control frames may be injected in the middle of one)."""

    intake: Intake

    def recv_frame(self, frame: Frame) -> None:
        self.intake.frames += 1
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class FrameProtocol(Flow, WebSocketsSansIOProtocol):
    """One WebSocket that takes finished frames."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._farewell: asyncio.TimerHandle | None = None
        self.transport = None  # type: ignore[assignment]  # until the connection is made
        super().__init__(*args, **kwargs)
        self.conn = _Connection(extensions=[_DEFLATE], max_size=self.config.ws_max_size, logger=self.conn.logger)
        self.intake = self.conn.intake = Intake(self._parse, self._rest, self._read_again, self.loop.call_later)
        self.close_timeout = _FAREWELL_SECONDS
        self.deflates = False
        self._pong = b""
        self._continued = bytearray()

    # --- the extension -----------------------------------------------------------------------------------------------

    @property
    def close_sent(self) -> bool:  # uvicorn keeps it as a plain attribute
        """Whether our close has been written: nothing may follow it."""
        return self._close_sent

    @close_sent.setter
    def close_sent(self, sent: bool) -> None:
        self._close_sent = sent
        if sent:
            self._block()
            if self._farewell is None and self.transport is not None:
                # uvicorn closes after `close_timeout`, which waits for a peer that takes nothing.
                self._farewell = self.loop.call_later(_FAREWELL_SECONDS + 0.5, reset, self.transport)

    def handle_close(self, event: Frame) -> None:
        """The peer has closed: its close is answered, and nothing else."""
        self._block()
        super().handle_close(event)

    async def run_asgi(self) -> None:
        """Run the application; where it ends, the connection does."""
        try:
            await super().run_asgi()
        finally:
            self._block()

    def handle_connect(self, event: Request) -> None:
        """Offer the extension: the application's task starts later, and sees it."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = {"socket": self}
            self.scope["extensions"][DRAIN] = {"wanted": False}
            self.scope["extensions"][KEEPALIVE] = {"ping": self.ping_interval, "pong": self.ping_timeout}

    def start_keepalive(self) -> None:
        """The handshake's answer has just been written: what was negotiated is known, and frames may go out."""
        wished: Any = self.scope["extensions"][KEEPALIVE]
        self.ping_interval, self.ping_timeout = wished["ping"], wished["pong"]
        super().start_keepalive()
        self.deflates = any(
            isinstance(extension, PerMessageDeflate)
            and extension.local_no_context_takeover
            and extension.local_max_window_bits == 15
            for extension in self.conn.extensions
        )
        self.ready = self.writable.is_set()

    # --- flow --------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write to the transport from now on."""
        super().connection_made(transport)
        self._write_to(self.transport)

    def pause_writing(self) -> None:
        """The peer has stopped taking what we write."""
        super().pause_writing()
        self._begin_patience(self.loop)

    def resume_writing(self) -> None:
        """The peer has taken everything."""
        super().resume_writing()
        self._end_patience()
        if self._pong:
            self.transport.write(self._pong)
            self._pong = b""
        self._become_ready()

    def _takes(self) -> bool:
        open_still = self.handshake_complete and not self.close_sent and not self.transport.is_closing()
        return open_still and self.writable.is_set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._block()
        self.when_ready = self.when_blocked = None
        self.intake.close()
        self._end_patience()
        if self._farewell is not None:
            self._farewell.cancel()
            self._farewell = None
        super().connection_lost(exc)
        self._untie()

    def _untie(self) -> None:
        """Undo what refers to itself, so that the memory comes back at once: garbage is collected rarely."""
        self._write_no_more()
        self.conn.parser.close()
        self.conn.parser_exc = None
        if hasattr(self, "scope"):
            self.scope["extensions"].pop(EXTENSION, None)

    def _cut(self) -> None:
        """Say why, in case the peer reads after all, and end the connection without waiting for it to."""
        increment(SLOW, "socket")
        self._patience = None
        if self.conn.state is State.OPEN:
            self.conn.send_close(Close.SLOW_READER, "the client does not read")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(Close.SLOW_READER)})
        if self._farewell is not None:
            self._farewell.cancel()
        self._farewell = self.loop.call_later(_CUT_SECONDS, reset, self.transport)

    # --- what peers send ---------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read the handshake, and then no faster than is fair to others (`spot.server.intake`)."""
        if self.handshake_initiated:
            self.intake.take(data)
        else:
            self._parse(data)

    def _rest(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _read_again(self) -> None:
        if not self.read_paused and not self.transport.is_closing():  # uvicorn pauses while a message waits
            self.transport.resume_reading()

    def _parse(self, data: bytes) -> None:
        """Answer a handshake that the library cannot read, such as one with a very long line; uvicorn would be silent,
        and the connection would stay."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_ping(self) -> None:
        """Answer, or remember the answer to the newest ping while the peer takes nothing: pings must not fill our
        memory (RFC 6455, section 5.5.3, lets us answer the newest only)."""
        if self.writable.is_set() or self.conn.state is not State.OPEN:
            super().handle_ping()
        elif answers := self.conn.data_to_send():
            self._pong = answers[-1]

    def handle_cont(self, event: Frame) -> None:
        """Join fragments as they come: any number of tiny or empty ones weighs no more than what it holds."""
        self._continued += event.data
        if event.fin:
            self.frames.append(bytes(self._continued))
            self._continued.clear()
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message. One that is no UTF-8 is answered with 1007, unless the peer's own close came with it."""
        with contextlib.suppress(InvalidState):
            super().send_receive_event_to_app()

    @property
    def drains(self) -> bool:
        """Whether the application wants to know when the process ends."""
        return hasattr(self, "scope") and bool(self.scope["extensions"].get(DRAIN, {}).get("wanted"))

    def drain(self, seconds: float) -> None:
        """Tell the application that the process ends, and after how many seconds it is to close."""
        event: Any = {"type": DRAIN, "seconds": seconds}  # uvicorn declares those that it knows
        self.queue.put_nowait(event)

    def shutdown(self) -> None:
        """Say 1012, unless closing has begun: saying it twice would raise, and end the shutdown of all others."""
        self._block()
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.close_sent = True
        super().shutdown()
