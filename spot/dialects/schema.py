"""JSON Schema (draft 2020-12) of every message of the feeds' own dialects, both ways, and of the answers over HTTP.
Pure.

The rows and parameters follow from the declarations of the feeds, the codes from `spot.codes`. Each object is closed:
a field that is not declared is an error.
"""

from __future__ import annotations

from typing import Any, get_args

from spot.codes import ERRORS, MISSING, NOTICES
from spot.dialects.base import Dialect
from spot.dialects.messages import ACTIONS, MODES
from spot.dialects.values import State
from spot.feeds import Feed
from spot.feeds.base import row_schema
from spot.feeds.params import CoinIds, Schema
from spot.feeds.view import parameter_names
from spot.query.query import MAX_CONDITIONS, MAX_LIST, MAX_PAGE_SIZE, MAX_TEXT, OPERATORS

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_TRUTH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "integer", "x-unit": "epoch ms"}
_TIME_OR_NULL: Schema = {"type": ["integer", "null"], "x-unit": "epoch ms"}
_AGE: Schema = {"type": ["integer", "null"], "minimum": 0, "x-unit": "ms"}
_KEYS: Schema = {"type": "array", "items": _TEXT}


def _closed(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties, and no other."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


# --- frames -----------------------------------------------------------------------------------------------------------

#: Every refusal: of a message, of an address, of a request over HTTP.
ERROR = _closed(
    {
        "type": {"const": "error"},
        "code": {"enum": list(ERRORS)},
        "message": _TEXT,
        "retry": _TRUTH,
        "field": _TEXT,
        "allowed": _TEXT,
        "next_try_ms": _TIME,
    },
    optional=("field", "allowed", "next_try_ms"),
)
_PONG = _closed({"type": {"const": "pong"}, "ts": _TIME})
_NOTICE = _closed({"type": {"const": "notice"}, "code": {"enum": list(NOTICES)}, "message": _TEXT})
_EXPORT = _closed({"type": {"const": "export"}, "format": {"const": "csv"}, "filename": _TEXT, "data": _TEXT})
_MISSING: Schema = {
    "type": "object",
    "additionalProperties": _closed({"code": {"enum": list(MISSING)}, "message": _TEXT}),
}


def frame_schemas(feed: Feed, dialect: Dialect) -> dict[str, Schema]:
    """The frames that a socket of that feed may be sent, by their `type`; the documented shape, which has none, under
    `rows`. The answer to an export in the plain shapes is CSV, and not among them."""
    frames = {"error": ERROR, "pong": _PONG}
    if dialect.statuses:
        frames |= {"status": _status(feed), "heartbeat": _heartbeat(feed)}
    if not dialect.extended:
        return frames | {"rows": _rows(feed, extended=False)}
    frames |= {"snapshot": _snapshot(feed), "notice": _NOTICE, "export": _EXPORT}
    return frames | ({"delta": _delta(feed)} if dialect.deltas else {})


def answer_schema(feed: Feed, dialect: Dialect) -> Schema:
    """The JSON of an answer over HTTP with status 200."""
    return _snapshot(feed) if dialect.extended else _rows(feed, extended=False)


def _status(feed: Feed) -> Schema:
    return _closed(
        {
            "type": {"const": "status"},
            "channel": {"const": feed.channel},
            "state": {"enum": list(get_args(State))},
            "reason": _TEXT_OR_NULL,
            "as_of": _TIME_OR_NULL,
            "fetched_at": _TIME_OR_NULL,
            "age_ms": _AGE,
            "source": _TEXT_OR_NULL,
            "next_try_ms": _TIME_OR_NULL,
        }
    )


def _heartbeat(feed: Feed) -> Schema:
    return _closed(
        {
            "type": {"const": "heartbeat"},
            "channel": {"const": feed.channel},
            "ts": _TIME,
            "seq": _COUNT,
            "epoch": _TEXT,
            "version": _COUNT,
            "as_of": _TIME_OR_NULL,
            "age_ms": _AGE,
            "stale": _TRUTH,
        }
    )


def _head(kind: str, feed: Feed) -> dict[str, Schema]:
    """What the envelope says of a page: facts, extent, and what only this feed's kind of data has."""
    return {
        "type": {"const": kind},
        "channel": {"const": feed.channel},
        "seq": _COUNT,
        "epoch": _TEXT,
        "version": _COUNT,
        "as_of": _TIME_OR_NULL,
        "fetched_at": _TIME,
        "max_age_ms": _COUNT,
        "source": _TEXT,
        "source_label": _TEXT,
        "source_url": _TEXT_OR_NULL,
        "simulated": _TRUTH,
        "stale": _TRUTH,
        "total": _COUNT,
        "page": _COUNT,
        "pages": _COUNT,
        **{column.name: column.schema() for column in feed.meta},
        **({"missing": _MISSING} if any(isinstance(param.kind, CoinIds) for param in feed.params) else {}),
    }


def _optional_in_head(feed: Feed) -> tuple[str, ...]:
    return ("missing", *(column.name for column in feed.meta if column.optional))


def _snapshot(feed: Feed) -> Schema:
    body: dict[str, Schema] = {"params": _params_in_force(feed), "data": _rows(feed, extended=True)}
    return _closed(_head("snapshot", feed) | body, optional=_optional_in_head(feed))


def _delta(feed: Feed) -> Schema:
    row = _cells(feed)
    partial = {**row, "required": []}
    body: dict[str, Schema] = {
        "base": _COUNT,
        "changed": {"type": "object", "additionalProperties": partial},
        "entered": {"type": "object", "additionalProperties": row},
        "left": _KEYS,
        "order": _KEYS,
    }
    optional = ("entered", "left", "order", *_optional_in_head(feed))
    return _closed(_head("delta", feed) | body, optional=optional)


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(feed: Feed, *, extended: bool) -> Schema:
    """A list of objects; or a table, of which the leading columns are always there and the others as `headers` say."""
    if feed.headers is None:
        return {"type": "array", "items": _object(feed, extended=extended)}
    leading, others = _table_columns(feed)
    properties: dict[str, Schema] = {
        "headers": {"type": "array", "items": {"enum": [column.name for column in feed.columns]}, "uniqueItems": True},
        "rows": {
            "type": "array",
            "items": {"type": "array", "prefixItems": leading, "items": others, "minItems": len(leading)},
        },
    }
    if extended:
        properties |= {column.name: {"type": "array", "items": column.schema()} for column in feed.extras}
    return _closed(properties)


def _table_columns(feed: Feed) -> tuple[list[Schema], Schema]:
    """Of a table with headers: the cells of the columns that every row begins with, and those of any other column."""
    places = [place for place, column in enumerate(feed.columns) if column.optional]
    leading = feed.columns[: places[0] if places else None]
    bare = [{word: value for word, value in column.schema().items() if word != "x-unit"} for column in feed.columns]
    others = [schema for place, schema in enumerate(bare) if schema not in bare[:place]]
    return [column.schema() for column in leading], {"anyOf": others}


def _object(feed: Feed, *, extended: bool) -> Schema:
    """A row that is an object. Columns on demand that the envelope has anyway are always there."""
    columns = (*feed.columns, *feed.extras) if extended else feed.columns
    return row_schema(list({column.name: column for column in columns}.values()))


def _cells(feed: Feed) -> Schema:
    """A row in a delta; of a table by the numbers of its columns, and with what stands beside it."""
    if feed.headers is None:
        return _object(feed, extended=True)
    leading, others = _table_columns(feed)
    beside = {name for name, _ in feed.beside}
    properties = {
        **{str(place): schema for place, schema in enumerate(leading)},
        **{column.name: column.schema() for column in feed.extras if column.name in beside},
    }
    return {**_closed(properties), "patternProperties": {"^[1-9][0-9]?$": others}}


# --- parameters -------------------------------------------------------------------------------------------------------

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_LIST: Schema = {"type": "array", "items": _SCALAR, "maxItems": MAX_LIST}
_TESTS: Schema = {
    "type": "object",
    "properties": {name: _LIST if operator.takes == "list" else _SCALAR for name, operator in OPERATORS.items()},
    "additionalProperties": False,
}
_FILTERS: Schema = {
    "type": "object",
    "maxProperties": MAX_CONDITIONS,
    "additionalProperties": {"anyOf": [_SCALAR, _LIST, _TESTS]},
}
_VIEW: dict[str, Schema] = {
    "filters": _FILTERS,
    "search": {"type": "string", "maxLength": MAX_TEXT},
    "sort_order": {"enum": ["asc", "desc"]},
    "page": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "page_size": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
}


def parameters_schema(feed: Feed, *, modes: bool = True) -> Schema:
    """The parameters that a request may have, with their defaults; `modes` are those of the dialect. Fields are read in
    any spelling, so `sort_by` and `time_field` have examples."""
    fields = feed.fields.all
    view = {
        **_VIEW,
        "sort_by": {"type": "string", "examples": [field.name for field in fields]},
        "start_time": {"type": ["number", "string"]},
        "end_time": {"type": ["number", "string"]},
        "time_field": {"type": "string", "examples": [field.name for field in fields if field.kind == "number"]},
        **dict.fromkeys(MODES, _TRUTH),
    }
    own = {}
    for param in feed.params:
        default = {} if param.default is None else {"default": _plain(param.default)}
        own[param.name] = {**param.kind.schema(), "description": param.allowed, **default}
    properties = {name: own.get(name) or view[name] for name in parameter_names(feed, MODES if modes else ())}
    required = tuple(param.name for param in feed.params if param.required)
    return _closed(properties, optional=tuple(name for name in properties if name not in required))


def message_schema(feed: Feed) -> Schema:
    """The messages that a client may send: an action, or parameters to change, of which null clears one."""
    actions = [_closed({"action": {"const": action}}) for action in ACTIONS if action != "export"]
    export = _closed({"action": {"const": "export"}, "format": {"const": "csv"}}, optional=("format",))
    parameters = parameters_schema(feed, modes=False)["properties"]
    changes = _closed({name: _or_null(schema) for name, schema in parameters.items()}, optional=tuple(parameters))
    return {"anyOf": [*actions, export, changes]}


def _params_in_force(feed: Feed) -> Schema:
    """The parameters in a snapshot: every upstream one, and those of the view that are given."""
    own = {
        param.name: param.kind.schema()
        if param.required or param.default is not None
        else _or_null(param.kind.schema())
        for param in feed.params
    }
    view = {
        **_VIEW,
        "sort_by": {"enum": [field.name for field in feed.fields.all]},
        **({"start_time": _TIME, "end_time": _TIME} if feed.time_field else {}),
    }
    del view["page"]
    return _closed(view | own, optional=tuple(view))


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
