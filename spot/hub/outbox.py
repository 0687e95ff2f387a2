"""Outboxes: the messages that wait for a connection, and the only way to its socket.

Prices are state: of each subscription only the newest page waits, of control messages the newest of each kind. What one
snapshot brings to a connection leaves in one write. A connection or a subscription may have a pace: pages wait for it,
and answers and control messages do not.

A broadcast writes a finished frame straight to the socket (`spot.hub.audience`), past the outbox. That is right only
while the connection has a single subscription and nothing waits, or two frames would tear each other apart. So the
socket's own send is handed out by `lend` alone, as a `Direct`, and called back before anything else can be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from spot.clients.limits import Bucket
from spot.clients.meter import OUTBOX, Meter
from spot.dialects.frames import DEFLATE_IN_THREAD, Message

if TYPE_CHECKING:
    from spot.hub.subscription import Subscription
    from spot.hub.update import Update

#: Frames are written together up to so many bytes; the rest waits until the peer has taken these.
_BATCH_BYTES = 256 * 1024

#: send(2): takes bytes, returns how many were taken, raises OSError.
Send = Callable[[bytes], int]


class FrameSocket(Protocol):
    """The server's side of a socket that takes finished frames (`spot.server.frames`)."""

    @property
    def ready(self) -> bool: ...

    @property
    def deflates(self) -> bool: ...

    @property
    def send_now(self) -> Send | None: ...

    @property
    def descriptor(self) -> int | None: ...

    def write_frame(self, frame: bytes, /) -> None: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Direct(NamedTuple):
    """A socket that a broadcast may write to, lent by its connection's outbox."""

    socket: FrameSocket
    send: Send
    descriptor: int
    meter: Meter | None = None


class Reply(Protocol):
    """An answer to the client, made when it can be sent: what waits for a slow reader weighs nothing."""

    def is_ready(self) -> bool:
        """Whether it can be made now; the first call begins the work that it takes."""

    def __call__(self) -> bytes | None:
        """Its payload; None where the dialect has none."""

    def cancel(self) -> None:
        """Nobody waits for it any more."""


class Owner(Protocol):
    """The connection of an outbox."""

    def wake(self) -> None:
        """Something waits, and the server takes no finished frames: take messages with `Outbox.next` and send them."""

    def written(self) -> None:
        """The socket has been given what it takes at the moment."""


class _Nobody:
    """The owner of an outbox whose connection has ended."""

    def wake(self) -> None: ...

    def written(self) -> None: ...


_NOBODY = _Nobody()


