"""A page of a feed: rows in order with what the server says of them. No input, no output.

`Table` keeps the rows of one view up to date from snapshots and deltas; `Page` is what a program gets: a page never
changes, and its rows are never written to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from spot_client.models import Head, Missing

if TYPE_CHECKING:
    import pandas
    import polars

RowT = TypeVar("RowT", bound=Mapping[str, Any])

#: Columns of times, in epoch milliseconds.
_TIMES = frozenset({"as_of", "timestamp", "at", "published_at", "detected_at", "received_at"})
#: What the envelope gives beside the rows of a table with headers.
_BESIDE = ("as_of", "stale")


class Clock:
    """The server's clock, as far as it is known: ages do not depend on the clock of this machine."""

    def __init__(self) -> None:
        self.offset_ms = 0.0  # server minus ours

    def now_ms(self) -> float:
        """The time, epoch milliseconds."""
        return time.time() * 1000 + self.offset_ms

    def learn(self, server_ms: float, asked_ms: float, answered_ms: float) -> None:
        """The server said its time between two times of ours. An answer that took two seconds says too little."""
        if 0 <= answered_ms - asked_ms < 2000:
            self.offset_ms = server_ms - (asked_ms + answered_ms) / 2


class Table:
    """The rows of a view by key, in order."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.headers: list[str] | None = None

    def replace(self, data: Any) -> None:
        """Take the `data` of a snapshot."""
        if isinstance(data, list):
            self.headers = None
            self.rows = {str(row.get("id", row.get("timestamp"))): row for row in data}
            return
        self.headers = headers = list(data["headers"])
        beside = [name for name in _BESIDE if name in data]
        self.rows = {
            key: {"id": key, **dict(zip(headers, cells, strict=True)), **{name: data[name][index] for name in beside}}
            for index, (key, cells) in enumerate(zip(data["ids"], data["rows"], strict=True))
        }

    def apply(self, delta: Mapping[str, Any]) -> bool:
        """Take a delta; False when it does not fit, and the table must be replaced then."""
        rows = self.rows
        for key in delta.get("left", ()):
            rows.pop(key, None)
        for key, cells in delta["changed"].items():
            if key not in rows:
                return False
            rows[key] = {**rows[key], **self._named(cells)}
        for key, cells in delta.get("entered", {}).items():
            rows[key] = {"id": key, **self._whole(cells)} if self.headers else cells
        order = delta.get("order")
        if order is not None:
            if len(order) != len(rows) or not rows.keys() >= set(order):
                return False
            self.rows = {key: rows[key] for key in order}
        return True

    def enter(self, events: list[dict[str, Any]], most: int) -> bool:
        """Put events, the oldest first, before the rows, and drop rows beyond `most`; False when there are fewer, and
        the table must be replaced then."""
        entered = {str(row["id"]): row for row in reversed(events)}
        rows = {**entered, **{key: row for key, row in self.rows.items() if key not in entered}}
        self.rows = dict(list(rows.items())[:most])
        return len(self.rows) == most

    def _named(self, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        """Cells by the names of their columns; those of a table with headers come by number."""
        if self.headers is None:
            return cells
        return {self.headers[int(name)] if name.isdigit() else name: value for name, value in cells.items()}

    def _whole(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        named = self._named(cells)
        names = [*(self.headers or ()), *(name for name in named if name in _BESIDE)]
        return {name: named.get(name) for name in names}


@dataclass(frozen=True)
class Page(Generic[RowT]):
    """A page of a feed at one moment. Iterate over it for its rows."""

    rows: list[RowT]
    #: The envelope as it came.
    head: Head
    #: The columns of the market table, in order; None for other feeds.
    headers: list[str] | None = None
    _clock: Clock = field(default_factory=Clock, repr=False)

    def __iter__(self) -> Iterator[RowT]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> RowT:
        return self.rows[index]

    # --- freshness ---------------------------------------------------------------------------------------------------

    @property
    def as_of(self) -> datetime | None:
        """The provider's time of the data; None if it gives none."""
        return _datetime(self.head["as_of"])

    @property
    def fetched_at(self) -> datetime:
        """The time at which the server fetched the data."""
        return cast("datetime", _datetime(self.head["fetched_at"]))

    @property
    def age(self) -> float:
        """The age of the data now, in seconds, by the server's clock. It grows while you keep the page."""
        now = self._clock.now_ms()
        since = self.head["as_of"]
        if since is None or since > now:
            since = self.head["fetched_at"]
        return max(0.0, now - since) / 1000

    @property
    def stale(self) -> bool:
        """Whether the data are too old: the server says so, or they have become so since."""
        most = self.head["max_age_ms"]
        return self.head["stale"] or (most > 0 and self.age * 1000 > most)

    @property
    def stale_at_ms(self) -> float | None:
        """When the page turns stale by itself, epoch ms of this machine; None when it is, or never will be."""
        since, most = self.head["as_of"], self.head["max_age_ms"]
        if self.head["stale"] or most <= 0:
            return None
        return (since if since is not None else self.head["fetched_at"]) + most - self._clock.offset_ms

    # --- where from --------------------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The provider, for programs."""
        return self.head["source"]

    @property
    def source_label(self) -> str:
        """The provider, for people."""
        return self.head["source_label"]

    @property
    def simulated(self) -> bool:
        """Whether the data are those of the demo, and not real."""
        return self.head["simulated"]

    # --- which -------------------------------------------------------------------------------------------------------

    @property
    def feed(self) -> str:
        """The feed."""
        return self.head["channel"]

    @property
    def params(self) -> dict[str, Any]:
        """Every parameter in force."""
        return self.head["params"]

    @property
    def total(self) -> int:
        """Rows of the whole result."""
        return self.head["total"]

    @property
    def number(self) -> int:
        """The number of this page, from 1."""
        return self.head["page"]

    @property
    def pages(self) -> int:
        """The number of pages."""
        return self.head["pages"]

    @property
    def missing(self) -> Mapping[str, Missing]:
        """Why coins that were asked for are not here, by id."""
        return self.head.get("missing", {})

    # --- elsewhere ---------------------------------------------------------------------------------------------------

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame; times are in UTC. Needs `spot-client[pandas]`."""
        import pandas  # noqa: PLC0415 - optional

        frame = pandas.DataFrame.from_records([dict(row) for row in self.rows])
        for name in _TIMES & set(frame.columns):
            frame[name] = pandas.to_datetime(frame[name], unit="ms", utc=True)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars DataFrame; times are in UTC. Needs `spot-client[polars]`."""
        import polars  # noqa: PLC0415 - optional

        frame = polars.DataFrame([dict(row) for row in self.rows], infer_schema_length=None)
        times = [name for name in frame.columns if name in _TIMES]
        return frame.with_columns(
            polars.from_epoch(polars.col(name).cast(polars.Int64), "ms").dt.replace_time_zone("UTC") for name in times
        )


def _datetime(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, timezone.utc)
