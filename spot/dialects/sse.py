"""Server-sent events: the envelope's messages as events of one HTTP answer that goes on. Pure.

A client cannot speak after its request, so the address says everything: one view at `sse/<feed>`, several at
`sse/stream`, where each event is named after the view that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar
from urllib.parse import parse_qsl, quote, unquote

from spot.codes import Refused, bad_value
from spot.dialects import own_interface
from spot.dialects.base import Since, Subscribe
from spot.dialects.envelope import Envelope
from spot.dialects.frames import Body, Message, Once, Parts
from spot.dialects.interface import EVENTS, Channel, Form, Header, Operation, Outcome, Payload, pascal
from spot.dialects.messages import MODES
from spot.dialects.own import MAX_QUERY_STRING, PREFIX, read_address
from spot.dialects.schema import closed, parameters_schema
from spot.dialects.values import Delta, Events, Page, Value
from spot.feeds import FEEDS, Feed
from spot.feeds.answer import Answer
from spot.feeds.params import Schema

#: The paths of all streams of events begin with it.
PATH = f"{PREFIX}/sse"
#: The path of several views in one stream.
SEVERAL = f"{PATH}/stream"
#: Views that one stream may have.
MAX_VIEWS = 50
#: The longest text of one view in a stream, in characters: each of its events carries it.
MAX_TEXT = 1000


class _ChunkBody(Body):
    """What chunks with the same data have in common."""

    @Once
    def parts(self) -> Parts:
        return Parts(partial(_opening, len(self.payload)), self.payload + b"\r\n")


class Chunk(Message):
    """A part of a stream, as HTTP/1.1 frames it (RFC 9112, section 7.1)."""

    @Once
    def body(self) -> Body:
        """As of a `Message`."""
        return _ChunkBody(self.payload, binary=False)


def _opening(rest: int, label: int) -> bytes:
    return b"%x\r\n" % (label + rest)


@dataclass(frozen=True)
class EventStream(Envelope):
    """Events of one view; with `several`, of one among others in a stream: its events are named after it, and where to
    go on is for the connection to tell."""

    name: ClassVar[str] = "sse"
    subscriptions: ClassVar[int] = MAX_VIEWS
    several: bool = False

    def label(self, wish: Subscribe) -> bytes:
        """The field that names an event."""
        return b"event: %b\n" % str(wish.name).encode() if self.several else b""

    def message(self, payload: bytes) -> Message:
        """A finished event."""
        return Chunk(payload)

    def write(self, value: Value) -> bytes | None:
        """The envelope's message as an event, pages with where to go on."""
        payload = super().write(value)
        if payload is None:
            return None
        identifier = None if self.several else self._identifier(value)
        field = f"id: {identifier}\n".encode() if identifier else b""
        return b"".join((field, b"data: ", payload, b"\n\n"))

    def _identifier(self, value: Value) -> str | None:
        match value:
            case Page() | Delta(_, Page()):
                return str((value.page if isinstance(value, Delta) else value).seq)
        return None


@dataclass(frozen=True)
class EachEvent(EventStream):
    """The same of a feed of events, of which each is sent once, after a first page."""

    numbered: ClassVar[bool] = False
    events: ClassVar[bool] = True

    def same(self, before: Page, page: Page) -> bool:
        """Whether no event has come, and freshness is as it was."""
        return (before.seq, before.stale) == (page.seq, page.stale)

    def _identifier(self, value: Value) -> str | None:
        match value:
            case Page() | Events():
                return newest_event(value.page if isinstance(value, Events) else value)
        return None


# --- addresses --------------------------------------------------------------------------------------------------------


def read_feed(query_string: bytes, feed: Feed, depth: int) -> tuple[Subscribe, ...]:
    """The view of `sse/<feed>`. Raises `Refused`."""
    return (_wish(feed, query_string, depth),)


def read_several(query_string: bytes, depth: int) -> tuple[Subscribe, ...]:
    """The views of `sse/stream`: each value of `subscribe` is a feed with its query string, such as
    `market?page_size=3`. One that is named twice is followed once. Raises `Refused`."""
    if len(query_string) > MAX_QUERY_STRING:
        raise Refused("bad_message", f"The query string is longer than {MAX_QUERY_STRING} bytes.")
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Refused("bad_message", "The query string is not UTF-8, or has more than 100 fields.") from error
    for name, _text in pairs:
        if name != "subscribe":
            raise Refused(
                "unknown_field",
                f"A stream takes subscribe, once for each view, and no {name[:40]!r}. An & within a view is written "
                "%26, as in subscribe=market?page_size=3%26page=2.",
                name[:40],
                "subscribe",
            )
    texts = tuple(dict.fromkeys(text for _name, text in pairs))
    if not texts:
        message = "subscribe is missing: name a view, as in subscribe=market?page_size=3."
        raise Refused("missing_field", message, "subscribe")
    if len(texts) > MAX_VIEWS:
        raise Refused("too_many_queries", f"At most {MAX_VIEWS} views in one stream.", "subscribe")
    return tuple(_named(text, depth) for text in texts)


