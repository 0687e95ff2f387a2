"""A view: one feed with its upstream parameters and its query, parsed whole. Pure.

Equal views have equal keys: the hub evaluates each once, however many follow it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from providers.datasets import Dataset
from spot.codes import Refused
from spot.feeds import Feed, Shape, parse_params
from spot.query.jsontext import JsonText, dumps
from spot.query.query import Query, parse_query
from spot.query.table import Table, Universe

VIEW = ("filters", "search", "sort_by", "sort_order", "page", "page_size")
TIMES = ("start_time", "end_time", "time_field")


@dataclass(frozen=True)
class View:
    """A feed with a client's parameters and query. `raw` has the client's values by name, so that a message can change
    some of them."""

    feed: Feed
    raw: Mapping[str, object]
    params: Mapping[str, Any]
    query: Query
    key: Hashable
    datasets: tuple[Dataset, ...]

    def updated(self, changes: Mapping[str, object], depth: int) -> View:
        """This view with a message's changes; None (null) clears a value. Raises `Refused` and then changes nothing."""
        check_names(self.feed, changes)
        merged = {name: value for name, value in {**self.raw, **changes}.items() if value is not None}
        return view_of(self.feed, merged, depth)

    @cached_property
    def whole(self) -> View:
        """The same view without paging, for exports."""
        return replace(self, query=replace(self.query, page=1, page_size=None), key=(self.key, "whole"))

    def shape(self, extended: bool) -> Shape:
        """The form of its rows, with or without the fields beyond the documented ones."""
        return self._extended_shape if extended else self._documented_shape

    @cached_property
    def _documented_shape(self) -> Shape:
        return self.feed.shape(self.params, False)

    @cached_property
    def _extended_shape(self) -> Shape:
        return self.feed.shape(self.params, True)

    def universe(self, table: Table) -> Universe:
        """The feed's rows in that table before the query, cached per table and parameters."""
        return table.universe(self._universe_name, lambda: self.feed.universe(table, self.params))

    @cached_property
    def table_head(self) -> bytes | None:
        """The bytes before the rows of a feed that is a table with headers; None for lists."""
        headers = self.feed.headers
        return None if headers is None else b'{"headers":' + dumps(headers(self.params)) + b',"rows":['

    @cached_property
    def _universe_name(self) -> Hashable:
        return ("universe", self.feed.channel, _frozen(self.params))

    @cached_property
    def asked(self) -> JsonText:
        """Every parameter in force, as JSON for the envelope."""
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


def view_of(feed: Feed, raw: Mapping[str, object], depth: int) -> View:
    """The view of these parameter values by name. Raises `Refused` with the parameter.

    `depth`: the number of coins by market cap that heatmap pages may reach.
    """
    params = parse_params(feed, raw, depth)
    # Without page_size the heatmap's page is the provider's page, and the view shows all of it.
    paged = {**raw, "page": None} if feed.own_page and raw.get("page_size") is None else raw
    query = parse_query(paged, feed.fields, feed.time_field)
    return View(feed, dict(raw), params, query, (feed.channel, _frozen(params), query), feed.datasets(params))


def parameter_names(feed: Feed, modes: Sequence[str] = ()) -> tuple[str, ...]:
    """Every parameter of the feed, upstream ones first, those of the dialect (`modes`) last."""
    own = tuple(param.name for param in feed.params)
    times = TIMES if feed.time_field else ()
    return (*own, *(name for name in (*VIEW, *times, *modes) if name not in own))


def check_names(feed: Feed, names: Mapping[str, object], modes: Sequence[str] = ()) -> None:
    """Raise `Refused` for a name that is neither a parameter of the feed nor one of its dialect's `modes`."""
    valid = parameter_names(feed, modes)
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
