"""A snapshot's rows as columns: what a query needs, computed once per snapshot and kept. Pure.

Everything is lazy and memoised on the table, which lives exactly as long as its snapshot is the newest: sort orders per
column, one mask per condition, the encoded bytes of each row per shape.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from providers.datasets import Row
from spot.query.columns import Column, Columns

Mask = NDArray[np.bool_]
Order = NDArray[np.intp]
T = TypeVar("T")

#: Bytes of condition masks, and of the conditions that name them, that one table keeps; past it they are dropped and
#: made again when asked for.
_MASK_BYTES = 8 * 1024 * 1024
#: Bytes of encoded rows that all tables keep together; past it the oldest are dropped and made again when asked for.
_FRAGMENT_BYTES = 32 * 1024 * 1024
#: What an encoded row weighs besides its text, and a value of a condition besides its characters.
_OBJECT_BYTES = 64
#: Universes that one table keeps, one for each choice of parameters.
_UNIVERSES = 256


class Made(NamedTuple):
    """What is made of a row: the fields it is made from, and how; the row that it is given has just those."""

    reads: tuple[str, ...]
    make: Callable[[Row], Any]


class _Fragments:
    """The weight of the encoded rows that tables keep, by the order in which they were made."""

    def __init__(self) -> None:
        self.bytes = 0
        self._made: deque[tuple[weakref.ref[Table], Hashable, int]] = deque()

    def add(self, table: Table, shape: Hashable, fragments: Iterable[bytes]) -> None:
        """Count fragments that a table has just made, and drop the oldest where that is too much."""
        weight = sum(len(fragment) + _OBJECT_BYTES for fragment in fragments)
        self._made.append((weakref.ref(table), shape, weight))
        self.bytes += weight
        while self.bytes > _FRAGMENT_BYTES and len(self._made) > 1:
            owner, oldest, weight = self._made.popleft()
            self.bytes -= weight
            if (former := owner()) is not None:
                former.drop_fragments(oldest)


_fragments = _Fragments()


class Table:
    """Rows with their columns.

    `key` names the field that identifies a row and breaks ties. `search_in` makes the text that search looks in. A
    column is named by its field; its values are those of the rows, or what `computed[field]` makes of them.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        key: str,
        search_in: Made,
        computed: dict[str, Made] | None = None,
    ) -> None:
        self._rows = Columns.of(rows)
        self.key = key
        self.keys: Column = self._rows.column(key)
        self._search_in = search_in
        self._computed = computed or {}
        self._memo: dict[Hashable, Any] = {}
        self._universes: dict[Hashable, Universe] = {}
        self._masks: dict[Hashable, Mask] = {}
        self._mask_bytes = 0
        self._retired = False

    def __len__(self) -> int:
        return len(self._rows)

    def memo(self, name: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, made once in the table's life."""
        try:
            return self._memo[name]
        except KeyError:
            made = make()
            if not self._retired:
                self._memo[name] = made
            return made

    def retire(self) -> None:
        """A newer table has taken its place. What is kept of it and refers back to it is dropped, so that it is gone
        with its last reader: with a new version every second, garbage would grow faster than it is collected."""
        self._retired = True
        self._universes.clear()

    def universe(self, name: Hashable, make: Callable[[], Universe]) -> Universe:
        """The rows that a feed offers for a choice of parameters, made once while few are asked for."""
        try:
            return self._universes[name]
        except KeyError:
            made = make()
            if not self._retired:
                if len(self._universes) >= _UNIVERSES:
                    self._universes.clear()
                self._universes[name] = made
            return made

    def offer(self, field: str, computed: Made) -> None:
        """Add a computed column that only the reader of the table can know, such as one that names its currency."""
        self._computed.setdefault(field, computed)

    def decode(self, fields: AbstractSet[str] | None) -> None:
        """Decode these fields of the rows, or all, now. Raises ValueError when one cannot be."""
        self._rows.decode(fields)

    def column(self, field: str) -> Column:
        """A field as the rows have it; None where a row has no value."""
        return self._rows.column(field)

    def rows(self, reads: Sequence[str], indices: Sequence[int] | None = None) -> list[Row]:
        """These fields of the rows at `indices`, or of all."""
        return [dict(zip(reads, values, strict=True)) for values in self._values(reads, indices)]

    def _values(self, reads: Sequence[str], indices: Sequence[int] | None) -> Iterator[tuple[Any, ...]]:
        columns = [self._rows.column(field) for field in reads]
        if indices is None:
            return zip(*columns, strict=True)
        return zip(*(map(column.__getitem__, indices) for column in columns), strict=True)

    def values(self, field: str) -> Column:
        """The column as Python values, computed or the rows' own."""
        made = self._computed.get(field)
        if made is None:
            return self._rows.column(field)
        return self.memo(("values", field), lambda: list(map(made.make, self.rows(made.reads))))

    def numbers(self, field: str) -> NDArray[np.float64]:
        """The column as floats, NaN where a row has no value."""
        return self.memo(("numbers", field), lambda: np.array(self.values(field), dtype=np.float64))

    def folded(self, field: str) -> list[str | None]:
        """The column as case-folded text."""
        return self.memo(
            ("folded", field), lambda: [None if v is None else str(v).casefold() for v in self.values(field)]
        )

    def codes(self, field: str) -> NDArray[np.float64]:
        """Each text's rank among the column's texts, NaN where a row has none: text that sorts as numbers do."""

        def make() -> NDArray[np.float64]:
            folded = self.folded(field)
            rank = {text: index for index, text in enumerate(sorted({text for text in folded if text is not None}))}
            return np.array([np.nan if text is None else rank[text] for text in folded], dtype=np.float64)

        return self.memo(("codes", field), make)

    def position(self) -> dict[Any, int]:
        """Row index by key."""
        return self.memo("position", lambda: {key: index for index, key in enumerate(self.keys)})

    def order(self, field: str, *, text: bool, descending: bool) -> Order:
        """All row indices sorted by a column: stable, missing values last either way, ties by the key ascending."""

        def make() -> Order:
            by_key = self._by_key()
            column = (self.codes(field) if text else self.numbers(field))[by_key]
            return by_key[np.argsort(-column if descending else column, kind="stable")]

        return self.memo(("order", field, text, descending), make)

    def mask(self, name: Hashable, make: Callable[[], Mask]) -> Mask:
        """The rows a condition holds for, kept under its name."""
        found = self._masks.get(name)
        if found is None:
            found = make()
            self.keep_masks([(name, found)])
        return found

    def lacks_mask(self, name: Hashable) -> bool:
        """Whether a condition's mask is still to be made."""
        return name not in self._masks

    @property
    def room_for_masks(self) -> int:
        """How many more masks are kept before all are dropped."""
        return max(0, (_MASK_BYTES - self._mask_bytes) // max(1, len(self._rows)))

    def keep_masks(self, masks: Iterable[tuple[Hashable, Mask]]) -> None:
        """Keep masks that were made together, under their names."""
        if self._mask_bytes > _MASK_BYTES:
            self._masks.clear()
            self._mask_bytes = 0
        for name, mask in masks:
            self._masks[name] = mask
            self._mask_bytes += len(mask) + _weight(name)

    def contains(self, needle: str) -> Mask:
        """The rows whose search text has the (case-folded) needle in it.

        One C-speed search over all texts joined, then a jump to the next row: 20,000 rows cost what 200 hits cost.
        """
        haystack, ends = self.memo("haystack", self._haystack)
        hits, row = [], 0
        at = haystack.find(needle)
        while at >= 0:
            row = bisect_right(ends, at, row)
            hits.append(row)
            at = haystack.find(needle, ends[row])
        found = np.zeros(len(self._rows), dtype=np.bool_)
        found[hits] = True
        return found

    def fragments(
        self, shape: Hashable, indices: Sequence[int], reads: Sequence[str], encode: Callable[[tuple[Any, ...]], bytes]
    ) -> list[bytes]:
        """The rows at `indices`, each encoded from the values of the fields it `reads`, and at most once per shape in
        the table's life."""
        kept: list[bytes | None] = self.memo(("fragments", shape), lambda: [None] * len(self._rows))
        out = [kept[index] for index in indices]
        if None in out:
            missing = [at for at, fragment in enumerate(out) if fragment is None]
            made = list(map(encode, self._values(reads, [indices[at] for at in missing])))
            for at, fragment in zip(missing, made, strict=True):
                out[at] = kept[indices[at]] = fragment
            if not self._retired:
                _fragments.add(self, shape, made)
        return out  # type: ignore[return-value]  # none of them is None now

    def drop_fragments(self, shape: Hashable) -> None:
        """Forget the encoded rows of a shape."""
        self._memo.pop(("fragments", shape), None)

    def _by_key(self) -> Order:
        return self.memo(
            "by_key", lambda: np.array(sorted(range(len(self.keys)), key=self.keys.__getitem__), dtype=np.intp)
        )

    def _haystack(self) -> tuple[str, list[int]]:
        # "\n" ends each text and cannot be in a needle, so that no hit spans two rows.
        found = map(self._search_in.make, self.rows(self._search_in.reads))
        texts = [text.casefold().replace("\n", " ") + "\n" for text in found]
        return "".join(texts), list(accumulate(map(len, texts)))


def _weight(name: Hashable) -> int:
    """About how many bytes the lists in a mask's name hold: a condition may name hundreds of texts."""
    lists = [part for part in name if isinstance(part, tuple)] if isinstance(name, tuple) else []
    return sum(len(str(value)) + _OBJECT_BYTES for values in lists for value in values)


class Universe:
    """The rows that a feed offers before the client's query: some of a table's rows, in the feed's own order."""

    def __init__(self, table: Table, order: Order) -> None:
        self.table = table
        self.order = order
        #: Whether every row of the table is in it.
        self.whole = len(order) == len(table)
        self._mask: Mask | None = None
        self._positions: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.order)

    @property
    def mask(self) -> Mask:
        """The table's rows that are in it."""
        if self._mask is None:
            self._mask = np.zeros(len(self.table), dtype=np.bool_)
            self._mask[self.order] = True
        return self._mask

    @property
    def positions(self) -> NDArray[np.float64]:
        """Each table row's place in the feed's order, from 1; NaN outside."""
        if self._positions is None:
            self._positions = np.full(len(self.table), np.nan)
            self._positions[self.order] = np.arange(1, len(self.order) + 1)
        return self._positions
