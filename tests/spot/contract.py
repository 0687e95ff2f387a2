"""Holds every frame and answer that a test gets from the feeds' own paths against its JSON Schema.

A validator is compiled once per feed, dialect and type, and a text that has been seen is not validated again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import orjson
from django.conf import settings

from spot import dialects
from spot.codes import Refused
from spot.dialects import schema, stream_schema
from spot.dialects.base import Dialect, Route, Subscribe
from spot.dialects.coingecko import stream_schema as coingecko
from spot.dialects.coinmarketcap import stream_schema as coinmarketcap
from spot.dialects.credentials import Asked as Shown
from spot.dialects.credentials import find
from spot.dialects.documented import Documented
from spot.dialects.interface import Operation
from spot.dialects.own import PREFIX, read_address
from spot.feeds import FEEDS, Feed
from spot.web import http

#: A feed and a dialect; None: an address that is refused, from which only errors come.
Asked = tuple[Feed, Dialect] | None


@cache
def _routes() -> dict[str, Route]:
    return {route.path: route for route in dialects.routes()}


@cache
def _schemas(asked: Asked) -> dict[str, schema.Schema]:
    if asked is None:
        return {"error": schema.ERROR}
    feed, dialect = asked
    return schema.frame_schemas(feed, dialect) | {"answer": schema.answer_schema(feed, dialect)}


@cache
def _validator(asked: Asked, kind: str) -> Any:
    return jsonschema_rs.Draft202012Validator(_schemas(asked)[kind])


def _name(asked: Asked) -> str:
    return f"{asked[0].channel} in {asked[1]}" if asked else "a refused address"


def _validate(asked: Asked, kind: str, value: Any) -> None:
    for error in _validator(asked, kind).iter_errors(value):
        raise AssertionError(f"{kind} from {_name(asked)}: {error.message}, at {error.instance_path}")


@lru_cache(maxsize=512)
def _check_frame(asked: Asked, payload: bytes) -> None:
    if asked is not None and not asked[1].extended and payload[:1] not in b"[{":
        names = payload.partition(b"\r\n")[0].decode().split(",")  # the export of a plain shape is CSV
        columns = {column.name for column in asked[0].columns}
        assert {*names} <= {*columns, "id", "source", "time_utc"}, f"columns of a CSV: {names}"
        return
    value = orjson.loads(payload)
    kind = value.get("type", "rows") if isinstance(value, dict) else "rows"
    assert kind in _schemas(asked), f"{_name(asked)} has no frame of the type {kind}"
    _validate(asked, kind, value)


@cache
def _columns(feed: Feed) -> dict[str, Any]:
    """Of a feed that is a table: by header, the validator of the cells below it, as a list."""
    headers = schema.answer_schema(feed, Documented())["properties"]["headers"]
    return {
        name: jsonschema_rs.Draft202012Validator({"type": "array", "items": cell})
        for name, cell in headers["x-columns"].items()
    }


class Cells:
    """Holds the cells of a table against their own columns, those of deltas by the headers of the page before."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._headers: list[str] = []

    def check(self, value: Any) -> None:
        """Fail for a cell that is not as its column says."""
        table = value.get("data", value)
        if "headers" in table:
            self._headers = table["headers"]
            columns = dict(zip(self._headers, zip(*table["rows"], strict=True), strict=True)) if table["rows"] else {}
        elif value.get("type") == "delta":
            cells = [*value["changed"].values(), *value.get("entered", {}).values()]
            columns = {
                name: [row[str(place)] for row in cells if str(place) in row]
                for place, name in enumerate(self._headers)
            }
        else:
            return
        for name, column in columns.items():
            for error in _columns(self._feed)[name].iter_errors(list(column)):
                raise AssertionError(f"{self._feed.channel}, below {name!r}: {error.message}")


