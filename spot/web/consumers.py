"""The one WebSocket consumer: accept, admit, parse, push the newest frame. It knows neither Redis nor rows.

No ORM, no thread and no channel layer on the message path: snapshots reach a socket through its group in the hub.
Handlers only set state; whatever is to be sent goes through the mailbox, which keeps the newest frame and drops what it
replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import structlog
from django.conf import settings

from spot.clients.limits import MessageRate
from spot.codes import Close, Refused
from spot.dialects.frames import DEFLATE_IN_THREAD, Message
from spot.dialects.wire import error_frame, parse_message, pong_frame
from spot.feeds import Feed
from spot.feeds.subscription import Subscription, from_query_string
from spot.hub.groups import Update
from spot.hub.hub import Hub
from spot.snapshots import now_ms
from spot.web.connection import BaseConsumer
from spot.web.exports import Export
from spot.web.novelty import admitted

log = structlog.get_logger(__name__)

#: The sub-protocol that asks for the envelope.
ENVELOPE = "spot.v2"
#: Replies that may wait for one socket: more means that it asks without reading.
_REPLIES = 64
#: Messages refused for their rate in a row before the connection is closed.
_PATIENCE = 100
#: What a message costs of its socket's rate: an export as much as so many others, and each so many bytes one more.
_EXPORT_COST, _COST_BYTES = 5, 4096
#: URLs up to this length are remembered; what a long one asks for is a hundred times larger than itself.
_REMEMBERED_BYTES = 512


@lru_cache(maxsize=1024)
def _remembered(feed: Feed, query_string: bytes, depth: int, envelope: bool) -> Subscription:
    return from_query_string(feed, query_string, depth, envelope=envelope)


def _subscription(feed: Feed, query_string: bytes, envelope: bool) -> Subscription:
    """What a URL asks for. Subscriptions never change, so sockets with the same short URL share one, parsed once."""
    parse = _remembered if len(query_string) <= _REMEMBERED_BYTES else _remembered.__wrapped__
    return parse(feed, query_string, settings.SPOT_DEPTH, envelope)


class FeedConsumer(BaseConsumer):
    """One socket on one feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.subscription: Subscription | None = None
        self._before: Subscription | None = None
        self._seq: int | None = None
        self._update: Update | None = None
        self._replies: list[Callable[[], bytes] | Export | Message] = []
        self._said: dict[str, Message] = {}
        self._closing: Close | None = None
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._deflating: asyncio.Task[None] | None = None
        self.client = ""
        self._rate: MessageRate

    # --- the connection ----------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one socket, with finished frames where the server takes them."""
        self.socket = scope.get("extensions", {}).get("spot.prepared", {}).get("socket")
        if self.socket is not None:
            self.socket.when_ready, self.socket.when_blocked = self._ready_again, self._blocked
        await super().__call__(scope, receive, send)

    async def websocket_connect(self, _message: dict[str, Any]) -> None:
        """Admit, then subscribe: a browser can read the reason of a close, not of a refused handshake."""
        self._task = asyncio.current_task()
        wants_envelope = ENVELOPE in self.scope["subprotocols"]
        if not await self.admit(ENVELOPE if wants_envelope else None):
            return
        self.client = self.who.id
        self._rate = MessageRate(self.who.plan)
        try:
            self._join(_subscription(self.feed, self.scope["query_string"], wants_envelope))
        except Refused as refused:
            await self.refuse(refused)

    def released(self) -> None:
        """Leave the group, stop writing."""
        if self.subscription is not None:
            Hub.current().leave(self)
        if self._writer is not None:
            self._writer.cancel()
        for reply in self._replies:
            if isinstance(reply, Export):
                reply.cancel()

    # --- messages ----------------------------------------------------------------------------------------------------

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A client's message: bad ones get one error frame, and change nothing."""
        if self.subscription is None or self.ended:
            return
        try:
            text = message.get("text")
            self._check_rate(len(text or "") // _COST_BYTES)
            self._handle(text)
        except Refused as refused:
            self._reply(partial(error_frame, refused))
        if self._rate.refused > _PATIENCE or len(self._replies) > _REPLIES:
            await self.close(Close.TOO_MANY_MESSAGES)

    def _check_rate(self, more: int) -> None:
        if not self._rate.allow(asyncio.get_running_loop().time(), 1 + more):
            raise Refused(
                "too_many_messages", f"At most {self._rate.rate:g} messages a second; this one was not heard."
            )

    def _handle(self, text: str | None) -> None:
        assert self.subscription is not None
        message = parse_message(text)
        match message.action:
            case None:
                self._join(self.subscription.updated(message.changes, settings.SPOT_DEPTH))
            case "ping":
                self._reply(partial(pong_frame, now_ms()))
            case "resync":
                self._join(self.subscription)
            case "export":
                self._export()

    def _join(self, subscription: Subscription) -> None:
        """Subscribe anew. The answer is a whole frame at once, or as soon as there is one."""
        old, waiting, seq = Hub.current().group_of(self), self._update, self._seq
        self._update = self._seq = None
        try:
            with admitted(self.who, subscription):
                Hub.current().join(self, subscription)
        except Refused:
            self._update, self._seq = waiting, seq
            raise
        if old is not None and old.verified:
            self._before = self.subscription
        self.subscription = subscription

    def _export(self) -> None:
        assert self.subscription is not None
        group = Hub.current().group_of(self)
        if group is None or group.update is None:
            raise Refused("unavailable", "There are no data to export yet; try again when the first frame has come.")
        self._check_rate(_EXPORT_COST - 2)  # the message itself has paid for one
        self._replies.append(Export(self.subscription, group.update, self._write_soon))
        self._write_soon()

    # --- what the hub calls ------------------------------------------------------------------------------------------

    def push(self, update: Update) -> None:
        """The group's newest state; it replaces one that has not been sent yet."""
        _ = update.message_after(self._seq)  # made now: the hub handles a state that cannot be encoded
        self._update = update
        self._write_soon()

    def say(self, message: Message, kind: str) -> None:
        """A control frame; it replaces one of its kind that has not been sent yet."""
        self._said[kind] = message
        self._write_soon()

    def refuse_later(self, refused: Refused) -> None:
        """What was asked for does not exist after all: back to what was there before, or goodbye."""
        self._reply(partial(error_frame, refused))
        before, self.subscription = self._before, None
        with contextlib.suppress(Refused):
            if before is not None:
                self._join(before)
        if self.subscription is None:
            self._closing = refused.fact.close
            self._write_soon()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _reply(self, make: Callable[[], bytes]) -> None:
        """An answer to the client, made when it can be sent: exports that wait for a slow reader weigh nothing."""
        self._replies.append(make)
        self._write_soon()

    def _write_soon(self) -> None:
        if self.socket is not None:
            self._write_frames()
        elif self._writer is None:
            self._writer = asyncio.create_task(self._write())

    def _write_frames(self) -> None:
        """Hand finished frames to the server while the client takes them; what is left waits for `when_ready`."""
        socket = self.socket
        while socket.ready and (message := self._next()) is not None:
            socket.write_frame(message.deflated if socket.deflates else message.prepared)
        if self._closing is not None and self._writer is None and not self._replies:
            self._writer = asyncio.create_task(self.close(self._closing))

    def _ready_again(self) -> None:
        self._write_frames()
        if (group := Hub.current().group_of(self)) is not None:
            group.admit(self)

    def _blocked(self) -> None:
        if (group := Hub.current().group_of(self)) is not None:
            group.suspend(self)

    async def _write(self) -> None:
        """Send what waits, one frame in flight at a time; a reader that does not read is cut at the deadline."""
        try:
            async with asyncio.timeout(None) as deadline:
                while (message := self._next()) is not None:
                    if settings.SPOT_SEND_SECONDS:
                        deadline.reschedule(asyncio.get_running_loop().time() + settings.SPOT_SEND_SECONDS)
                    await self.send({"type": "websocket.send", "text": message.text})
        except TimeoutError:
            log.info("slow reader cut", feed=self.feed.channel)
            await self._cut()
        except (OSError, RuntimeError) as error:  # how servers say that the peer is gone, or the close has been sent
            log.debug("socket ended while writing", error=type(error).__name__)
        else:
            self._writer = None
            if self._closing is not None:
                await self.close(self._closing)

    def _next(self) -> Message | None:
        if self.ended:
            return None
        update = self._update
        if (reply := self._next_reply()) is not None or self._deflating is not None:
            return reply
        if self._said:
            return self._said.pop(next(iter(self._said)))
        if update is None:
            return None
        message = update.message_after(self._seq)
        if self._is_being_deflated(message):
            return None
        self._update, self._seq = None, update.seq
        return message

    def _next_reply(self) -> Message | None:
        reply = self._replies[0] if self._replies else None
        if reply is None or (isinstance(reply, Export) and not reply.is_ready()):
            return None
        message = reply if isinstance(reply, Message) else Message(reply())
        if self._is_being_deflated(message):
            self._replies[0] = message
            return None
        del self._replies[0]
        return message

    def _is_being_deflated(self, message: Message) -> bool:
        """Whether the message must first be deflated in a thread, because it is large; other sockets are served
        meanwhile, and this one takes nothing."""
        socket = self.socket
        if socket is None or not socket.deflates or message.is_deflated or len(message.payload) < DEFLATE_IN_THREAD:
            return False
        socket.hold()
        self._deflating = asyncio.create_task(self._deflate(message))
        return True

    async def _deflate(self, message: Message) -> None:
        await asyncio.to_thread(message.deflate)
        self._deflating = None
        self.socket.release()

    async def _cut(self) -> None:
        self.cut = True
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(1):
                await self.close(Close.SLOW_READER)
        if self._task is not None:
            self._task.cancel()


class NoFeedConsumer(BaseConsumer):
    """Any other WebSocket path: a reason and a close, not a traceback."""

    async def websocket_connect(self, _message: dict[str, Any]) -> None:
        """Admit, say that there is nothing here, close."""
        if await self.admit():
            await self.refuse(Refused("unknown_feed", "There is no feed at this path."))

    async def websocket_receive(self, _message: dict[str, Any]) -> None:
        """Nothing is expected."""
