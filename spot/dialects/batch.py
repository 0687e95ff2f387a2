"""The batch: several views in one message, and their answers in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import orjson

from spot.codes import Refused, bad_value
from spot.dialects import own_interface
from spot.dialects.base import Dialect
from spot.dialects.interface import JSON, Payload
from spot.dialects.own import read_parameters
from spot.dialects.own_interface import REFUSED
from spot.dialects.schema import closed, parameters_schema
from spot.feeds import FEEDS, Feed
from spot.feeds.params import Schema
from spot.feeds.view import View
from spot.query.jsontext import dumps

#: The largest request that is read, in bytes, and the most views of one.
MAX_REQUEST, MAX_VIEWS = 64 * 1024, 20
#: The most bytes of all answers together.
MAX_ANSWER = 4 * 1024 * 1024
_EXAMPLE = '{"feed": "market", "params": {"page_size": 3}}'
_TAG: Schema = {"type": "string", "description": "the ETag of an earlier answer; a 304 says that it is unchanged"}
_FIELDS = ("feed", "params", "if_none_match")


class Wanted(NamedTuple):
    """One view of a batch; `tag` is the ETag of an earlier answer."""

    view: View
    dialect: Dialect
    tag: str | None = None


class Part(NamedTuple):
    """The answer to one view. Without a body it is the one that the client has."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def read(body: bytes, depth: int) -> list[Wanted | Refused]:
    """The views of a batch, or the refusal of each that cannot be. Raises `Refused` where the whole cannot be read."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused("bad_message", "The body is not valid JSON.") from error
    if not isinstance(message, dict):
        raise Refused("bad_message", f'The body must be a JSON object such as {{"views": [{_EXAMPLE}]}}.')
    for name in message:
        if name != "views":
            raise Refused("unknown_field", f"A batch takes no {name[:40]!r}. It has views only.", name[:40], "views")
    views = message.get("views")
    if not isinstance(views, list) or not 1 <= len(views) <= MAX_VIEWS:
        raise bad_value("views", f"a list of 1 to {MAX_VIEWS} views such as {_EXAMPLE}")
    return [_read_one(f"views[{place}]", raw, depth) for place, raw in enumerate(views)]


def _read_one(place: str, raw: object, depth: int) -> Wanted | Refused:
    try:
        feed, params, tag = _fields(place, raw)
    except Refused as refused:
        return refused
    try:
        if params.pop("format", "json") != "json":
            raise bad_value("format", "json: the answers of a batch are JSON")
        return Wanted(*read_parameters(feed, params, depth), tag)
    except Refused as refused:
        return placed(refused, place)


def _fields(place: str, raw: object) -> tuple[Feed, dict[str, object], str | None]:
    """The feed of a view, the parameters that are given, and the ETag. Raises `Refused`."""
    if not isinstance(raw, dict):
        raise bad_value(place, f"an object such as {_EXAMPLE}")
    for name in raw:
        if name not in _FIELDS:
            message = f"{place} takes no {name[:40]!r}. Fields: {', '.join(_FIELDS)}."
            raise Refused("unknown_field", message, f"{place}.{name[:40]}", ", ".join(_FIELDS))
    channel, params, tag = raw.get("feed"), raw.get("params", {}), raw.get("if_none_match")
    if channel is None:
        raise Refused("missing_field", f"{place}.feed is required.", f"{place}.feed", ", ".join(FEEDS))
    if not isinstance(channel, str) or channel not in FEEDS:
        raise Refused("unknown_feed", f"{place}.feed must be one of {', '.join(FEEDS)}.", f"{place}.feed")
    if not isinstance(params, dict):
        raise bad_value(f"{place}.params", "an object of parameters by name")
    if tag is not None and not isinstance(tag, str):
        raise bad_value(f"{place}.if_none_match", "the ETag of an earlier answer")
    return FEEDS[channel], {name: value for name, value in params.items() if value is not None}, tag


def placed(refused: Refused, place: str) -> Refused:
    """The refusal of a parameter, with its place in the batch; as it is where none is the cause."""
    if refused.field is None:
        return refused
    return replace(refused, message=f"{place}: {refused.message}", field=f"{place}.params.{refused.field}")


def write(parts: Iterable[Part]) -> bytes:
    """The answer to a batch. The bodies stand in it byte for byte as their own requests would get them."""
    return b'{"views":[' + b",".join(map(_write_one, parts)) + b"]}"


def _write_one(part: Part) -> bytes:
    head = dumps({"status": part.status, "headers": part.headers})
    return head[:-1] + b',"body":' + part.body + b"}" if part.body else head


def request() -> Payload:
    """The body of a request."""
    kinds = [_view(channel, feed) for channel, feed in FEEDS.items()]
    views = {"type": "array", "minItems": 1, "maxItems": MAX_VIEWS, "items": {"anyOf": kinds}}
    return Payload("BatchRequest", closed({"views": views}), "the views, each with its parameters as JSON values")


def _view(channel: str, feed: Feed) -> Schema:
    fields = {"feed": {"const": channel}, "params": parameters_schema(feed), "if_none_match": _TAG}
    needs_params = any(param.required for param in feed.params)
    return closed(fields, optional=("if_none_match",) if needs_params else ("params", "if_none_match"))


def answer() -> Payload:
    """The body of an answer."""
    bodies = [body.schema for feed in FEEDS.values() for body in own_interface.bodies(feed) if body.media == JSON]
    part = closed(
        {
            "status": {"type": "integer", "description": "the HTTP status that its own request would get"},
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "the headers of its own: age, source, what is missing, ETag, Retry-After",
            },
            "body": {
                "anyOf": [*bodies, REFUSED.schema],
                "description": "the body that its own request would get; none with 304",
            },
        },
        optional=("body",),
    )
    parts = {"type": "array", "items": part}
    return Payload("Batch", closed({"views": parts}), "the answers, in the order of the views")
