"""The declaration of a feed. Its routes, validation, HTTP twin, documentation row and contract tests follow from it.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from providers.datasets import Dataset, Row
from spot.feeds.params import Param
from spot.query.jsontext import dumps
from spot.query.query import Fields
from spot.query.table import Table, Universe

Params = Mapping[str, Any]


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


def plain_shape(name: str, columns: tuple[str, ...]) -> Shape:
    """Rows as in the dataset."""
    return Shape(
        (name,), columns, lambda values: dumps(dict(zip(columns, values, strict=True))), None, lambda row, _place: row
    )


@dataclass(frozen=True, eq=False)
class Feed:
    """One WebSocket path and its HTTP twin.

    `datasets(params)` are the snapshots that it reads, the indispensable one first; `universe(table, params)` selects
    its rows from their table; `shape(params, extras)` is the form of its rows; `table(rows)` makes the table; `headers`
    are the columns of a feed that is a table with headers. `own_page`: `page` is the provider's unless `page_size` is
    given. `events`: its rows are events, newest first, and clients must not miss any.
    """

    channel: str
    purpose: str
    params: tuple[Param, ...]
    fields: Fields
    datasets: Callable[[Params], tuple[Dataset, ...]]
    universe: Callable[[Table, Params], Universe]
    shape: Callable[[Params, bool], Shape]
    table: Callable[[Sequence[Row]], Table]
    headers: Callable[[Params], list[str]] | None = None
    beside: tuple[tuple[str, str], ...] = ()
    time_field: str | None = None
    own_page: bool = False
    events: bool = False
