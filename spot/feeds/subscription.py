"""What one client asks of one feed, parsed whole: upstream parameters, query and dialect; and its answer. Pure.

Equal subscriptions have equal keys: the hub serves all sockets of a key as one group.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import orjson

from providers.datasets import Dataset
from spot.codes import Refused, bad_value
from spot.feeds import Feed, Shape, parse_params
from spot.query.jsontext import JsonText, dumps
from spot.query.query import Page, Query, evaluate, parse_query
from spot.query.table import Table, Universe

VIEW = ("filters", "search", "sort_by", "sort_order", "page", "page_size")
TIMES = ("start_time", "end_time", "time_field")
MODES = ("envelope", "status", "delta")
_MAX_QUERY_STRING = 16 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """How frames are written: the documented shapes alone, with status frames, in the envelope, in the envelope as
    deltas."""

    envelope: bool = False
    status: bool = False
    delta: bool = False

    @property
    def heartbeats(self) -> bool:
        """Whether the client is told of freshness in frames of its own."""
        return self.status or self.envelope


@dataclass(frozen=True)
class Subscription:
    """A feed as one client wants it. `raw` is what it sent so far, by name, so that a message can change a part of
    it."""

    feed: Feed
    raw: Mapping[str, object]
    params: Mapping[str, Any]
    query: Query
    dialect: Dialect
    key: Hashable
    datasets: tuple[Dataset, ...]

    def updated(self, changes: Mapping[str, object], depth: int) -> Subscription:
        """This subscription with what a message names changed; None (null) clears. Raises `Refused`; never
        half-applied."""
        for name in MODES:
            if name in changes:
                raise Refused("bad_value", f"{name} is set when connecting and cannot change afterwards.", name)
        _known(self.feed, changes, MODES)
        merged = {name: value for name, value in {**self.raw, **changes}.items() if value is not None}
        return subscribe(self.feed, merged, self.dialect, depth)

    @cached_property
    def shape(self) -> Shape:
        """How this subscription's rows look."""
        return self.feed.shape(self.params, self.dialect.envelope)

    def universe(self, table: Table) -> Universe:
        """The feed's rows in that table before the query, made once per table and parameters."""
        return table.universe(self._universe_name, lambda: self.feed.universe(table, self.params))

    @cached_property
    def table_head(self) -> bytes | None:
        """What stands before the rows of a feed that is a table with headers; None for the bare lists."""
        headers = self.feed.headers
        return None if headers is None else b'{"headers":' + dumps(headers(self.params)) + b',"rows":['

    @cached_property
    def _universe_name(self) -> Hashable:
        return ("universe", self.feed.channel, _frozen(self.params))

    @cached_property
    def asked(self) -> JsonText:
        """Every parameter in force, as the envelope shows it: JSON, made once."""
        params = {name: list(value) if isinstance(value, tuple) else value for name, value in self.params.items()}
        query, raw, filters = self.query, self.raw, self.raw.get("filters")
        view = {
            "filters": orjson.loads(filters.strip() or "null") if isinstance(filters, str) else filters,
            "search": raw.get("search"),
            "sort_by": query.sort_by and query.sort_by.name,
            "sort_order": query.sort_by and ("desc" if query.descending else "asc"),
            "page_size": query.page_size,
            "start_time": query.start,
            "end_time": query.end,
        }
        given = {name: value for name, value in view.items() if value is not None}
        return JsonText(orjson.dumps(params | given).decode())


def subscribe(feed: Feed, raw: Mapping[str, object], dialect: Dialect, depth: int) -> Subscription:
    """The subscription that `raw` (parameter values by name) asks for. Raises `Refused` naming what is wrong.

    `depth`: how many coins by market cap heatmap pages may reach.
    """
    params = parse_params(feed, raw, depth)
    # Without page_size the heatmap's page is the provider's page, and the view shows all of it.
    view = {**raw, "page": None} if feed.own_page and raw.get("page_size") is None else raw
    query = parse_query(view, feed.fields, feed.time_field)
    key = (feed.channel, _frozen(params), query, dialect)
    return Subscription(feed, dict(raw), params, query, dialect, key, feed.datasets(params))


