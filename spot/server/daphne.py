"""daphne, with the same limits and the same mended request lines as uvicorn.

daphne's own `send` never waits for a slow reader, and buffers what the application sends until the reader is cut. Ours
waits until the peer has taken what was sent, as uvicorn's does: on a WebSocket, and in an answer that goes on. The
application has `SPOT_SEND_SECONDS` for it; a second later a peer is cut whatever its application does.
"""

# Importing daphne.server installs Twisted's asyncio reactor, which must precede every other import of Twisted.
from daphne.server import Server  # isort: skip

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet import reactor as installed_reactor
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from spot.codes import Close
from spot.metrics import SLOW, increment
from spot.server import listening
from spot.server.intake import Intake
from spot.server.request_line import repair

reactor: Any = installed_reactor  # its interfaces are declared with zope, which mypy does not read


_BODILESS = (b"GET", b"HEAD", b"OPTIONS")
#: So many seconds after the application's own deadline.
_GRACE_SECONDS = 1
_BODY_REFUSED = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class SpotChannel(HTTPChannel):
    """One HTTP connection that mends raw request lines, and bounds the time that a request's head, its body and its
    answer may take."""

    deadline: Any = None
    answer_deadline: Any = None
    #: Set when the peer has taken everything, or is gone; None while it takes what it is sent.
    taken: asyncio.Event | None = None
    #: Those that are open.
    channels: ClassVar[set["SpotChannel"]] = set()

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        super().connectionMade()
        self.channels.add(self)
        self._expect_within(listening.HEAD_SECONDS)

    def checkPersistence(self, request: Any, version: bytes) -> bool:  # noqa: N802
        """Whether another request may follow: none once the process ends."""
        if listening.draining.is_set():
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        if self.deadline is None:
            self._expect_within(listening.HEAD_SECONDS)
        super().lineReceived(repair(line))  # a header never looks like a request line

    def allHeadersReceived(self) -> None:  # noqa: N802
        self._expect_nothing()
        if self._has_useless_body():
            transport: Any = self.transport
            transport.write(_BODY_REFUSED)
            self.loseConnection()
            return
        self._expect_within(listening.BODY_SECONDS)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:  # noqa: N802
        self._expect_nothing()
        super().allContentReceived()

    def _has_useless_body(self) -> bool:
        """Whether a GET has a body, or one is too large: Twisted would read it whole before anybody is asked."""
        request = self.requests[-1]
        known = self.length or 0
        chunked = request.requestHeaders.hasHeader(b"transfer-encoding")
        return known > listening.BODY_BYTES or (self._command in _BODILESS and (known > 0 or chunked))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.channels.discard(self)
        self._expect_nothing()
        self._answer_taken()
        _let_go(self)
        super().connectionLost(reason)

    def pauseProducing(self) -> None:  # noqa: N802
        """The peer takes no more of the answer: it has a while for it."""
        super().pauseProducing()
        self.taken = self.taken or asyncio.Event()
        if self.answer_deadline is None:
            seconds: float = listening.ANSWER_SECONDS
            if self.requests and _is_stream(self.requests[-1]):
                seconds = settings.SPOT_SEND_SECONDS and settings.SPOT_SEND_SECONDS + _GRACE_SECONDS
            self.answer_deadline = reactor.callLater(seconds, self.forceAbortClient) if seconds else None

    def resumeProducing(self) -> None:  # noqa: N802
        """The peer has taken everything."""
        self._answer_taken()
        _let_go(self)
        super().resumeProducing()

    def _answer_taken(self) -> None:
        if self.answer_deadline is not None and self.answer_deadline.active():
            self.answer_deadline.cancel()
        self.answer_deadline = None

    def _expect_within(self, seconds: float) -> None:
        self.deadline = reactor.callLater(seconds, self.forceAbortClient)

    def _expect_nothing(self) -> None:
        if self.deadline is not None and self.deadline.active():
            self.deadline.cancel()
        self.deadline = None


