"""JSON Schema of every message of the stream, both ways, and its channel in the contract. Pure."""

from __future__ import annotations

from functools import cache

from spot.codes import MISSING, NOTICES
from spot.dialects.envelope import Envelope
from spot.dialects.interface import Channel, Form, Payload, pascal
from spot.dialects.schema import ERROR, MEANINGS, closed, events_schema, frame_schemas, parameters_schema
from spot.dialects.stream_frames import CHANNELS, FASTEST, LONGEST_ID, METHODS, MOST, SAFE, SLOWEST
from spot.dialects.values import STATES
from spot.feeds import Feed
from spot.feeds.base import row_schema
from spot.feeds.params import Schema
from spot.feeds.price import PRICE

_TEXT: Schema = {"type": "string"}
_TRUTH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "integer", "x-unit": "epoch ms"}
_ID: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": -SAFE, "maximum": SAFE},
        {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
    ]
}
_SUBSCRIBED = {"description": "the id of the subscription: that of the message which began it", **_ID}
_ASKED = {"description": "the id of the message that is answered", **_ID}
_COUNTS: dict[str, Schema] = {
    "sub_count": {"description": "subscriptions of the connection", **_COUNT},
    "sub_limit": {"description": "how many it may have", **_COUNT},
}
_MISSING: Schema = {
    "type": "object",
    "additionalProperties": closed({"code": {"type": "string", "enum": list(MISSING)}, "message": _TEXT}),
}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _told(schema: Schema, feed: Feed | None = None) -> Schema:
    """A frame of the envelope as a subscription gets it."""
    own = {"id": _SUBSCRIBED} | ({"coin_id": _TEXT} if feed in (None, PRICE) else {})
    required = [*schema["required"], *(["coin_id"] if feed is PRICE else [])]
    return {**schema, "properties": own | schema["properties"], "required": required}


@cache
def subscription_schemas(channel: str) -> dict[str, Schema]:
    """The frames of a subscription to a channel, by their `type`."""
    feed = CHANNELS[channel]
    frames = frame_schemas(feed, Envelope(deltas=True))
    told = {kind: _told(frames[kind], feed) for kind in ("status", "heartbeat")}
    if feed is PRICE:
        return told | {"price": _price()}
    told |= {kind: _told(frames[kind], feed) for kind in ("snapshot", "delta")}
    if feed.events:
        told["events"] = _told(events_schema(feed), feed)
    return told


def _price() -> Schema:
    row = row_schema(PRICE.columns)
    frame = closed(
        {
            "type": {"const": "price"},
            "channel": {"const": PRICE.channel},
            "vs_currency": _TEXT,
            "seq": {"description": MEANINGS["seq"], **_COUNT},
            "epoch": _TEXT,
            "source": {"description": MEANINGS["source"], **_TEXT},
            "simulated": _TRUTH,
            "stale": {"description": MEANINGS["stale"], **_TRUTH},
            "missing": _MISSING,
            "data": {"description": "the coin; null while it is missing", **_or_null(row)},
        },
        optional=("missing",),
    )
    return _told(frame, PRICE)