def from_query_string(
    feed: Feed, query_string: bytes, depth: int, *, envelope: bool = False, extra: Sequence[str] = ()
) -> Subscription:
    """The subscription in a URL's query string; raw and percent-encoded JSON and spaces are both understood.

    `envelope` switches the envelope on whatever the string says (the `spot.v2` sub-protocol). `extra` names parameters
    that the caller reads itself. Raises `Refused`.
    """
    if len(query_string) > _MAX_QUERY_STRING:
        raise Refused("bad_message", f"The query string is longer than {_MAX_QUERY_STRING} bytes.")
    try:
        pairs = parse_qsl(
            query_string.decode("latin-1"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=100,
        )
    except ValueError as error:
        raise Refused("bad_message", "The query string is not UTF-8, or has more than 100 fields.") from error
    raw: dict[str, object] = {name: value for name, value in pairs if value != "" and name not in extra}
    _known(feed, raw, ())
    modes = {name: _flag(name, raw.pop(name, "false")) for name in MODES}
    dialect = Dialect(envelope or modes["envelope"], modes["status"], modes["delta"])
    if dialect.delta and not dialect.envelope:
        raise bad_value("delta", "asked for together with envelope=1: the documented shapes know no deltas")
    return subscribe(feed, raw, dialect, depth)


def _flag(name: str, raw: object) -> bool:
    value = {"1": True, "true": True, "0": False, "false": False}.get(str(raw).casefold())
    if value is None:
        raise bad_value(name, "1 or 0", raw)
    return value


def parameter_names(feed: Feed) -> tuple[str, ...]:
    """Every parameter the feed takes, upstream ones first."""
    own = tuple(param.name for param in feed.params)
    times = TIMES if feed.time_field else ()
    return (*own, *(name for name in (*VIEW, *times, *MODES) if name not in own))


def _known(feed: Feed, names: Mapping[str, object], without: Sequence[str]) -> None:
    valid = [name for name in parameter_names(feed) if name not in without]
    for name in names:
        if name not in valid:
            shown = repr(name) if len(name) <= 40 else "What was given"
            raise Refused(
                "unknown_field",
                f"{shown} is not a parameter of {feed.channel}. Parameters: {', '.join(valid)}.",
                name[:40],
                ", ".join(valid),
            )


def _frozen(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(params.items())


# --- the answer ------------------------------------------------------------------------------------------------------


class Answer:
    """One page of one snapshot as a subscription shows it; its bytes are joined from the table's row fragments."""

    def __init__(self, subscription: Subscription, table: Table) -> None:
        self.subscription = subscription
        self.table = table
        self.page: Page = evaluate(subscription.universe(table), subscription.query)
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
        shape = self.subscription.shape
        return self.table.fragments(shape.key, self._indices, shape.reads, shape.encode)

    def places(self) -> list[int]:
        """The number each row shows: its place in the feed's ranking, for the market its place in the whole sorted
        result."""
        if self._places is None:
            if self.subscription.feed.headers is not None:
                self._places = list(range(self.page.offset + 1, self.page.offset + 1 + len(self._indices)))
            else:
                self._places = self.subscription.universe(self.table).positions[self.page.indices].astype(int).tolist()
        return self._places

    def keys(self) -> list[Any]:
        """The rows' identities: coin ids, or candle timestamps."""
        keys = self.table.keys
        return [keys[index] for index in self._indices]

    def cells(self, at: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """The page's rows as Python objects in their documented shape, or those `at` some places of the page; market
        rows by column index."""
        shape, places = self.subscription.shape, self.places()
        at = range(len(self._indices)) if at is None else at
        rows = self.table.rows(shape.reads, [self._indices[index] for index in at])
        cells = [shape.cells(row, places[index]) for row, index in zip(rows, at, strict=True)]
        for name, values in self.beside().items():
            for row, index in zip(cells, at, strict=True):
                row[name] = values[index]
        return cells

    def beside(self) -> dict[str, list[Any]]:
        """What the envelope has beside the rows of a table with headers, by name: a value for each row of the page."""
        if not self.subscription.dialect.envelope:
            return {}
        columns = {name: self.table.column(column) for name, column in self.subscription.feed.beside}
        return {name: [column[index] for index in self._indices] for name, column in columns.items()}

    def _encode(self) -> bytes:
        table_head = self.subscription.table_head
        if table_head is None:
            return b"".join((b"[", *self._rows(), b"]"))
        if not self.subscription.dialect.envelope:
            return b"".join((table_head, *self._rows(), b"]}"))
        return b"".join((table_head, *self._rows(), b"],", dumps({"ids": self.keys(), **self.beside()})[1:]))

    def _rows(self) -> list[bytes]:
        """The rows with what stands between them, as parts of a text."""
        fragments, openings = self.fragments(), self.subscription.shape.openings
        if openings is None or not fragments:
            return [b",".join(fragments)]
        parts = [b""] * (2 * len(fragments))
        parts[::2] = map(openings.__getitem__, self.places())
        parts[1::2] = fragments
        parts[0] = parts[0][1:]
        return parts


def whole_range(subscription: Subscription) -> Subscription:
    """The same subscription without paging: what an export holds."""
    unpaged = replace(subscription.query, page=1, page_size=None)
    return replace(subscription, query=unpaged, dialect=Dialect(), key=(subscription.key, "whole"))
