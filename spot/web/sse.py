"""The door for server-sent events: an HTTP answer that goes on, with the subscriptions of a connection.

Refusals come before the answer starts, in the shape of the HTTP door; what turns out later is told by an event. A
stream counts as a connection of its client. Pages reach it as they reach a WebSocket: through its subscriptions in the
hub and its outbox, straight to the server's socket where that takes finished chunks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from django.conf import settings

from spot.clients.limits import admission, sending
from spot.clients.meter import OUTBOX, Meter
from spot.clients.plans import Client
from spot.clients.roster import roster
from spot.codes import Refused
from spot.dialects.base import Subscribe
from spot.dialects.documented import error
from spot.dialects.interface import EVENTS
from spot.dialects.sse import Chunk, EventStream, go_on, newest_event, position, read_feed, read_several
from spot.dialects.values import Failed
from spot.feeds import Feed
from spot.hub.outbox import Outbox
from spot.hub.subscription import Subscription
from spot.metrics import OPENED, REFUSALS, SLOW, increment
from spot.server.chunks import EXTENSION, ChunkSocket
from spot.web.answers import Headers, Request, Response, refusal
from spot.web.following import Following
from spot.web.remembered import Remembered
from spot.web.stay import Stay

_feed, _several = Remembered(read_feed), Remembered(read_several)
_VARY = b"Accept, Origin"
_HEADERS: Headers = [
    (b"Content-Type", EVENTS.encode()),
    (b"Cache-Control", b"no-cache, no-transform"),
    (b"X-Accel-Buffering", b"no"),  # nginx passes each event on as it comes
]
#: Seconds of silence after which a comment shows proxies and clients that the stream lives.
_SILENCE_SECONDS = 15
_KEEP_ALIVE = Chunk(b": keep-alive\n\n")
#: Clients reconnect after so many milliseconds, drawn for each, so that not all come back at once.
_RETRY_MS = (2000, 5000)
#: A dismissed client that does not read is cut after so many seconds.
_FAREWELL_SECONDS = 1.0


async def one(feed: Feed, request: Request) -> Response:
    """The stream of one view, as the query string asks for it."""
    try:
        return _answer(request, _feed(request.query_string, feed, settings.SPOT_DEPTH))
    except Refused as refused:
        return refusal(refused)


async def several(request: Request) -> Response:
    """One stream of several views."""
    try:
        return _answer(request, _several(request.query_string, settings.SPOT_DEPTH))
    except Refused as refused:
        return refusal(refused)


def _answer(request: Request, wishes: tuple[Subscribe, ...]) -> Response:
    """Raises `Refused`."""
    if not _accepts(request.header(b"accept")):
        raise Refused("not_acceptable", f"This path answers {EVENTS} only.", "Accept", f"{EVENTS}, text/* or */*")
    stream = EventsAnswer(request.client)
    stream.open(wishes, request.header(b"last-event-id") or "")
    return Response(200, _HEADERS, vary=_VARY, stream=stream)


def _accepts(header: str | None) -> bool:
    """Whether an Accept header allows events: no header allows everything."""
    if header is None:
        return True
    for item in header.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        if kind in (EVENTS, "text/*", "*/*") and not {"q=0", "q=0.0", "q=0.00", "q=0.000"} & {*parameters}:
            return True
    return False


class EventsAnswer:
    """One stream: its subscriptions, its outbox, and the answer that they are written to."""

    #: Counts what the client is sent.
    meter: Meter | None
    #: It speaks a protocol of our own.
    protocol = ""
    speaks = EventStream.name

    def __init__(self, client: Client) -> None:
        self.who = client
        self.meter = Meter()
        self._stay = Stay()
        self._outbox = Outbox(self, None)
        self._following = Following(client, EventStream(), self._outbox, self._refuse_later)
        self._socket: ChunkSocket | None = None
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        #: The subscriptions to feeds of events in a stream of several, by their place in the address; the number of the
        #: newest event that was sent of each, and its identity.
        self._placed: dict[int, Subscription] = {}
        self._sent: dict[int, int] = {}
        self._newest: dict[int, str] = {}
        self._pages: list[object] = []

    # --- the connection ----------------------------------------------------------------------------------------------

    def open(self, wishes: tuple[Subscribe, ...], last_event_id: str) -> None:
        """Count the stream in, and follow the views. Raises `Refused`, and has changed nothing then."""
        self._outbox.pace = sending(self.who.plan)
        admission.enter(self.who)
        roster.enter(self)
        increment(OPENED, "sse")
        self._outbox.meter = self.meter
        try:
            for place, wish in enumerate(go_on(wishes, last_event_id)):
                self._following.subscribe(wish)
                if wish.view.feed.events and wish.name:
                    self._placed[place] = self._outbox.subscriptions[wish.name]
        except Refused:
            self.release()
            raise

    def release(self) -> None:
        """Give back everything."""
        self._following.leave_all()
        del self._following  # it refers to us
        if self._timer is not None:
            self._timer.cancel()
        roster.leave(self)
        self._outbox.close()
        self._placed.clear()
        admission.leave(self.who)

    async def serve(self, scope: dict[str, Any], receive: Any, send: Any, head: Headers) -> None:
        """Send the answer until it has ended or the client has gone; to a HEAD, its head."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": head})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            retry = b"retry: %d\n\n" % random.randint(*_RETRY_MS)
            await send({"type": "http.response.body", "body": retry, "more_body": True})
            self._timer = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._keep_alive)
            if (extension := scope.get("extensions", {}).get(EXTENSION)) is not None:
                self._write_chunks(socket := extension["open"]())
                await socket.gone.wait()
            else:
                await self._write_until_gone(receive, send)
        finally:
            self.release()
            if scope["method"] != "HEAD":
                if self._socket is not None and self._socket.cut:
                    self._stay.refuse("slow_reader")
                self._stay.log(self, scope["path"])

    # --- what is said ------------------------------------------------------------------------------------------------

    def _refuse_later(self, subscription: Subscription, refused: Refused) -> None:
        """A view does not exist after all: its stream goes on with the others, if there are any."""
        increment(REFUSALS, "sse", refused.code)
        payload = subscription.dialect.write(Failed(None, refused))
        assert payload is not None, "a refusal has its event"
        self._placed = {place: one for place, one in self._placed.items() if one is not subscription}
        self._ending = self._following.ended(subscription) and not len(self._following)
        self._outbox.reply(Chunk(payload).labelled(subscription.label))

    def dismiss(self, refused: Refused) -> None:
        """Tell the client why, and end the stream soon."""
        self._stay.refuse(refused.code)
        increment(REFUSALS, "sse", refused.code)
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self._cut)
        self._outbox.reply(Chunk(b"data: %b\n\n" % error(refused)))

    def _cut(self) -> None:
        if self._socket is not None:
            self._socket.end()

    def _keep_alive(self) -> None:
        """Send a comment, unless pages have come meanwhile."""
        subscriptions = self._outbox.subscriptions.values()
        pages: list[object] = [one.group and one.group.update for one in subscriptions]
        if pages == self._pages and not self._outbox.replies:
            self._outbox.reply(_KEEP_ALIVE)
        self._pages = pages
        self._timer = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._keep_alive)

    def _tell_position(self) -> None:
        """Say where to go on after a reconnect, once another event has been sent."""
        moved = False
        for place, subscription in self._placed.items():
            update = subscription.group and subscription.group.update
            if update and subscription.seq == update.seq != self._sent.get(place) and (newest := newest_event(update)):
                self._sent[place], self._newest[place], moved = update.seq, newest, True
        if moved:
            self._outbox.reply(Chunk(position(self._newest)))

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write_chunks(self, socket: ChunkSocket) -> None:
        """The server takes finished chunks from now on."""
        self._socket = socket
        socket.when_ready, socket.when_blocked = self._ready_again, self._outbox.call_back
        self._outbox.call_back()
        self._outbox.socket = socket
        self._ready_again()

    def _ready_again(self) -> None:
        self._outbox.flush()
        self._outbox.offer()

    def written(self) -> None:
        """The socket has been given what it takes at the moment."""
        if self._placed:
            self._tell_position()
        if self._ending and self._socket is not None and not self._outbox.replies:
            self._socket.end()

    def wake(self) -> None:
        """Something waits, and the server takes no finished chunks."""
        self._woken.set()

    async def _write_until_gone(self, receive: Any, send: Any) -> None:
        gone, writer = asyncio.create_task(_until_gone(receive)), asyncio.create_task(self._write(send))
        try:
            await asyncio.wait((gone, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            writer.cancel()
            await asyncio.gather(gone, writer, return_exceptions=True)

    async def _write(self, send: Any) -> None:
        """Send what waits; a reader that does not read is cut at the deadline."""
        with contextlib.suppress(TimeoutError):
            while True:
                await self._woken.wait()
                self._woken.clear()
                while (message := self._outbox.next()) is not None:
                    async with asyncio.timeout(settings.SPOT_SEND_SECONDS or None):
                        await send({"type": "http.response.body", "body": message.payload, "more_body": True})
                    OUTBOX.frames += 1
                    OUTBOX.bytes += len(message.payload)
                    if self.meter is not None:
                        self.meter.count(1, len(message.payload))
                self.written()
                if self._ending and not self._outbox.replies:
                    await send({"type": "http.response.body", "body": b""})
                    return
        increment(SLOW, "sse")
        self._stay.refuse("slow_reader")


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