@cache
def connection_schemas() -> dict[str, Schema]:
    """The frames of the connection itself, by their `type`."""
    channel: Schema = {"type": "string", "enum": list(CHANNELS)}
    entry = closed(
        {
            "id": _or_null(_ID),
            "channel": channel,
            "params": {"type": "object"},
            "delta": _TRUTH,
            "max_rate": {"type": ["number", "null"]},
            "state": {"type": "string", "enum": list(STATES)},
            "seq": _or_null(_COUNT),
            "epoch": _or_null(_TEXT),
            "as_of": _or_null(_TIME),
            "age_ms": _or_null({**_COUNT, "x-unit": "ms"}),
            "stale": _or_null(_TRUTH),
        }
    )
    error: dict[str, Schema] = {
        **ERROR["properties"],
        "id": _ID,
        "channel": channel,
        "coin_id": _TEXT,
        "ended": {"description": "whether the subscription has ended, where one cannot be served after all", **_TRUTH},
        **_COUNTS,
    }
    notice: dict[str, Schema] = {
        "type": {"const": "notice"},
        "code": {"type": "string", "enum": list(NOTICES)},
        "message": _TEXT,
    }
    return {
        "welcome": closed(
            {
                "type": {"const": "welcome"},
                "session": {"description": "the connection's name in the server's logs", **_TEXT},
                "ts": _TIME,
                "ping_interval_ms": _COUNT,
                "sub_limit": _COUNT,
                "message_bytes": _COUNT,
                "messages_per_second": {"type": "number"},
                "messages_out_per_second": {"type": "number"},
                "methods": {"type": "array", "items": {"enum": list(METHODS)}},
                "channels": {"type": "array", "items": channel},
            }
        ),
        "ack": closed(
            {
                "type": {"const": "ack"},
                "id": _ASKED,
                "method": {"enum": ["subscribe", "unsubscribe", "replace", "update"]},
                "channel": channel,
                "duplicate": {"const": True},
                "subscription": _or_null(_ID),
                "missing": _MISSING,
                "left": {"description": "subscriptions that were ended", **_COUNT},
                **_COUNTS,
            },
            optional=("id", "channel", "duplicate", "subscription", "missing", "left"),
        ),
        "error": closed(error, optional=tuple(name for name in error if name not in ERROR["required"])),
        "pong": closed({"type": {"const": "pong"}, "id": _ASKED, "ts": _TIME}, optional=("id",)),
        "list": closed(
            {
                "type": {"const": "list"},
                "id": _ASKED,
                **_COUNTS,
                "subscriptions": {"type": "array", "items": entry},
            },
            optional=("id",),
        ),
        "export": closed(
            {"type": {"const": "export"}, "id": _ASKED, "format": {"const": "csv"}, "filename": _TEXT, "data": _TEXT},
            optional=("id",),
        ),
        "drain": closed(
            {"type": {"const": "drain"}, "ts": _TIME, "closes_in_ms": {**_COUNT, "x-unit": "ms"}, "code": _COUNT}
        ),
        "notice": _told(closed(notice)),
    }


@cache
def message_schemas() -> dict[str, Schema]:
    """The messages of clients, by method."""
    rate = _or_null({"type": "number", "minimum": SLOWEST, "maximum": FASTEST})
    wishes = [_wish(feed, rate) for feed in CHANNELS.values()]
    channel: Schema = {"type": "string", "enum": list(CHANNELS)}
    fields: dict[str, dict[str, Schema]] = {
        "unsubscribe": {"subscription": _ID, "channel": channel, "params": {"type": "object"}, "all": {"const": True}},
        "replace": {"subscriptions": {"type": "array", "maxItems": MOST, "items": {"anyOf": wishes}}},
        "update": {"subscription": _ID, "params": {"type": "object"}, "delta": _TRUTH, "max_rate": rate},
        "list": {},
        "export": {"subscription": _ID, "format": {"const": "csv"}},
        "ping": {},
    }
    methods = {
        method: closed(
            {"id": _ID, "method": {"const": method}, **its},
            optional=("id", *(name for name in its if name != "subscriptions")),
        )
        for method, its in fields.items()
    }
    subscribing = [
        {
            **wish,
            "properties": {"method": {"const": "subscribe"}, **wish["properties"]},
            "required": ["method", *wish["required"]],
        }
        for wish in wishes
    ]
    return {"subscribe": {"anyOf": subscribing}, **methods}


def _wish(feed: Feed, rate: Schema) -> Schema:
    params = parameters_schema(feed, modes=False)
    since: Schema = {"anyOf": [_COUNT, {"type": "string", "minLength": 1}]} if feed.events else _COUNT
    fields: dict[str, Schema] = {
        "id": _ID,
        "channel": {"const": feed.channel},
        "params": params,
        "delta": _TRUTH,
        "max_rate": rate,
        "since": since,
        "epoch": {"type": "string", "minLength": 1},
    }
    needed = ("channel", "params") if params["required"] else ("channel",)
    return closed(fields, optional=tuple(name for name in fields if name not in needed))


def channel(path: str) -> Channel:
    """The stream as the contract has it."""
    frames = [Payload(f"Stream{pascal(kind)}", schema) for kind, schema in connection_schemas().items()]
    for name in CHANNELS:
        kinds = subscription_schemas(name).items()
        frames += [
            Payload(f"Stream{pascal(name)}{pascal(kind)}", schema, f"{kind} of {name}") for kind, schema in kinds
        ]
    messages = tuple(Payload(f"Stream{pascal(name)}Message", schema) for name, schema in message_schemas().items())
    form = Form("stream", "frames of the connection, and of each subscription with its id", {}, tuple(frames))
    return Channel("Stream", path, "one socket for all feeds and single coins", (form,), messages=messages)