def frames_of(path: str, query: bytes = b"", subprotocols: tuple[str, ...] = ()) -> Callable[[str | bytes], None]:
    """A function that fails for a frame which a socket at that address may not send; it passes everything that comes
    from elsewhere than the feeds' own paths."""
    path = unquote(path).strip("/")
    if path in _FOREIGN:
        return lambda payload: _check_foreign(path, payload)
    if not path.startswith(f"{PREFIX}/ws/"):
        return lambda _payload: None
    asked: Asked = None
    if path == f"{PREFIX}/ws/stream":
        return lambda payload: _check_stream(payload.encode() if isinstance(payload, str) else bytes(payload))
    if (route := _routes().get(path)) is not None:
        with suppress(Refused):
            query, subprotocols, _ = find({}, Shown(query, subprotocols))
            dialect, commands = route.open(query, subprotocols, settings.SPOT_DEPTH)
            asked = next(command.view.feed for command in commands if isinstance(command, Subscribe)), dialect
    cells = Cells(asked[0]) if asked is not None and asked[0].headers is not None else None

    def check(payload: str | bytes) -> None:
        frame = payload.encode() if isinstance(payload, str) else bytes(payload)
        _check_frame(asked, frame)
        if cells is not None and frame[:1] == b"{":
            cells.check(orjson.loads(frame))

    return check


#: The frames of other vendors' protocols.
_FOREIGN = {
    "compat/coingecko/stream/v1": coingecko.frame_schemas,
    "compat/coinmarketcap/v1": coinmarketcap.frame_schemas,
}


@cache
def _foreign_validator(path: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"anyOf": list(_FOREIGN[path]().values())})


def _check_foreign(path: str, payload: str | bytes) -> None:
    """Fail for a frame that another vendor's protocol does not have."""
    for error in _foreign_validator(path).iter_errors(orjson.loads(payload)):
        raise AssertionError(f"{payload!r} of {path}: {error.message}")


@cache
def _stream_validator(channel: str | None, kind: str) -> Any:
    schemas = stream_schema.subscription_schemas(channel) if channel else stream_schema.connection_schemas()
    return jsonschema_rs.Draft202012Validator(schemas[kind])


@lru_cache(maxsize=512)
def _check_stream(payload: bytes) -> None:
    """Fail for a frame that the stream does not have."""
    value = orjson.loads(payload)
    kind, channel = value["type"], value.get("channel")
    own = kind in stream_schema.connection_schemas()
    for error in _stream_validator(None if own else channel, kind).iter_errors(value):
        raise AssertionError(f"{kind} of the stream: {error.message}, at {error.instance_path}")


@cache
def _operations() -> dict[str, Operation]:
    return dict(http.operations())


@cache
def _body_validator(path: str, status: int) -> Any:
    """Of the JSON that an operation answers with that status; None where it is not declared."""
    answer = next((one for one in _operations()[path].answers if one.status == status), None)
    bodies = [body.schema for body in answer.bodies if body.media.endswith("json")] if answer else []
    return jsonschema_rs.Draft202012Validator({"anyOf": bodies}) if bodies else None


def _check_operation(path: str, status: int, content_type: str, body: bytes) -> None:
    """Fail for JSON that a path does not declare: an answer in another form, a code that is not among its errors."""
    operation = _operations().get(path)
    if operation is None or not content_type.endswith("json") or not body:
        return
    value, validator = orjson.loads(body), _body_validator(path, status)
    if validator is not None:
        for error in validator.iter_errors(value):
            raise AssertionError(f"{status} from {path}: {error.message}, at {error.instance_path}")
    else:
        assert value.get("code") in operation.errors, f"{path} does not declare the error {value}"


def check_answer(path: str, query: bytes, status: int, content_type: str, body: bytes) -> None:
    """Fail for an answer that is not in the schema of its operation, or of its feed and dialect."""
    _check_operation(path.rstrip("/"), status, content_type, body)
    path = path.strip("/")
    if not (path.startswith(f"{PREFIX}/") and content_type == "application/json" and body):
        return
    feed = FEEDS.get(path.removeprefix(f"{PREFIX}/"))
    if status == 200 and feed is None:
        return
    if status != 200 or feed is None:
        _validate(None, "error", orjson.loads(body))
        return
    _view, dialect = read_address(feed, query, settings.SPOT_DEPTH, extra=("format", "ticket"))
    value = orjson.loads(body)
    _validate((feed, dialect), "answer", value)
    if feed.headers is not None:
        Cells(feed).check(value)
