"""JSON Schema (draft 2020-12) of every message of the feeds' own dialects, both ways, and of the answers over HTTP.
Pure.

The rows and parameters follow from the declarations of the feeds, the codes from `spot.codes`. Each object is closed:
a field that is not declared is an error.
"""

from __future__ import annotations

from typing import Any

from spot.codes import ERRORS, MISSING, NOTICES
from spot.dialects.base import Dialect
from spot.dialects.messages import ACTIONS, MODES
from spot.dialects.values import STATES
from spot.feeds import Feed
from spot.feeds.base import row_schema
from spot.feeds.params import CoinIds, Param, Schema
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
#: What a schema says beside the values that it allows.
_NOTES = ("x-unit", "description")


#: The fields of frames, in the words of the documents.
MEANINGS = {
    "type": "the kind of frame",
    "channel": "the feed",
    "code": "the reason, for programs",
    "message": "the same as a sentence, for people",
    "retry": "whether the same request may succeed later",
    "field": "the parameter that is the cause, if there is one",
    "allowed": "what that parameter may be",
    "next_try_ms": "when missing data are fetched next, if that is known",
    "ts": "the server's time",
    "format": "the format of `data`",
    "filename": "a name for the file",
    "params": "every parameter in force",
    "seq": "number of this state, which deltas refer to; it has gaps, and may go back when parameters change",
    "epoch": "the store's life: versions compare within one epoch only",
    "version": "the snapshot's number in that epoch",
    "as_of": "the provider's time of the data, of the oldest part if there are several; null if it gives none",
    "fetched_at": "when Spot fetched them",
    "max_age_ms": "the age from which they are stale",
    "age_ms": "the age of the data when the frame was made",
    "source": "the provider, for programs",
    "source_label": "the provider, for people",
    "source_url": "the provider's site, for a link beside the data; null for the demo",
    "simulated": "true for the demo market",
    "stale": "whether the data were too old when the frame was made",
    "total": "rows in the whole result",
    "page": "the page shown",
    "pages": "the number of pages",
    "missing": "why coins that were asked for are not in `data`, by their ids; absent when all are there",
    "data": "the rows",
    "state": "how the data are doing",
    "reason": "why they are not live, as a sentence, or null",
    "base": "the `seq` of the state that the delta applies to",
    "changed": "by row key, the cells that changed",
    "entered": "by row key, whole rows that are new on the page; absent when there are none",
    "left": "row keys that are no longer on the page; absent when there are none",
    "order": "all row keys in their new order; absent when the order is the same",
}


