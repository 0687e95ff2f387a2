"""A snapshot's rows in the form of the store: one line of JSON per column. Pure.

A page shows a third of a coin's fields, and a query reads two or three. So a column is decoded on first use. One column
of JSON texts, such as the sparklines, four fifths of a market's bytes, has a version of its own: the charts. They are
read from the store only when they are shown, and again only when they have changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, NamedTuple, overload

import orjson

from providers.datasets import Row
from spot.query.jsontext import JsonText

Column = list[Any]

#: The column whose values are JSON text, which is passed on without decoding; rows have one of them at most.
_SPARKLINE = "sparkline"
TEXTS = (_SPARKLINE, "points", "body")


class Charts:
    """The charts of rows, in the order of the rows: a text (empty where no row has the field), decoded once for all
    snapshots that share it. Charts with equal versions are equal."""

    __slots__ = ("_column", "present", "text", "version")

    def __init__(self, text: bytes, version: str = "") -> None:
        self.text = text
        self.version = version or hashlib.blake2b(text, digest_size=8).hexdigest()
        self.present = bool(text)
        self._column: Column | None = None

    def column(self) -> Column:
        """Each row's chart. Raises `ValueError` when the text is not JSON."""
        if self._column is None:
            self._column = [JsonText(value) if value else None for value in orjson.loads(self.text)]
            self.text = b""  # the column replaces it
        return self._column

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Charts) and self.version == other.version

    __hash__ = None  # type: ignore[assignment]


class Packed(NamedTuple):
    """Rows as text, and their charts. The text is a line with their number and the names of fields, then a line for
    each name. Of charts that are no sparklines the field is among the names, with a line of nulls.

    A newer version may add elements to the first line, and lines behind the others: an older one ignores them.
    """

    cells: bytes
    charts: Charts


class Columns(Sequence[Row]):
    """Rows with the same fields; as a sequence, a sequence of dicts.

    `names` are the fields; `column` returns one as a list, with None where a row has no value. Without `has_charts` the
    charts were not read: no row has them, and reading their column is an error. `charts` are those of the store.
    """

    __slots__ = ("_columns", "_length", "_make", "_rows", "charts", "has_charts", "names")

    def __init__(self, names: Sequence[str], length: int, make: Callable[[str], Column]) -> None:
        self.names = tuple(names)
        self.has_charts = True
        self.charts: Charts | None = None
        self._length = length
        self._make = make
        self._columns: dict[str, Column] = {}
        self._rows: list[Row] | None = None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Columns:
        """The columns of rows; `Columns` are returned as they are."""
        if isinstance(rows, cls):
            return rows
        names = tuple(dict.fromkeys(chain.from_iterable(rows)))
        columns = cls(names, len(rows), lambda name: [row.get(name) for row in rows])
        columns._rows = list(rows)
        return columns

    @classmethod
    def joined(cls, parts: Iterable[Sequence[Row]]) -> Columns:
        """The coins of several snapshots, each once; the earlier snapshot takes precedence."""
        seen: set[Any] = set()
        selections: list[tuple[Columns, list[int]]] = []
        for part in map(cls.of, parts):
            places = [place for place, key in enumerate(part.column("id")) if key not in seen]
            seen.update(part.column("id"))
            selections.append((part, places))

        def make(name: str) -> Column:
            columns = ((part.column(name), places) for part, places in selections)
            return [column[place] for column, places in columns for place in places]

        names = dict.fromkeys(chain.from_iterable(part.names for part, _ in selections))
        return cls(tuple(names), sum(len(places) for _, places in selections), make)

    @classmethod
    def unpack(cls, cells: bytes, charts: Charts | None) -> Columns:
        """The rows of texts made by `pack`; None: without their charts. Raises `ValueError` for other texts."""
        head, *lines = cells.split(b"\n")
        length, names, *newer = orjson.loads(head)
        line_of = dict(zip(names, lines[: len(names)], strict=True))
        # An earlier form names the charts in a third element.
        chart = next((name for name in [*names, *newer] if name in TEXTS), _SPARKLINE)
        plain = [name for name in names if name != chart]

        def make(name: str) -> Column:
            if name == chart and charts is None:
                raise LookupError("the charts were not read from the store")
            if name == chart and charts is not None and charts.present:
                return charts.column()
            return orjson.loads(line_of[name]) if name in line_of else [None] * length

        columns = cls([*plain, chart] if charts is not None and charts.present else plain, length, make)
        columns.charts, columns.has_charts = charts, charts is not None
        return columns

    @staticmethod
    def pack(rows: Sequence[Row]) -> Packed:
        """The texts for the store."""
        columns = Columns.of(rows)
        chart = next((name for name in columns.names if name in TEXTS), _SPARKLINE)
        plain = [name for name in columns.names if name != chart]
        lines = [orjson.dumps(columns.column(name)) for name in plain]
        if chart != _SPARKLINE:
            plain.append(chart)
            lines.append(orjson.dumps([None] * len(columns)))
        charts = [_text(value) for value in columns.column(chart)] if chart in columns.names else None
        cells = b"\n".join([orjson.dumps([len(columns), plain]), *lines])
        return Packed(cells, Charts(b"" if charts is None else orjson.dumps(charts)))

    def column(self, name: str) -> Column:
        """The values of a field, in the order of the rows; read-only. Raises `ValueError` when the text of the store is
        not a column of that length."""
        column = self._columns.get(name)
        if column is None:
            column = self._make(name)
            if not isinstance(column, list) or len(column) != self._length:
                raise ValueError(f"the column {name} does not have {self._length} values")
            self._columns[name] = column
        return column

    def decode(self, names: AbstractSet[str] | None = None) -> None:
        """Decode these columns, or all, now instead of on first use. Raises `ValueError` when one is invalid."""
        for name in self.names:
            if names is None or name in names:
                self.column(name)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Row]:
        return iter(self._whole())

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self._whole()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._whole() == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list: equal by its items

    def _whole(self) -> list[Row]:
        if self._rows is None:
            columns = [self.column(name) for name in self.names]
            self._rows = [dict(zip(self.names, values, strict=True)) for values in zip(*columns, strict=True)]
        return self._rows


def _text(value: Sequence[Any] | str | None) -> str | None:
    """A value as JSON; text is JSON already."""
    if not value:
        return None
    return str(value) if isinstance(value, str) else orjson.dumps(value).decode()
