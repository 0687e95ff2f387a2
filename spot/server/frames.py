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

A second extension, `scope["extensions"]["spot.successor"] = {"then": None}`: an application may set a coroutine
function and return. It is called without arguments, and is the application from then on, in the same task. So whatever
stood around the application to find it (routers, gates, their copies of the scope) is gone while the socket lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from spot.codes import Close
from spot.metrics import SLOW, increment
from spot.server import wheel
from spot.server.flow import Flow, reset
from spot.server.inbox import Gate, Inbox
from spot.server.intake import Intake
from spot.server.listening import DRAIN, KEEPALIVE

EXTENSION, SUCCESSOR = "spot.frames", "spot.successor"
#: A peer that does not answer our close is cut after so many seconds.
_FAREWELL_SECONDS = 2.0
#: The same for one that was too slow already.
_CUT_SECONDS = 1.0
#: No context on either side: a compressed frame can be shared by all sockets, and no socket keeps a dictionary.
_EXTENSIONS = [
    ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"memLevel": 5}
    )
]


class _Connection(ServerProtocol):
    """The state of one WebSocket. The library fails a peer that closes inside a fragmented message, which RFC 6455
    allows (section 5.4: control frames may be injected in the middle of one)."""

    # With the names of the library's attributes: a slot takes 8 bytes.
    __slots__ = (
        "_state", "accept_called", "available_extensions", "available_subprotocols", "close_rcvd",
        "close_rcvd_then_sent", "close_sent", "current_size", "debug", "eof_sent", "events",
        "expect_continuation_frame", "extensions", "handshake_exc", "id", "intake", "logger", "max_fragment_size",
        "max_message_size", "origin", "origins", "parser", "parser_exc", "reader", "side", "subprotocol", "writes",
    )  # fmt: skip

    intake: Intake

    def recv_frame(self, frame: Frame) -> None:
        self.intake.frames += 1
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class FrameProtocol(Flow, WebSocketsSansIOProtocol):
    """One WebSocket that takes finished frames."""

    # With the names of uvicorn's attributes: for more than 30 Python makes each socket a dictionary of 1.6 KB.
    __slots__ = (
        "_close_sent", "_continued", "_farewell", "_held", "_kernel", "_patience", "_pong", "_successor", "app",
        "app_state", "asgi_version", "client", "close_timeout", "close_timer", "config", "conn", "connections",
        "curr_msg_data_type", "default_headers", "deflates", "descriptor", "disconnected", "drains", "frames",
        "handshake_complete", "handshake_initiated", "initial_response", "intake", "last_ping_rtt", "logger", "loop",
        "pending_ping_payload", "ping_interval", "ping_sent_at", "ping_timeout", "ping_timer", "pong_timer", "queue",
        "read_paused", "ready", "request", "response", "root_path", "scheme", "scope", "send_now", "server", "tasks",
        "transport", "when_blocked", "when_ready", "writable", "write_frame",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._farewell: asyncio.TimerHandle | None = None
        self.transport = None  # type: ignore[assignment]  # until the connection is made
        self._successor: dict[str, Callable[[], Coroutine[Any, Any, None]] | None] = {"then": None}
        Flow.__init__(self)
        WebSocketsSansIOProtocol.__init__(self, *args, **kwargs)
        self.queue, self.writable = Inbox(), Gate()  # type: ignore[assignment]
        self.conn = _Connection(extensions=_EXTENSIONS, max_size=self.config.ws_max_size, logger=self.conn.logger)
        self.intake = self.conn.intake = Intake(self._parse, self._rest, self._read_again, self.loop.call_later)
        self.close_timeout = _FAREWELL_SECONDS
        self.deflates = self.drains = False
        self._pong = b""
        self._continued: bytearray | None = None

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
        """Run the application, and its successor; where they end, the connection does."""
        try:
            await self.app(self.scope, self.receive, self.send)
            if (successor := self._successor["then"]) is not None:
                await successor()
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete and self.initial_response is None:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        finally:
            self._block()
        if self.close_timer is None:
            self.transport.close()

    async def receive(self) -> Any:
        """The next event, for the application; the peer is read again once nothing waits."""
        inbox: Any = self.queue
        while inbox.empty():
            await inbox.arrival()
        event = inbox.take()
        if self.read_paused and inbox.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return event

    def handle_connect(self, event: Request) -> None:
        """Offer the extension: the application's task starts later, and sees it."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = {"socket": self}
            extensions[SUCCESSOR] = self._successor
            extensions[DRAIN] = {"wanted": False}
            extensions[KEEPALIVE] = {"ping": self.ping_interval, "pong": self.ping_timeout}

    def start_keepalive(self) -> None:
        """The handshake's answer has just been written: what was negotiated is known, and frames may go out."""
        extensions: Any = self.scope["extensions"]
        self.ping_interval, self.ping_timeout = extensions[KEEPALIVE]["ping"], extensions[KEEPALIVE]["pong"]
        self.drains = extensions[DRAIN]["wanted"]
        super().start_keepalive()
        self.deflates = any(
            isinstance(extension, PerMessageDeflate)
            and extension.local_no_context_takeover
            and extension.local_max_window_bits == 15
            for extension in self.conn.extensions
        )
        self.ready = self.writable.is_set()
        self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Let go of what nobody asks for after it, about 3 KB."""
        self.request.headers.clear()  # the parser holds the request
        del self.request, self.response, self.scope
        self.client = self.server = None
        self.conn.id = None  # type: ignore[assignment]  # for logs that are not written

    def schedule_ping(self) -> None:
        """Ping when the peer has been left alone for the interval."""
        assert self.ping_interval is not None
        seconds = max(0.0, self.ping_interval - self.last_ping_rtt)
        self.ping_timer = wheel.call_later(seconds, self.send_keepalive_ping)  # type: ignore[assignment]

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
        self._successor["then"] = None
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
        if self._continued is None:
            self._continued = bytearray()
        self._continued += event.data
        if event.fin:
            self.frames.append(bytes(self._continued))
            self._continued = None
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message. One that is no UTF-8 is answered with 1007, unless the peer's own close came with it."""
        with contextlib.suppress(InvalidState):
            super().send_receive_event_to_app()

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
