"""The WebSocket door: accept, admit, read commands, subscribe. It knows neither Redis nor rows, nor any protocol.

No ORM, no thread and no channel layer on the message path: pages reach a connection through its subscriptions in the
hub. Handlers only set state; whatever is to be sent goes through the outbox, which keeps the newest page and drops what
it replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import structlog
from django.conf import settings

from spot.clients.book import book, key_required
from spot.clients.limits import MessageRate, sending
from spot.clients.meter import OUTBOX
from spot.clients.protocols import uses
from spot.codes import Close, Refused
from spot.dialects.base import (
    Amend,
    Authenticate,
    Beat,
    Command,
    Export,
    Follow,
    List,
    Lookup,
    Mistake,
    Opening,
    Ping,
    Resync,
    Route,
    Subscribe,
    Unsubscribe,
    Which,
)
from spot.dialects.documented import Documented
from spot.dialects.values import Done, Drain, Failed, Lapsed, Opened, Outcome, Subscriptions, Tick, Value
from spot.hub.outbox import Outbox
from spot.hub.subscription import Subscription
from spot.metrics import REFUSALS, SLOW, increment
from spot.server import wheel
from spot.snapshots import now_ms
from spot.web import exports
from spot.web.awaited import Awaited
from spot.web.connection import BaseConsumer
from spot.web.following import Following
from spot.web.identification import shown_in_message
from spot.web.remembered import Remembered
from spot.web.symbols import coins_with

log = structlog.get_logger(__name__)

#: Replies that may wait for one socket: more means that it asks without reading.
_REPLIES = 64
#: Messages refused for their rate in a row before the connection is closed.
_PATIENCE = 100
#: The cost of a message in its socket's rate: an export counts as so many others, and each so many bytes as one more.
_EXPORT_COST, _COST_BYTES = 5, 4096
#: So many subscriptions in a list cost as much as another message.
_LISTED = 100
#: The close code of a connection whose dialect has failed (RFC 6455, section 7.4.1).
_FAILED = 1011
#: Seconds in which a message must have shown a key, where one is required and the handshake had none.
_KEY_SECONDS = 5.0


@Remembered
def _opening(query_string: bytes, route: Route, subprotocols: tuple[str, ...], depth: int) -> Opening:
    return route.open(query_string, subprotocols, depth)


class _Reply:
    """A reply that is written when it is sent."""

    __slots__ = ("_value", "_write")

    def __init__(self, write: Callable[[Value], bytes | None], value: Callable[[], Value]) -> None:
        self._write = write
        self._value = value

    def is_ready(self) -> bool:
        return True

    def __call__(self) -> bytes | None:
        return self._write(self._value())

    def cancel(self) -> None:
        """Nothing has begun."""


class Connection(BaseConsumer):
    """One socket: its dialect, its subscriptions, its outbox."""

    outbox: Outbox
    following: Following

    def __init__(self, route: Route) -> None:
        self.route = route
        self.path = route.path
        self.dialect = route.refusals
        self._closing: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle | wheel.Timer] = {}
        self._rate: MessageRate
        self._silence, self._seen = 0.0, 0

    # --- the connection ----------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one socket, with finished frames where the server takes them."""
        self.socket = scope.get("extensions", {}).get("spot.frames", {}).get("socket")
        self.outbox = Outbox(self, self.socket)
        if self.socket is not None:
            self.socket.when_ready, self.socket.when_blocked = self._ready_again, self.outbox.call_back
        await super().__call__(scope, receive, send)

    async def websocket_connect(self, _message: dict[str, Any]) -> None:
        """Admit, then subscribe: a browser can read the reason of a close, not of a refused handshake."""
        self._task = asyncio.current_task()
        offered = tuple(name for name in self.route.subprotocols if name in self.scope["subprotocols"])
        if not await self.admit(offered[0] if offered else None):
            return
        try:
            opening = _opening(self.scope["query_string"], self.route, offered, settings.SPOT_DEPTH)
            self.dialect, self.outbox.binary = opening.dialect, opening.dialect.binary
            self.following = Following(self.who, self.dialect, self.outbox, self._refuse_later)
            self._apply_plan()
            if (welcome := self.dialect.write(self._opened())) is not None:
                await self.send_payload(welcome)
            for command in opening.commands:
                self._carry_out(command)
        except Refused as refused:
            await self.refuse(refused)
        if not self.route.late_key:  # such a key is judged by what came with the handshake
            self.forget_handshake()
        self._start_timers()

    def _opened(self) -> Opened:
        plan = self.who.plan
        rates = plan.messages_per_second, plan.messages_out_per_second
        more = plan.connections, book.expiry_of(self.who)
        assert self.stay is not None
        self.stay.id = secrets.token_hex(8)
        return Opened(self.stay.id, self.following.limit, *rates, now_ms(), *more)

    def _apply_plan(self) -> None:
        self._rate = MessageRate(self.who.plan, self.dialect.messages_per_minute)
        self.outbox.meter, self.outbox.pace = self.meter, sending(self.who.plan)

    async def spot_drain(self, message: dict[str, Any]) -> None:
        """The server restarts: say so, and close after so many seconds, each connection at another moment."""
        seconds = message["seconds"]
        self._answer(lambda: Drain(now_ms(), round(seconds * 1000)))
        self._call_later(seconds or 0.001, self._close_restarting)

    def released(self) -> None:
        """Leave the groups, stop writing."""
        if hasattr(self, "following"):
            self.following.leave_all()
            del self.following  # it refers to us
        if self._writer is not None:
            self._writer.cancel()
        for timer in self._timers.values():
            timer.cancel()
        self.outbox.close()

    def _start_timers(self) -> None:
        self._call_later(self.dialect.heartbeat_seconds, self._beat)
        self._call_later(self.dialect.idle_seconds, self._close_idle)
        if self._awaits_key:
            self._call_later(_KEY_SECONDS, self._dismiss_unkeyed)

    @property
    def _awaits_key(self) -> bool:
        """Whether nothing is served before a message has shown a key."""
        return "spot.unkeyed" in self.scope

    def _dismiss_unkeyed(self) -> None:
        if self._awaits_key:
            self.dismiss(key_required())

    def _call_later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something once after so many seconds, counted anew with each call; 0: never."""
        if (timer := self._timers.get(act.__name__)) is not None:
            timer.cancel()
        if seconds:
            self._timers[act.__name__] = wheel.call_later(seconds, act, copy_context())

    def _beat(self) -> None:
        self._answer(lambda: Tick(now_ms()))
        self._call_later(self.dialect.heartbeat_seconds, self._beat)

    def _beat_in_silence(self) -> None:
        if self.outbox.sent == self._seen and (self.socket is None or self.socket.ready):
            self._answer(lambda: Tick(now_ms()))
        self._seen = self.outbox.sent
        self._call_later(self._silence, self._beat_in_silence)

    def _close_idle(self) -> None:
        seconds = self.dialect.idle_seconds
        if self.dialect.idle_without_news and self.following.has_news_since(now_ms() - round(seconds * 1000)):
            self._call_later(seconds, self._close_idle)
        else:
            self._close_later(self.dialect.idle_close)

    def _close_restarting(self) -> None:
        self._close_later(Close.RESTARTING)

    def dismiss(self, refused: Refused) -> None:
        """Tell the client why it may not stay, and close; at once where it does not read what waits."""
        if self._closing is not None:
            return
        self._closing = self.dialect.close_code(refused), self.dialect.close_reason(refused)
        self.ends_for(refused)
        if self.socket is not None and not self.socket.ready:
            super().dismiss(refused)
        else:
            self._fail(None, refused)

    def _close_later(self, code: int, reason: str = "") -> None:
        self._closing = code, reason
        self.outbox.flush()

    # --- messages ----------------------------------------------------------------------------------------------------

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A client's message: a bad one gets one answer, and changes nothing."""
        if self.stay is not None:
            self.stay.received += 1
        if self.ended or self._closing is not None:
            return
        if not self.outbox.subscriptions and self.dialect.subscriptions == 1:
            return
        data = message.get("text")
        if data is None:
            data = message.get("bytes") or b""
        self._call_later(self.dialect.idle_seconds, self._close_idle)
        try:
            self._check_rate(len(data) // _COST_BYTES)
            commands = self.dialect.read(data, settings.SPOT_DEPTH)
        except Refused as refused:
            self._fail(None, refused)
        except Exception:
            log.exception("message cannot be read", dialect=self.dialect.name)
            self._close_later(_FAILED)
        else:
            for command in commands:
                await self._obey_in_turn(command)
        if self._rate.refused > _PATIENCE or len(self.outbox.replies) > max(_REPLIES, 2 * self.dialect.subscriptions):
            too_fast = Refused("too_many_messages", "Messages come too fast.")
            self.ends_for(too_fast)
            await self.close(self.dialect.close_code(too_fast), self.dialect.close_reason(too_fast))

    def _check_rate(self, more: int) -> None:
        if not self._rate.allow(asyncio.get_running_loop().time(), 1 + more):
            raise Refused(
                "too_many_messages", f"At most {self._rate.rate:g} messages a second; this one was not heard."
            )

    async def _obey_in_turn(self, command: Command) -> None:
        """Carry out a command and what follows of it, unless one before has ended the connection."""
        if self._closing is not None:
            return
        try:
            match command:
                case Authenticate(key):
                    await self._authenticate(key)
                case Lookup(symbols, then):
                    self._check_key()
                    for following in then(await coins_with(symbols, self.who)):
                        await self._obey_in_turn(following)
                case _:
                    self._obey(command)
        except Refused as refused:
            self._fail(command, refused)

    async def _authenticate(self, key: str) -> None:
        """Be the client with that key, unless it is nobody's. Raises `Refused`, and has changed nothing then."""
        client = await shown_in_message(self.scope, key)
        self.scope.pop("spot.unkeyed", None)
        if client.key is not None and client.id != self.who.id:
            self.become(client)
            self.following.become(client)
            self._apply_plan()

    def _check_key(self) -> None:
        if self._awaits_key:
            raise key_required()

    def _obey(self, command: Command) -> None:
        """Carry out a command, and answer it; the answer goes before the pages that it brings."""
        with self.outbox.gathering():
            try:
                outcome = self._carry_out(command)
            except Refused as refused:
                self._fail(command, refused)
            else:
                count, limit = len(self.following), self.following.limit
                self._acknowledge(command, lambda: Done(command, count, limit, now_ms(), outcome))

    def _acknowledge(self, command: Command, done: Callable[[], Done]) -> None:
        """Answer a command that has been carried out; of streamed data, once it is known whether anybody brings them,
        where the dialect refuses those."""
        if not (self.dialect.refuses_absent and isinstance(command, Follow) and command.wishes[0].view.feed.events):
            self._answer(done)
            return
        names = frozenset(wish.name for wish in command.wishes)

        def refuse(refused: Refused) -> bytes | None:
            if hasattr(self, "following"):
                self.following.unsubscribe(Which(names))
            return self._write_value(Failed(command, refused, now_ms()))

        meant = self.following.find(Which(names))
        self.outbox.reply(Awaited(meant, lambda: self._write_value(done()), refuse, self.outbox.flush))

    def _carry_out(self, command: Command) -> Outcome:
        """Carry out a command. Raises `Refused`, and has changed nothing then."""
        self._check_key()
        match command:
            case Subscribe():
                self.following.subscribe(command)
                self._count_use()
            case Follow():
                outcome = self.following.follow(command)
                self._count_use()
                return outcome
            case Unsubscribe(which):
                return self.following.unsubscribe(which)
            case Amend():
                self.following.amend(command)
            case Resync(which):
                self.following.resync(which)
            case Export():
                self._export(command)
            case List():
                self._list(command)
            case Mistake(refused):
                raise refused
            case Beat(seconds):
                self._silence, self._seen, self.outbox.watched = seconds, self.outbox.sent, bool(seconds)
                self.outbox.call_back()
                self._call_later(seconds, self._beat_in_silence)
            case Ping():
                pass
        return Outcome()

    def _count_use(self) -> None:
        if self.protocol:
            uses.count(self.protocol, "calls")

    def _export(self, command: Export) -> None:
        group = self.following.find_one(command.which).group
        if group is None or group.update is None:
            raise Refused("unavailable", "There are no data to export yet; try again when the first frame has come.")
        self._check_rate(_EXPORT_COST - 2)  # the message itself has paid for one
        self.outbox.reply(exports.Export(group.update, command, self.outbox.flush))

    def _list(self, command: List) -> None:
        self._check_rate(len(self.following) // _LISTED)
        following = self.following
        self._answer(lambda: Subscriptions(command, following.entries(), following.limit, now_ms()))

    def _refuse_later(self, subscription: Subscription, refused: Refused) -> None:
        """A view does not exist after all: back to the one before, or goodbye."""
        view, tag = subscription.view, subscription.tag
        with self.outbox.gathering():
            ended = self.following.ended(subscription)
            if self.dialect.subscriptions == 1 or view is None:
                self._fail(None, refused)
            else:
                increment(REFUSALS, "socket", refused.code)
                count, limit = len(self.following), self.following.limit
                self._answer(lambda: Lapsed(tag, view, refused, ended, count, limit, now_ms()))
                if self.dialect.ends(refused):
                    self._end(refused)
        if ended and self.dialect.subscriptions == 1:
            self._end(refused)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _answer(self, value: Callable[[], Value]) -> None:
        self.outbox.reply(_Reply(self._write_value, value))

    def _write_value(self, value: Value) -> bytes | None:
        try:
            return self.dialect.write(value)
        except Exception:  # a dialect that fails costs its own connection, and nobody else
            log.exception("value cannot be written", dialect=self.dialect.name)
            self._close_later(_FAILED)
            return None

    def _fail(self, command: Command | None, refused: Refused) -> None:
        increment(REFUSALS, "socket", refused.code)
        self._answer(lambda: Failed(command, refused, now_ms()))
        if self._closing is None and self.dialect.ends(refused):
            self._end(refused)

    def _end(self, refused: Refused) -> None:
        self.ends_for(refused)
        self._close_later(self.dialect.close_code(refused), self.dialect.close_reason(refused))

    def wake(self) -> None:
        """Write what waits, where the server takes no finished frames."""
        if self._writer is None and not self.ended:
            self._writer = asyncio.create_task(self._write())

    def written(self) -> None:
        """Close the connection once all answers have been given, if it is to be closed."""
        if self._closing is not None and self._writer is None and not self.outbox.replies:
            self._writer = asyncio.create_task(self.close(*self._closing))

    def _ready_again(self) -> None:
        self.outbox.flush()
        self.outbox.offer()

    async def _write(self) -> None:
        """Send what waits, one frame in flight at a time; a reader that does not read is cut at the deadline."""
        try:
            async with asyncio.timeout(None) as deadline:
                while not self.ended and (message := self.outbox.next()) is not None:
                    if settings.SPOT_SEND_SECONDS:
                        deadline.reschedule(asyncio.get_running_loop().time() + settings.SPOT_SEND_SECONDS)
                    if self.meter is not None:
                        self.meter.count(1, len(message.payload))
                    body = {"bytes": message.payload} if message.binary else {"text": message.text}
                    await self.send({"type": "websocket.send", **body})
                    OUTBOX.frames += 1
                    OUTBOX.bytes += len(message.payload)
                    self.outbox.sent += 1
        except TimeoutError:
            await self._cut()
        except (OSError, RuntimeError) as error:  # how servers say that the peer is gone, or the close has been sent
            log.debug("socket ended while writing", error=type(error).__name__)
        else:
            self._writer = None
            if self._closing is not None:
                await self.close(*self._closing)

    async def _cut(self) -> None:
        self.cut = True
        increment(SLOW, "socket")
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(1):
                await self.close(Close.SLOW_READER)
        if self._task is not None:
            self._task.cancel()


class NoFeed(BaseConsumer):
    """Any other WebSocket path: a reason and a close, not a traceback."""

    dialect = Documented()

    async def websocket_connect(self, _message: dict[str, Any]) -> None:
        """Admit, say that there is nothing here, close."""
        if await self.admit():
            await self.refuse(Refused("unknown_feed", "There is no feed at this path."))

    async def websocket_receive(self, _message: dict[str, Any]) -> None:
        """Nothing is expected."""