class Outbox:
    """The messages that wait for one connection, and its subscriptions by name."""

    __slots__ = (
        "_controls", "_deflating", "_free", "_gathers", "_timer", "binary", "frames", "meter", "owner", "pace", "pages",
        "replies", "sent", "socket", "subscriptions", "watched",
    )  # fmt: skip

    def __init__(self, owner: Owner, socket: FrameSocket | None, *, binary: bool = False) -> None:
        self.owner = owner
        self.socket = socket
        self.binary = binary
        #: How fast pages may be sent; None: as they come.
        self.pace: Bucket | None = None
        #: Counts what is sent, for a client with a key.
        self.meter: Meter | None = None
        #: The number of writes, and whether somebody looks at it: broadcasts, which count none, are not let in then.
        self.sent = 0
        self.watched = False
        self.subscriptions: dict[Hashable, Subscription] = {}
        #: The newest page of each subscription that has not been sent. The hub puts them here, many at a time.
        self.pages: dict[Any, Update] = {}
        #: The same as finished frames, in the subscriptions' slots, where all members of a group are sent the same;
        #: empty where nothing waits.
        self.frames: list[bytes] = []
        self._free: list[int] = []
        self.replies: list[Reply | Message] = []
        self._controls: dict[tuple[Subscription, type], Message] = {}
        self._deflating: asyncio.Task[None] | None = None
        self._gathers = False
        self._timer: asyncio.TimerHandle | None = None

    # --- the socket --------------------------------------------------------------------------------------------------

    def lend(self) -> Direct | None:
        """The socket, for broadcasts to the connection's only subscription; None while it is not ready for that."""
        socket = self.socket
        if socket is None or not socket.ready or len(self.subscriptions) != 1 or self.pages or self._gathers:
            return None  # of frames none waits while it is ready
        if self.pace is not None or any(subscription.pace for subscription in self.subscriptions.values()):
            return None
        if socket.send_now is None or socket.descriptor is None or self.watched:
            return None
        return Direct(socket, socket.send_now, socket.descriptor, self.meter)

    def call_back(self) -> None:
        """Take the socket back from broadcasts: they push to the outbox from now on."""
        for subscription in self.subscriptions.values():
            if subscription.group is not None:
                subscription.group.lanes.suspend(subscription)

    def offer(self) -> None:
        """Lend the socket to the broadcasts again, where that is possible."""
        for subscription in self.subscriptions.values():
            if subscription.group is not None:
                subscription.group.lanes.admit(subscription)

    @contextlib.contextmanager
    def gathering(self) -> Iterator[None]:
        """Write nothing until what is done inside has been done; then all of it, answers first."""
        if self._gathers:
            yield
            return
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            self.flush()
            if len(self.subscriptions) == 1:
                self.offer()

    # --- what waits --------------------------------------------------------------------------------------------------

    def add(self, subscription: Subscription) -> None:
        """Count a subscription in."""
        if len(self.subscriptions) == 1:  # of several none is lent
            self.call_back()
        if self._free:
            subscription.slot = self._free.pop()
        else:
            subscription.slot = len(self.frames)
            self.frames.append(b"")
        self.subscriptions[subscription.name] = subscription

    def remove(self, subscription: Subscription) -> None:
        """Count a subscription out, with what waits for it."""
        del self.subscriptions[subscription.name]
        self.withdraw(subscription)
        self._free.append(subscription.slot)
        if self._controls:
            self._controls = {key: message for key, message in self._controls.items() if key[0] is not subscription}
        if len(self.subscriptions) == 1:
            self.offer()

    def rename(self, subscription: Subscription, name: Hashable) -> None:
        """Give a subscription another name, which no other has."""
        del self.subscriptions[subscription.name]
        subscription.name = name
        self.subscriptions[name] = subscription

    def withdraw(self, subscription: Subscription) -> bool:
        """Drop the page that waits for a subscription; whether there was one."""
        frame, self.frames[subscription.slot] = self.frames[subscription.slot], b""
        return self.pages.pop(subscription, None) is not None or bool(frame)

    def reply(self, reply: Reply | Message) -> None:
        """Add an answer to the client; answers keep their order."""
        self.replies.append(reply)
        self.flush()

    def say(self, subscription: Subscription, message: Message, kind: type) -> None:
        """Add a control message; it replaces one of its kind."""
        self._controls[subscription, kind] = message
        self.flush()

    def close(self) -> None:
        """The connection has ended: nothing is sent any more, and nothing refers to it."""
        for reply in self.replies:
            if not isinstance(reply, Message):
                reply.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.owner = _NOBODY
        self.socket = None
        self.replies.clear()
        self.pages.clear()
        self.frames.clear()
        self._controls.clear()
        self.subscriptions.clear()

    # --- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Give the socket what it takes; the rest waits until it is ready again."""
        socket = self.socket
        if self._gathers:
            return
        if socket is None:
            self.owner.wake()
            return
        while socket.ready:
            frames, size = self._frames(socket)
            if not frames:
                break
            count = len(frames) - frames.count(b"")
            OUTBOX.frames += count
            OUTBOX.bytes += size
            if self.meter is not None:
                self.meter.count(count, size)
            socket.write_frame(frames[0] if len(frames) == 1 else b"".join(frames))
            self.sent += 1
        self.owner.written()

    def _frames(self, socket: FrameSocket) -> tuple[list[bytes], int]:
        """The next frames, to be written together, and their size; some may be empty."""
        deflates = socket.deflates
        frames: list[bytes] = []
        size = 0
        while size < _BATCH_BYTES and (message := self.next()) is not None:
            frame = message.deflated if deflates else message.frame
            frames.append(frame)
            size += len(frame)
        if not frames and any(self.frames):
            return self._finished()
        return frames, size

    def _finished(self) -> tuple[list[bytes], int]:
        """Take the finished frames, as far as they are written together, and their size."""
        frames = self.frames
        if (size := sum(map(len, frames))) <= _BATCH_BYTES:
            taken = frames.copy()
            frames[:] = [b""] * len(frames)
            return taken, size
        taken, size = [], 0
        for slot, frame in enumerate(frames):
            taken.append(frame)
            frames[slot] = b""
            size += len(frame)
            if size >= _BATCH_BYTES:
                break
        return taken, size

    def next(self) -> Message | None:
        """Take the next message: answers first, then control messages, then pages. None when nothing can be sent."""
        if (reply := self._next_reply()) is not None or self._deflating is not None:
            return reply
        if self._controls:
            return self._controls.pop(next(iter(self._controls)))
        while (subscription := self._next_page()) is not None:
            update = self.pages[subscription]
            message, seen = update.next_after(subscription.seq)
            if message is not None:
                message = message.labelled(subscription.label)
                if self._is_being_deflated(message):
                    return None
                for pace in (self.pace, subscription.pace):
                    if pace is not None:
                        pace.take()
            if seen == update.seq:
                del self.pages[subscription]
            subscription.seq = seen
            if message is not None:
                return message
        return None

    def _next_page(self) -> Subscription | None:
        """The subscription whose page is sent next; None while none may be sent."""
        first = next(iter(self.pages), None)
        if self.pace is None and (first is None or first.pace is None):
            return first
        now, soonest = asyncio.get_running_loop().time(), math.inf
        wait = 0.0 if self.pace is None else self.pace.wait(now)
        for subscription in self.pages:
            its = max(wait, 0.0 if subscription.pace is None else subscription.pace.wait(now))
            if not its:
                return subscription
            soonest = min(soonest, its)
            if wait:
                break
        if soonest < math.inf:
            self._flush_after(soonest)
        return None

    def _flush_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._flush_now)

    def _flush_now(self) -> None:
        self._timer = None
        self.flush()

    def _next_reply(self) -> Message | None:
        while self.replies:
            reply = self.replies[0]
            if isinstance(reply, Message):
                message = reply
            elif not reply.is_ready():
                return None
            elif (payload := reply()) is None:
                del self.replies[0]
                continue
            else:
                message = Message(payload, binary=self.binary)
            if self._is_being_deflated(message):
                self.replies[0] = message
                return None
            del self.replies[0]
            return message
        return None

    def _is_being_deflated(self, message: Message) -> bool:
        """Whether the message must first be deflated in a thread, because it is large; other sockets are served
        meanwhile, and this one takes nothing."""
        socket = self.socket
        if socket is None or not socket.deflates or message.is_deflated or len(message.payload) < DEFLATE_IN_THREAD:
            return False
        socket.hold()
        self._deflating = asyncio.create_task(self._deflate(socket, message))
        return True

    async def _deflate(self, socket: FrameSocket, message: Message) -> None:
        await asyncio.to_thread(message.deflate)
        self._deflating = None
        socket.release()