def closed(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties, and no other."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _frame(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """The same of a frame, whose fields have their usual meanings unless they say another."""
    described = {
        name: {"description": MEANINGS[name], **schema} if name in MEANINGS else schema
        for name, schema in properties.items()
    }
    return closed(described, optional=optional)


# --- frames -----------------------------------------------------------------------------------------------------------

#: Every refusal: of a message, of an address, of a request over HTTP.
ERROR = _frame(
    {
        "type": {"const": "error"},
        "code": {"type": "string", "enum": list(ERRORS)},
        "message": _TEXT,
        "retry": _TRUTH,
        "field": _TEXT,
        "allowed": _TEXT,
        "next_try_ms": _TIME,
    },
    optional=("field", "allowed", "next_try_ms"),
)
_PONG = _frame({"type": {"const": "pong"}, "ts": _TIME})
_NOTICE = _frame({"type": {"const": "notice"}, "code": {"type": "string", "enum": list(NOTICES)}, "message": _TEXT})
_EXPORT = _frame({"type": {"const": "export"}, "format": {"const": "csv"}, "filename": _TEXT, "data": _TEXT})
_MISSING: Schema = {
    "type": "object",
    "additionalProperties": closed({"code": {"type": "string", "enum": list(MISSING)}, "message": _TEXT}),
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
    if dialect.events and feed.events:
        frames["events"] = events_schema(feed)
    return frames | ({"delta": _delta(feed)} if dialect.deltas else {})


def answer_schema(feed: Feed, dialect: Dialect) -> Schema:
    """The JSON of an answer over HTTP with status 200."""
    return _snapshot(feed) if dialect.extended else _rows(feed, extended=False)


def _status(feed: Feed) -> Schema:
    return _frame(
        {
            "type": {"const": "status"},
            "channel": {"const": feed.channel},
            "state": {"type": "string", "enum": list(STATES)},
            "reason": _TEXT_OR_NULL,
            "as_of": _TIME_OR_NULL,
            "fetched_at": _TIME_OR_NULL,
            "age_ms": _AGE,
            "source": _TEXT_OR_NULL,
            "next_try_ms": _TIME_OR_NULL,
        }
    )


def _heartbeat(feed: Feed) -> Schema:
    return _frame(
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
    return _frame(_head("snapshot", feed) | body, optional=_optional_in_head(feed))


def events_schema(feed: Feed) -> Schema:
    body: dict[str, Schema] = {"gap": _TRUTH, "data": _rows(feed, extended=True)}
    return closed(_head("events", feed) | body, optional=_optional_in_head(feed))


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
    return _frame(_head("delta", feed) | body, optional=optional)


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(feed: Feed, *, extended: bool) -> Schema:
    """A list of objects; or a table, of which the leading columns are always there and the others as `headers` say.
    There, `x-columns` has the schema of the cells below each header."""
    if feed.headers is None:
        return {"type": "array", "items": _object(feed, extended=extended)}
    leading, others = _table_columns(feed)
    columns = {column.name: column.schema() for column in feed.columns}
    properties: dict[str, Schema] = {
        "headers": {"type": "array", "items": {"enum": list(columns)}, "uniqueItems": True, "x-columns": columns},
        "rows": {
            "type": "array",
            "items": {"type": "array", "prefixItems": leading, "items": others, "minItems": len(leading)},
        },
    }
    if extended:
        properties |= {column.name: {"type": "array", "items": column.schema()} for column in feed.extras}
    return closed(properties)


def row_schemas(feed: Feed) -> tuple[Schema, Schema]:
    """One row, in the documented shape and in the envelope."""
    if feed.headers is None:
        return _object(feed, extended=False), _object(feed, extended=True)
    return (row := _rows(feed, extended=False)["properties"]["rows"]["items"]), row


def _table_columns(feed: Feed) -> tuple[list[Schema], Schema]:
    """Of a table with headers: the cells of the columns that every row begins with, and those of any other column."""
    places = [place for place, column in enumerate(feed.columns) if column.optional]
    leading = feed.columns[: places[0] if places else None]
    bare = [{word: value for word, value in column.schema().items() if word not in _NOTES} for column in feed.columns]
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
    return {**closed(properties), "patternProperties": {"^[1-9][0-9]?$": others}}


# --- parameters -------------------------------------------------------------------------------------------------------

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_LIST: Schema = {"type": "array", "items": _SCALAR, "maxItems": MAX_LIST}
_TESTS: Schema = {
    "type": "object",
    "properties": {name: _LIST if operator.takes == "list" else _SCALAR for name, operator in OPERATORS.items()},
    "additionalProperties": False,
}
#: The value of `filters`.
FILTERS: Schema = {
    "type": "object",
    "maxProperties": MAX_CONDITIONS,
    "additionalProperties": {"anyOf": [_SCALAR, _LIST, _TESTS]},
}
_VIEW: dict[str, Schema] = {
    "filters": FILTERS,
    "search": {"type": "string", "maxLength": MAX_TEXT},
    "sort_order": {"type": "string", "enum": ["asc", "desc"]},
    "page": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "page_size": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
}
#: The parameters of the view and of the dialect, in the words of the documents.
_ASKED = {
    "filters": "conditions on fields, as a JSON object",
    "search": "text looked for in the names of the rows, in any case",
    "sort_by": "a field, in any of its spellings",
    "sort_order": "asc or desc; without it numbers go down, texts and ranks go up",
    "page": "from 1; a page past the end is the last page",
    "page_size": f"rows on a page, 1 to {MAX_PAGE_SIZE}; without it everything is on one page",
    "start_time": "the earliest time: epoch milliseconds, epoch seconds, or ISO 8601",
    "end_time": "the latest time, included",
    "time_field": "the field that the two look at",
    "envelope": "1: frames say which snapshot they show, its age and its source",
    "status": "1: frames of status and heartbeat beside the plain rows",
    "delta": "1, with envelope=1: frames have only what has changed",
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
        example = {"examples": [_example(param)]} if param.example else {}
        own[param.name] = {**param.kind.schema(), "description": param.allowed, **default, **example}
    said = {name: {"description": _ASKED[name], **schema} for name, schema in view.items()}
    properties = {name: own.get(name) or said[name] for name in parameter_names(feed, MODES if modes else ())}
    required = tuple(param.name for param in feed.params if param.required)
    return closed(properties, optional=tuple(name for name in properties if name not in required))


def message_schemas(feed: Feed) -> dict[str, Schema]:
    """The messages that a client may send: actions by their names, and under `change` the parameters to change, of
    which null clears one."""
    actions = {action: closed({"action": {"const": action}}) for action in ACTIONS}
    actions["export"] = closed({"action": {"const": "export"}, "format": {"const": "csv"}}, optional=("format",))
    parameters = parameters_schema(feed, modes=False)["properties"]
    changes = {name: _or_null(schema) for name, schema in parameters.items()}
    return {**actions, "change": closed(changes, optional=tuple(parameters))}


def message_schema(feed: Feed) -> Schema:
    """Any of these messages."""
    return {"anyOf": list(message_schemas(feed).values())}


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
    return closed(view | own, optional=tuple(view))


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _example(param: Param) -> Any:
    return _plain(param.parse(param.example))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
