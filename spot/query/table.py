"""A snapshot's rows as columns, with everything that queries compute of them once per snapshot. Pure.

The table memoises sort orders by column, masks by condition, and encoded rows by shape. It lives as long as its
snapshot is the newest.
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

#: The most bytes of masks and their conditions cached by a table; beyond that the cache is cleared.
_MASK_BYTES = 8 * 1024 * 1024
#: The most bytes of encoded rows cached by all tables; beyond that the oldest are dropped.
_FRAGMENT_BYTES = 32 * 1024 * 1024
#: The overhead of an encoded row beside its text, and of a condition's value beside its characters.
_OBJECT_BYTES = 64
#: The most universes cached by a table, one per choice of parameters.
_UNIVERSES = 256


class Derived(NamedTuple):
    """A value derived from a row: the fields that it reads, and the function, whose row has just those fields."""

    reads: tuple[str, ...]
    make: Callable[[Row], Any]


class _Fragments:
    """The total size of the encoded rows that tables cache, and their order of age."""

    def __init__(self) -> None:
        self.bytes = 0
        self._queue: deque[tuple[weakref.ref[Table], Hashable, int]] = deque()

    def add(self, table: Table, shape: Hashable, fragments: Iterable[bytes]) -> None:
        """Count new fragments of a table, and drop the oldest beyond the limit."""
        weight = sum(len(fragment) + _OBJECT_BYTES for fragment in fragments)
        self._queue.append((weakref.ref(table), shape, weight))
        self.bytes += weight
        while self.bytes > _FRAGMENT_BYTES and len(self._queue) > 1:
            owner, oldest, weight = self._queue.popleft()
            self.bytes -= weight
            if (former := owner()) is not None:
                former.drop_fragments(oldest)


_fragments = _Fragments()


class Table:
    """Rows with their columns.

    `key` is the field that identifies a row and breaks ties. `search_in` derives the text that search looks in. The
    values of a column are those of the rows, or derived by `computed[field]`.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        key: str,
        search_in: Derived,
        computed: dict[str, Derived] | None = None,
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
        """The result of `make`, computed once in the table's life."""
        try:
            return self._memo[name]
        except KeyError:
            value = make()
            if not self._retired:
                self._memo[name] = value
            return value

    def retire(self) -> None:
        """Drop cached objects that refer to the table, since a newer one replaces it. Then reference counting frees it
        with its last reader: with a version every second, the garbage collector would be too slow."""
        self._retired = True
        self._universes.clear()

    def universe(self, name: Hashable, make: Callable[[], Universe]) -> Universe:
        """The rows that a feed offers for a choice of parameters, cached."""
        try:
            return self._universes[name]
        except KeyError:
            universe = make()
            if not self._retired:
                if len(self._universes) >= _UNIVERSES:
                    self._universes.clear()
                self._universes[name] = universe
            return universe

    def offer(self, field: str, computed: Derived) -> None:
        """Add a computed column, such as one that depends on the reader's currency."""
        self._computed.setdefault(field, computed)

    def decode(self, fields: AbstractSet[str] | None) -> None:
        """Decode these fields of the rows, or all, now. Raises `ValueError` when one is invalid."""
        self._rows.decode(fields)

    def column(self, field: str) -> Column:
        """A field of the rows; None where a row has no value."""
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
        derived = self._computed.get(field)
        if derived is None:
            return self._rows.column(field)
        return self.memo(("values", field), lambda: list(map(derived.make, self.rows(derived.reads))))

    def numbers(self, field: str) -> NDArray[np.float64]:
        """The column as floats, NaN where a row has no value."""
        return self.memo(("numbers", field), lambda: np.array(self.values(field), dtype=np.float64))

    def folded(self, field: str) -> list[str | None]:
        """The column as case-folded text."""
        return self.memo(
            ("folded", field), lambda: [None if v is None else str(v).casefold() for v in self.values(field)]
        )

    def codes(self, field: str) -> NDArray[np.float64]:
        """The rank of each text among the column's texts, NaN where a row has none, so that text sorts as numbers."""

        def make() -> NDArray[np.float64]:
            folded = self.folded(field)
            rank = {text: index for index, text in enumerate(sorted({text for text in folded if text is not None}))}
            return np.array([np.nan if text is None else rank[text] for text in folded], dtype=np.float64)

        return self.memo(("codes", field), make)

    def position(self) -> dict[Any, int]:
        """Row index by key."""
        return self.memo("position", lambda: {key: index for index, key in enumerate(self.keys)})

    def order(self, field: str, *, text: bool, descending: bool) -> Order:
        """All row indices sorted by a column: stable, missing values last either way, ties by key ascending."""

        def make() -> Order:
            by_key = self._by_key()
            column = (self.codes(field) if text else self.numbers(field))[by_key]
            return by_key[np.argsort(-column if descending else column, kind="stable")]

        return self.memo(("order", field, text, descending), make)

    def mask(self, name: Hashable, make: Callable[[], Mask]) -> Mask:
        """The rows that match a condition, cached by its name."""
        mask = self._masks.get(name)
        if mask is None:
            mask = make()
            self.cache_masks([(name, mask)])
        return mask

    def lacks_mask(self, name: Hashable) -> bool:
        """Whether a condition's mask is not cached."""
        return name not in self._masks

    @property
    def room_for_masks(self) -> int:
        """How many more masks the cache has room for."""
        return max(0, (_MASK_BYTES - self._mask_bytes) // max(1, len(self._rows)))

    def cache_masks(self, masks: Iterable[tuple[Hashable, Mask]]) -> None:
        """Cache masks by their names."""
        if self._mask_bytes > _MASK_BYTES:
            self._masks.clear()
            self._mask_bytes = 0
        for name, mask in masks:
            self._masks[name] = mask
            self._mask_bytes += len(mask) + _weight(name)

    def contains(self, needle: str) -> Mask:
        """The rows whose search text contains the (case-folded) needle.

        It searches all texts joined, and continues after each hit with the next row: the cost depends on the hits.
        """
        haystack, ends = self.memo("haystack", self._haystack)
        hits, row = [], 0
        at = haystack.find(needle)
        while at >= 0:
            row = bisect_right(ends, at, row)
            hits.append(row)
            at = haystack.find(needle, ends[row])
        mask = np.zeros(len(self._rows), dtype=np.bool_)
        mask[hits] = True
        return mask

    def fragments(
        self, shape: Hashable, indices: Sequence[int], reads: Sequence[str], encode: Callable[[tuple[Any, ...]], bytes]
    ) -> list[bytes]:
        """The rows at `indices`, each encoded from the fields that `encode` reads, at most once per shape."""
        cached: list[bytes | None] = self.memo(("fragments", shape), lambda: [None] * len(self._rows))
        fragments = [cached[index] for index in indices]
        if None in fragments:
            missing = [at for at, fragment in enumerate(fragments) if fragment is None]
            encoded = list(map(encode, self._values(reads, [indices[at] for at in missing])))
            for at, fragment in zip(missing, encoded, strict=True):
                fragments[at] = cached[indices[at]] = fragment
            if not self._retired:
                _fragments.add(self, shape, encoded)
        return fragments  # type: ignore[return-value]  # none of them is None now

    def drop_fragments(self, shape: Hashable) -> None:
        """Drop the encoded rows of a shape."""
        self._memo.pop(("fragments", shape), None)

    def _by_key(self) -> Order:
        return self.memo(
            "by_key", lambda: np.array(sorted(range(len(self.keys)), key=self.keys.__getitem__), dtype=np.intp)
        )

    def _haystack(self) -> tuple[str, list[int]]:
        # "\n" ends each text and cannot be in a needle, so that no hit spans two rows.
        originals = map(self._search_in.make, self.rows(self._search_in.reads))
        texts = [text.casefold().replace("\n", " ") + "\n" for text in originals]
        return "".join(texts), list(accumulate(map(len, texts)))


def _weight(name: Hashable) -> int:
    """The approximate size of the lists in a mask's name: a condition may have hundreds of texts."""
    lists = [part for part in name if isinstance(part, tuple)] if isinstance(name, tuple) else []
    return sum(len(str(value)) + _OBJECT_BYTES for values in lists for value in values)


class Universe:
    """The rows that a feed offers before the client's query: a selection of a table's rows in the feed's order."""

    def __init__(self, table: Table, order: Order) -> None:
        self.table = table
        self.order = order
        #: Whether it contains every row of the table.
        self.whole = len(order) == len(table)
        self._mask: Mask | None = None
        self._positions: NDArray[np.float64] | None = None

    @classmethod
    def of_all(cls, table: Table) -> Universe:
        """Every row, in the table's order."""
        return cls(table, np.arange(len(table), dtype=np.intp))

    @classmethod
    def of_keys(cls, table: Table, keys: Iterable[Any]) -> Universe:
        """The rows with these keys, in their order; those that the table lacks are left out."""
        position = table.position()
        return cls(table, np.array([position[key] for key in keys if key in position], dtype=np.intp))

    def __len__(self) -> int:
        return len(self.order)

    @property
    def mask(self) -> Mask:
        """The table's rows that it contains."""
        if self._mask is None:
            self._mask = np.zeros(len(self.table), dtype=np.bool_)
            self._mask[self.order] = True
        return self._mask

    @property
    def positions(self) -> NDArray[np.float64]:
        """The position of each row in the feed's order, from 1; NaN for other rows."""
        if self._positions is None:
            self._positions = np.full(len(self.table), np.nan)
            self._positions[self.order] = np.arange(1, len(self.order) + 1)
        return self._positions