class SpotWebSocketProtocol(WebSocketProtocol):
    """Lets the application close with any code, 1012 and 1013 too, and send messages of any length. A peer that takes
    nothing is closed with 4508, and reset by autobahn a second later."""

    maxMessagePayloadSize: int  # noqa: N815
    patience: Any = None
    #: As of a `SpotChannel`.
    taken: asyncio.Event | None = None
    intake: Intake | None = None
    drain: dict[str, bool] | None = None
    keepalive: dict[str, float] | None = None
    denial: tuple[int, list[tuple[str, str]]] | None = None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Read the handshake, and then no faster than is fair to others (`spot.server.intake`)."""
        if self.state != self.STATE_OPEN:
            super().dataReceived(data)
            return
        if self.intake is None:
            read = super().dataReceived
            self.intake = Intake(read, self.transport.pauseProducing, self.transport.resumeProducing, reactor.callLater)
        self.intake.take(data)

    def makeConnection(self, transport: Any) -> None:  # noqa: N802
        """Take the connection over from HTTP, which is told neither its flow nor its end any more."""
        SpotChannel.channels.discard(transport.producer)
        transport.unregisterProducer()
        transport.registerProducer(self, streaming=True)
        super().makeConnection(transport)

    def pauseProducing(self) -> None:  # noqa: N802
        """The peer has left more than 64 KB untaken."""
        self.taken = self.taken or asyncio.Event()
        if self.patience is None and settings.SPOT_SEND_SECONDS:
            self.patience = reactor.callLater(settings.SPOT_SEND_SECONDS + _GRACE_SECONDS, self._cut)

    def resumeProducing(self) -> None:  # noqa: N802
        """The peer has taken everything."""
        self._end_patience()
        _let_go(self)
        if self.transport.disconnecting:
            self.transport.unregisterProducer()  # Twisted would wait for what it produces

    def stopProducing(self) -> None:  # noqa: N802
        """The connection has ended."""

    def _cut(self) -> None:
        """The application has not cut it: what the peer leaves untaken are answers to its own pings."""
        self.patience = None
        if self.state == self.STATE_OPEN:
            increment(SLOW, "socket")
            self.sendCloseFrame(code=int(Close.SLOW_READER), reasonUtf8=b"the client does not read")
        else:
            self.dropConnection(abort=True)

    def _end_patience(self) -> None:
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None

    def onFrameBegin(self) -> None:  # noqa: N802
        if self.intake is not None:
            self.intake.frames += 1
        super().onFrameBegin()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.intake is not None:
            self.intake.close()
        self._end_patience()
        _let_go(self)
        # What the peer has not taken would wait for the garbage collector, with the transport and us.
        self.transport.dataBuffer = b""
        self.transport._tempDataBuffer.clear()
        super().connectionLost(reason)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Understands an HTTP answer to the handshake besides, as uvicorn does."""
        if message["type"] == "websocket.http.response.start":
            headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
            self.denial = (message["status"], headers)
        elif message["type"] == "websocket.http.response.body":
            self._deny(message["body"])
        elif message["type"] == "websocket.close" and message.get("reason") and self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=message["code"], reasonUtf8=message["reason"].encode())
        elif message["type"] == "websocket.send" and not (message.get("text") or message.get("bytes")):
            self.sendMessage(b"", message.get("text") is None)  # daphne drops empty messages
        else:
            super().handle_reply(message)

    def check_timeouts(self) -> None:
        """Ping in the connection's own interval: daphne looks every two seconds."""
        if self.keepalive is None:
            super().check_timeouts()
            return
        before, self.server.ping_interval = self.server.ping_interval, self.keepalive["ping"]
        try:
            super().check_timeouts()
        finally:
            self.server.ping_interval = before

    def _deny(self, body: bytes) -> None:
        assert self.denial is not None
        status, headers = self.denial
        length = ("content-length", str(len(body)))
        self.sendHttpErrorResponse(status, HTTPStatus(status).phrase, [*headers, length, ("connection", "close")])
        self.sendData(body)
        self.dropConnection(abort=False)
        self.server.protocol_disconnected(self)

    def sendMessage(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        """autobahn holds what we send to the limit that is meant for what we read."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        self.sendCloseFrame(code=1000 if code is None else code)


class SpotServer(Server):
    """daphne's server on a socket that is already listening, which says 1012 to its sockets when it ends."""

    def __init__(self, application: Callable[..., Any], listener: socket.socket, steps: listening.Steps) -> None:
        super().__init__(
            application,
            endpoints=["adopted in `_adopt`"],
            ready_callable=lambda: reactor.callLater(0, self._begin),  # as soon as the loop runs
            ping_interval=listening.PING_SECONDS,
            ping_timeout=listening.PING_SECONDS,
            websocket_max_message_size=listening.INBOUND_BYTES,
            websocket_max_frame_size=listening.INBOUND_BYTES,
            application_close_timeout=listening.GRACE_SECONDS,
            server_name="",
        )
        self.endpoints: list[str] = []  # daphne can only make sockets of its own
        self.connections: dict[Any, dict[str, Any]] = {}
        self.listener = listener
        self._steps = steps
        self._beginning: asyncio.Task[None] | None = None
        self.port: Any = None

    def _begin(self) -> None:
        self._beginning = asyncio.get_running_loop().create_task(self._adopt())
        self._beginning.add_done_callback(self._on_begun)

    @staticmethod
    def _on_begun(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            reactor.stop()
            task.result()  # raises it, for the log

    async def _adopt(self) -> None:
        await self._steps.prepare()
        self.http_factory.protocol = SpotChannel
        self.ws_factory.protocol = SpotWebSocketProtocol
        self.ws_factory.setProtocolOptions(failByDrop=False)  # say 1009 and the like instead of vanishing
        self.listener.setblocking(False)
        self.port = reactor.adoptStreamPort(self.listener.fileno(), self.listener.family, self.http_factory)
        self._steps.ready()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send, and wait until the peer has taken it where more may follow."""
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send":
            flow = protocol
        elif message["type"] == "http.response.body" and message.get("more_body"):
            flow = protocol.channel
        else:
            return
        if flow is not None and flow.taken is not None:
            await flow.taken.wait()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            protocol.drain = {"wanted": False}
            protocol.keepalive = {"ping": self.ping_interval, "pong": self.ping_timeout}
            scope["extensions"] = {
                "websocket.http.response": {},
                listening.DRAIN: protocol.drain,
                listening.KEEPALIVE: protocol.keepalive,
            }
        return super().create_application(protocol, scope)

    def kill_all_applications(self) -> Any:
        """Accept no more, let the sockets go one after the other, then end whatever is left."""
        listening.begin_draining()
        if self._beginning is not None:
            self._beginning.cancel()
        if self.port is not None:
            self.port.stopListening()
        self.listener.close()
        handover = listening.HANDOVER_SECONDS if listening.leaving.is_set() and self.connections else 0
        return deferLater(reactor, handover, self._drain)

    def _drain(self) -> Any:
        sockets = (one for one in self.connections if isinstance(one, SpotWebSocketProtocol))
        leaving = [one for one in sockets if one.state == one.STATE_OPEN and one.drain and one.drain["wanted"]]
        streams = [one for one in self._answering() if _is_stream(one)]
        delays = listening.drain_delays(len(leaving) + len(streams))
        for one, seconds in zip(leaving, delays, strict=False):
            one.application_queue.put_nowait({"type": listening.DRAIN, "seconds": seconds})
        for one, seconds in zip(streams, delays[len(leaving) :], strict=True):
            reactor.callLater(seconds, self._end_stream, one)
        return deferLater(reactor, max(delays, default=-0.2) + 0.2, self._finish, reactor.seconds())

    def _answering(self) -> list[Any]:
        """The HTTP requests that are not answered to the end."""
        return [
            one
            for one, facts in self.connections.items()
            if not isinstance(one, WebSocketProtocol)
            and "disconnected" not in facts
            and "application_instance" in facts
            and not facts["application_instance"].done()
        ]

    def _end_stream(self, request: Any) -> None:
        """Finish an answer that would go on for ever."""
        if not request.finished and request.channel is not None:
            self.connections[request]["application_instance"].cancel()
            request.finish()

    def _finish(self, began: float) -> Any:
        """End everything as soon as the last answer in flight is finished, or has had its time. Idle connections get
        some where the process leaves."""
        passed = reactor.seconds() - began
        answering = self._answering() and passed < listening.grace_seconds() - 1
        idle = SpotChannel.channels and listening.leaving.is_set() and passed < listening.IDLE_SECONDS
        return deferLater(reactor, 0.05, self._finish, began) if answering or idle else self._kill_all()

    def _kill_all(self) -> Any:
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                protocol.sendCloseFrame(code=1012)
        # daphne trips over connections that have sent half a request and so have no application yet.
        self.connections = {p: facts for p, facts in self.connections.items() if "application_instance" in facts}
        return super().kill_all_applications()


def _let_go(flow: SpotChannel | SpotWebSocketProtocol) -> None:
    """Let the application go on."""
    if flow.taken is not None:
        flow.taken.set()
        flow.taken = None


def _is_stream(request: Any) -> bool:
    return bool(request.responseHeaders.getRawHeaders(b"content-type", [b""])[0].startswith(b"text/event-stream"))


def run(application: Callable[..., Any], listener: socket.socket, steps: listening.Steps) -> None:
    """Serve until SIGTERM or SIGINT."""
    SpotServer(application, listener, steps).run()
