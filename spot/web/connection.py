"""The common part of every socket: its events in order, counting it in and out, refusing it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer

from spot.clients.limits import Admission, admission, farewells
from spot.clients.meter import Meter
from spot.clients.plans import Client
from spot.clients.protocols import protocol_of
from spot.clients.roster import roster
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.values import Failed
from spot.metrics import CLOSES, OPENED, REFUSALS, increment
from spot.server.listening import DRAIN, KEEPALIVE
from spot.snapshots import now_ms
from spot.web.answers import refusal_headers
from spot.web.stay import Stay
from spot_project import logs

#: How long a socket that was refused is counted while its client does not answer the close, in seconds. The server cuts
#: it before (`spot.server.frames`).
_FAREWELL_SECONDS = 3


class BaseConsumer(AsyncConsumer):
    """Channels' consumer without what costs a thread hop per message and leaks when a handler raises.

    Stock `dispatch` closes old database connections in a thread for every message; nothing here opens one. Clean-up
    stands in a `finally`, because `disconnect` is skipped when a handler or the server raises.
    """

    channel_layer_alias = None
    #: What is asked of the scope as long as the connection lasts.
    _KEPT: tuple[str, ...] = ("path", "spot.client")
    #: The protocol that the socket speaks.
    dialect: Dialect
    #: Whether we ended the connection ourselves because the client does not read.
    cut = False
    #: Whether we have sent our close: nothing may follow it.
    ended = False
    #: The server's own side of the socket (`spot.server.frames`), where there is one.
    socket: Any = None
    #: The counter that the socket is in.
    counted: Admission | None = None
    #: Counts what the client is sent.
    meter: Meter | None = None
    #: From when the connection was accepted.
    stay: Stay | None = None
    #: The path in the log.
    path = "unknown"

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection; where the server offers it, after the routers that led here have returned."""
        self.scope = scope
        self.base_send = send
        self._receive = receive
        extensions = scope.get("extensions", {})
        if (drain := extensions.get(DRAIN)) is not None:
            drain["wanted"] = True
        if (successor := extensions.get("spot.successor")) is not None:
            successor["then"] = self.serve
        else:
            await self.serve()

    async def serve(self) -> None:
        """Take events in order, until the connection ends."""
        try:
            while True:
                await self.dispatch(await self._receive())
        except StopConsumer:
            pass
        except asyncio.CancelledError:
            if not self.cut:
                raise
        finally:
            roster.leave(self)
            self.released()
            if self.counted is not None:
                self.counted.leave(self.who)
            if self.stay is not None:
                self.stay.log(self, self.path)

    def forget_handshake(self) -> None:
        """Let go of what is not asked for after the connection has begun."""
        self.scope = {name: self.scope[name] for name in self._KEPT if name in self.scope}
        logs.serve_less(self.scope)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Hand an event to the method named after it."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """The connection has ended."""
        if self.stay is not None:
            self.stay.end(message.get("code"), message.get("reason") or "")
        raise StopConsumer

    async def spot_drain(self, _message: dict[str, Any]) -> None:
        """The server restarts (`spot.server.listening.DRAIN`); a socket that is refused has its close already."""

    def become(self, client: Client) -> None:
        """Count the connection as another client's from now on. Raises `Refused`, and changes nothing then."""
        before = self.who
        if self.counted is not None:
            self.counted.leave(before)
            try:
                self.counted.enter(client)
            except Refused:
                self.counted.enter(before)
                raise
        roster.leave(self)
        self.scope["spot.client"] = client
        roster.enter(self)

    @property
    def who(self) -> Client:
        """The client, as the gate knows it."""
        client: Client = self.scope["spot.client"]
        return client

    @property
    def protocol(self) -> str:
        """The vendor's protocol that it speaks; "": one of our own."""
        return protocol_of(self.scope["path"])

    @property
    def speaks(self) -> str:
        """The name of its dialect."""
        return self.dialect.name

    async def admit(self, subprotocol: str | None = None) -> bool:
        """Count the socket in and accept it. Otherwise it is turned away: with a close code that pages can read, or by
        refusing its handshake where too many have been turned away that are not gone yet, and where the client has, or
        should have, a key."""
        wrong: Refused | None = self.scope.get("spot.refused")
        if wrong is None:
            try:
                admission.enter(self.who)
                self.counted = admission
            except Refused as refused:
                wrong = refused
        if wrong is not None:
            by_status = "spot.refused" in self.scope or self.who.key is not None or self.dialect.refuses_by_status
            await self._turn_away(wrong, by_close=self.dialect.refuses_by_close or not by_status)
            return False
        self.stay, self.meter = Stay(), Meter()
        roster.enter(self)
        increment(OPENED, "socket")
        keepalive = self.scope.get("extensions", {}).get(KEEPALIVE)
        if keepalive is not None and self.dialect.ping_seconds:
            keepalive |= {"ping": self.dialect.ping_seconds, "pong": self.dialect.pong_seconds}
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol or self.scope.get("spot.subprotocol")})
        return True

    async def _turn_away(self, refused: Refused, *, by_close: bool) -> None:
        """Say why a client is not served: with a close code, while not too many others are told so, or with the status
        of its handshake."""
        try:
            if by_close:
                farewells.enter(self.who)
                self.counted = farewells
        except Refused:
            by_close = False
        if not by_close:
            await self._deny(refused)
            return
        self.stay = Stay()
        await self.send({"type": "websocket.accept"})
        await self.refuse(refused)

    async def _deny(self, refused: Refused) -> None:
        """Answer the handshake with an HTTP status, or with 403 where the server can say no other."""
        increment(REFUSALS, "socket", refused.code)
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.send({"type": "websocket.close"})
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            *((name.lower(), value) for name, value in refusal_headers(refused)),
        ]
        status, body = self.dialect.http_refusal(refused, now_ms())
        await self.send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self.send({"type": "websocket.http.response.body", "body": body})

    async def refuse(self, refused: Refused) -> None:
        """Tell a client why it cannot be served, close with the code that says so, and count it until it is gone."""
        increment(REFUSALS, "socket", refused.code)
        self.ends_for(refused)
        if (payload := self.dialect.write(Failed(None, refused, now_ms()))) is not None:
            await self.send_payload(payload)
        await self.close(self.dialect.close_code(refused), self.dialect.close_reason(refused))
        events = 1 if self.socket is None else 2  # uvicorn reports our own close first, and then the end
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                while events:
                    events -= (await self._receive())["type"] == "websocket.disconnect"
        raise StopConsumer

    def dismiss(self, refused: Refused) -> None:
        """End the connection soon, with the code that says why."""
        increment(REFUSALS, "socket", refused.code)
        self.ends_for(refused)
        close = self.close(self.dialect.close_code(refused), self.dialect.close_reason(refused))
        self._dismissal = asyncio.create_task(close)

    def ends_for(self, refused: Refused) -> None:
        """Note for the log why the connection ends."""
        if self.stay is not None:
            self.stay.refuse(refused.code)

    async def send_payload(self, payload: bytes) -> None:
        """Send one message in the dialect's own kind of frame."""
        if self.dialect.binary:
            await self.send({"type": "websocket.send", "bytes": payload})
        else:
            await self.send({"type": "websocket.send", "text": payload.decode()})

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        if not self.ended:
            self.ended = True
            if self.stay is not None:
                self.stay.end(int(code), reason)
            increment(CLOSES, str(int(code)))
            more = {"reason": reason} if reason else {}
            await self.send({"type": "websocket.close", "code": int(code), **more})

    def released(self) -> None:
        """Give back what the connection held. Called exactly once, however it ended."""