def _named(text: str, depth: int) -> Subscribe:
    channel, _, query = text.partition("?")
    feed = FEEDS.get(channel)
    if feed is None:
        raise bad_value("subscribe", f"a feed ({', '.join(FEEDS)}), with ? and its parameters", text)
    if len(text) > MAX_TEXT or not text.isprintable():
        raise bad_value("subscribe", f"at most {MAX_TEXT} printable characters for each view")
    try:
        return _wish(feed, query.encode(), depth, text)
    except Refused as refused:
        refused.message = f"subscribe={text[:100]}: {refused.message}"
        raise


def _wish(feed: Feed, query_string: bytes, depth: int, name: str = "") -> Subscribe:
    view, envelope = read_address(feed, query_string, depth, envelope=True)
    made = EachEvent if feed.events else EventStream
    return Subscribe(name, view, dialect=made(deltas=envelope.deltas and not feed.events, several=bool(name)))


# --- the interface ----------------------------------------------------------------------------------------------------

#: What a program never gets, because it cannot speak after its request.
_ANSWERS = {"Pong", "Export"}


def interface() -> list[Channel]:
    """The channels of all streams."""
    return [*(_channel(feed) for feed in FEEDS.values()), _several()]


def _forms(feed: Feed) -> list[Form]:
    whole = "whole pages, and of events each once" if feed.events else "each page with its snapshot, its age and source"
    forms = [Form("envelope", whole, {}, _frames(feed, EachEvent() if feed.events else EventStream()))]
    if not feed.events:
        changes = "one snapshot, then what has changed"
        forms.append(Form("delta", changes, {"delta": "1"}, _frames(feed, EventStream(deltas=True))))
    return forms


def _frames(feed: Feed, dialect: EventStream) -> tuple[Payload, ...]:
    return tuple(frame for frame in own_interface.frames(feed, dialect) if frame.name not in _ANSWERS)


def _channel(feed: Feed) -> Channel:
    parameters = parameters_schema(feed)
    own = {name: one for name, one in parameters["properties"].items() if name not in MODES or name == "delta"}
    return Channel(
        id=f"{pascal(feed.channel)}Events",
        path=f"/{PATH}/{feed.channel}",
        summary=feed.purpose,
        forms=tuple(_forms(feed)),
        parameters={**parameters, "properties": own},
        protocol="sse",
    )


def _several() -> Channel:
    views: Schema = {
        "type": "array",
        "items": {"type": "string", "maxLength": MAX_TEXT},
        "minItems": 1,
        "maxItems": MAX_VIEWS,
        "uniqueItems": True,
        "description": "a feed with its query string, such as market?page_size=3",
    }
    frames = {frame.name: frame for feed in FEEDS.values() for form in _forms(feed) for frame in form.frames}
    return Channel(
        id="StreamEvents",
        path=f"/{SEVERAL}",
        summary="several views in one stream; the name of an event is the text of its view",
        forms=(Form("views", "the messages of each view", {}, tuple(frames.values())),),
        parameters=closed({"subscribe": views}),
        protocol="sse",
    )


#: Codes with which a stream may be refused, beyond those of its feeds.
_ERRORS = ("not_acceptable", "too_many_connections", "overloaded")


def operation(feed: Feed | None = None) -> Operation:
    """The same for programs that read the document of HTTP: the stream of a feed, or that of several views."""
    channel = _channel(feed) if feed else _several()
    listed = (feed,) if feed else tuple(FEEDS.values())
    errors = dict.fromkeys(code for one in listed for code in own_interface.errors(one))
    text = Payload("EventStream", {"type": "string"}, "server-sent events", EVENTS)
    return Operation(
        id=f"stream{channel.id}",
        summary=f"{channel.summary}; as server-sent events",
        tag="events",
        answers=(Outcome(200, "an answer that goes on until the client ends it", (text,)),),
        parameters=channel.parameters,
        errors=(*errors, *_ERRORS),
        sends=(Header("Last-Event-ID", "the `id` of the last event that the client has, to go on after it"),),
        repeated=() if feed else ("subscribe",),
        about=f"The messages are those of the channel `{channel.id}` in /docs/asyncapi.json.",
    )


# --- where to go on ---------------------------------------------------------------------------------------------------


def newest_event(page: Page) -> str | None:
    """The identity of the newest event of a view, in the characters that an identifier may have: an event keeps it
    across processes and restarts."""
    keys = Answer(page.answer.view.whole, page.answer.table, extended=True).keys()
    return quote(str(keys[0])) if keys else None


def position(newest: Mapping[int, str]) -> bytes:
    """What tells a client of several views where to go on: the newest event of each, by the place of its view in the
    address. It is no event for programs, because it has no data."""
    return f"id: {'&'.join(f'{place}={identity}' for place, identity in sorted(newest.items()))}\n\n".encode()


def go_on(wishes: Sequence[Subscribe], last_event_id: str) -> Sequence[Subscribe]:
    """The wishes of a client that comes back. Prices begin with their newest page."""
    if not last_event_id:
        return wishes
    seen = {place: unquote(identity) for place, _, identity in (one.partition("=") for one in last_event_id.split("&"))}
    if wishes[0].name == "":
        seen = {"0": unquote(last_event_id)}
    return [
        replace(wish, since=Since(key=seen[str(place)])) if wish.view.feed.events and str(place) in seen else wish
        for place, wish in enumerate(wishes)
    ]
