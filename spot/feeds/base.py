"""The declaration of a feed. Its routes, validation, HTTP twin, documentation row and contract tests follow from it.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from providers.datasets import Dataset, Row
from spot.feeds.params import Param, Schema
from spot.query.jsontext import dumps
from spot.query.query import Fields
from spot.query.table import Table, Universe

Params = Mapping[str, Any]

_TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "time": {"type": "integer"},  # epoch milliseconds
    "boolean": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "chart": {"type": "array", "items": {"type": ["number", "null"]}},
    "json": {},  # whatever a provider sends
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a feed's rows. `unit`: of its numbers. `null`: values may be absent. `optional`: it is there on
    demand. `of`: the columns of what its values list. `note`: what it means, where its name does not say it."""

    name: str
    type: Literal["text", "number", "integer", "time", "boolean", "texts", "chart", "json", "rows"]
    unit: str = ""
    null: bool = False
    optional: bool = False
    of: tuple[Column, ...] = ()
    note: str = ""

    def schema(self) -> Schema:
        """The JSON Schema of its values."""
        schema = {"type": "array", "items": row_schema(self.of)} if self.of else _TYPES[self.type]
        unit = self.unit or ("epoch ms" if self.type == "time" else "")
        if self.null:
            schema = schema | {"type": [schema["type"], "null"]}
        more = {"x-unit": unit, "description": self.note}
        return schema | {word: text for word, text in more.items() if text}


def row_schema(columns: Sequence[Column]) -> Schema:
    """The JSON Schema of an object with these columns, and no other."""
    return {
        "type": "object",
        "properties": {column.name: column.schema() for column in columns},
        "required": [column.name for column in columns if not column.optional],
        "additionalProperties": False,
    }


class Shape(NamedTuple):
    """The form of a row on the wire.

    `reads` are the fields it shows: `encode` returns the JSON of a row of these values, without its place. `openings`
    has the bytes before the row at each place, with the comma after the former row (None: there are none). `cells`
    returns the same row as a Python object, for deltas. Shapes with equal keys make equal bytes.
    """

    key: tuple[Any, ...]
    reads: tuple[str, ...]
    encode: Callable[[tuple[Any, ...]], bytes]
    openings: Sequence[bytes] | None
    cells: Callable[[Row, int], dict[str, Any]]


def plain_shape(name: str, columns: Sequence[Column]) -> Shape:
    """Rows as in the dataset."""
    names = tuple(column.name for column in columns)
    return Shape(
        (name,), names, lambda values: dumps(dict(zip(names, values, strict=True))), None, lambda row, _place: row
    )


@dataclass(frozen=True, eq=False)
class Feed:
    """One WebSocket path and its HTTP twin.

    `datasets(params)` are the snapshots that it reads, the indispensable one first; `universe(table, params)` selects
    its rows from their table; `shape(params, extras)` is the form of its rows; `table(rows)` makes the table; `headers`
    are the columns of a feed that is a table with headers. `columns` are those of its documented rows, `extras` those
    that the envelope adds (beside the rows of a table with headers), `meta` its own fields in the envelope's head.
    `own_page`: `page` is the provider's unless `page_size` is given. `events`: its rows are events, newest first, and
    clients must not miss any.
    """

    channel: str
    purpose: str
    params: tuple[Param, ...]
    fields: Fields
    datasets: Callable[[Params], tuple[Dataset, ...]]
    universe: Callable[[Table, Params], Universe]
    shape: Callable[[Params, bool], Shape]
    table: Callable[[Sequence[Row]], Table]
    columns: tuple[Column, ...]
    extras: tuple[Column, ...] = ()
    meta: tuple[Column, ...] = ()
    headers: Callable[[Params], list[str]] | None = None
    beside: tuple[tuple[str, str], ...] = ()
    time_field: str | None = None
    own_page: bool = False
    events: bool = False

    @cached_property
    def lists(self) -> frozenset[str]:
        """The names of the parameters that are lists."""
        return frozenset(param.name for param in self.params if param.kind.schema().get("type") == "array")
