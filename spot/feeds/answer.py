"""The answer to a view: one page of one snapshot, and its bytes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spot.feeds.base import Shape
from spot.feeds.view import View
from spot.query.jsontext import dumps
from spot.query.query import Page, evaluate
from spot.query.table import Table


class Answer:
    """One page of one snapshot as a view shows it; its bytes are joined from the table's row fragments. `extended`:
    with the fields beyond the documented ones."""

    def __init__(self, view: View, table: Table, *, extended: bool = False) -> None:
        self.view = view
        self.table = table
        self.extended = extended
        self.shape: Shape = view.shape(extended)
        self.page: Page = evaluate(view.universe(table), view.query)
        self._indices: list[int] = self.page.indices.tolist()
        self._places: list[int] | None = None
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """The JSON of the documented shape: a bare list, or `{"headers": [...], "rows": [...]}`."""
        if self._data is None:
            self._data = self._encode()
        return self._data

    def fragments(self) -> list[bytes]:
        """The page's rows, encoded, without their places."""
        shape = self.shape
        return self.table.fragments(shape.key, self._indices, shape.reads, shape.encode)

    def places(self) -> list[int]:
        """The number each row shows: its place in the feed's ranking, for the market its place in the whole sorted
        result."""
        if self._places is None:
            if self.view.feed.headers is not None:
                self._places = list(range(self.page.offset + 1, self.page.offset + 1 + len(self._indices)))
            else:
                self._places = self.view.universe(self.table).positions[self.page.indices].astype(int).tolist()
        return self._places

    def keys(self) -> list[Any]:
        """The rows' identities: coin ids, or candle timestamps."""
        keys = self.table.keys
        return [keys[index] for index in self._indices]

    def cells(self, at: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """The page's rows as Python objects in their documented shape, or those `at` some places of the page; market
        rows by column index."""
        shape, places = self.shape, self.places()
        at = range(len(self._indices)) if at is None else at
        rows = self.table.rows(shape.reads, [self._indices[index] for index in at])
        cells = [shape.cells(row, places[index]) for row, index in zip(rows, at, strict=True)]
        for name, values in self.beside().items():
            for row, index in zip(cells, at, strict=True):
                row[name] = values[index]
        return cells

    def beside(self) -> dict[str, list[Any]]:
        """The columns beside the rows of an extended table with headers, by name: a value for each row of the page."""
        if not self.extended:
            return {}
        columns = {name: self.table.column(column) for name, column in self.view.feed.beside}
        return {name: [column[index] for index in self._indices] for name, column in columns.items()}

    def _encode(self) -> bytes:
        table_head = self.view.table_head
        if table_head is None:
            return b"".join((b"[", *self._rows(), b"]"))
        if not self.extended:
            return b"".join((table_head, *self._rows(), b"]}"))
        return b"".join((table_head, *self._rows(), b"],", dumps({"ids": self.keys(), **self.beside()})[1:]))

    def _rows(self) -> list[bytes]:
        """The rows with what stands between them, as parts of a text."""
        fragments, openings = self.fragments(), self.shape.openings
        if openings is None or not fragments:
            return [b",".join(fragments)]
        parts = [b""] * (2 * len(fragments))
        parts[::2] = map(openings.__getitem__, self.places())
        parts[1::2] = fragments
        parts[0] = parts[0][1:]
        return parts
