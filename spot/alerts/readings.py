"""The view of a rule, read from the store: the answer that its condition is about, and the rows as the feed writes
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings

from providers.datasets import COINS, CURRENCIES, Dataset
from providers.facts import Facts
from spot import snapshots
from spot.alerts.conditions import MEMBERSHIP, NUMERIC, VIEW, Answer, Kind
from spot.codes import Refused, bad_value
from spot.feeds import ACTIVE, FEEDS, GAINERS, LOSERS, Feed, table_of
from spot.feeds.answer import Answer as Page
from spot.feeds.view import View, check_names, view_of
from spot.hub.listed import Lists, Verdict, judge
from spot.hub.topics import facts_of
from spot.query.columns import Columns
from spot.query.query import Field
from spot.query.table import Table
from spot.snapshots import Snapshot


def rule_view(channel: str, parameters: Mapping[str, object]) -> View:
    """The view of a rule, without charts. Raises `Refused` with the parameter."""
    feed = FEEDS.get(channel)
    if feed is None:
        raise Refused("unknown_feed", f"There is no feed {channel!r}. Feeds: {', '.join(FEEDS)}.", "feed")
    check_names(feed, parameters)
    raw = dict(parameters)
    if any(param.name == "sparkline" for param in feed.params):
        if str(raw.get("sparkline", "false")).casefold() in ("1", "true"):
            raise bad_value("sparkline", "false: charts are no part of alerts", raw["sparkline"])
        raw["sparkline"] = False
    return view_of(feed, raw, settings.SPOT_DEPTH)


def rule_field(feed: Feed, kind: Kind, name: str) -> Field | None:
    """The number that a condition compares; None for conditions that compare none. Raises `Refused`."""
    if kind not in NUMERIC:
        return None
    field = feed.fields.find(name, "field")
    if field.kind not in ("number", "position"):
        numbers = ", ".join(one.name for one in feed.fields.all if one.kind in ("number", "position"))
        raise bad_value("field", f"a number: {numbers}", name)
    return field


def verdict(view: View) -> Verdict:
    """Whether the coins and the currency of the view exist, by the lists in the store. Raises `Refused`."""
    lists: list[Table | None] = []
    for dataset in (CURRENCIES, COINS, Dataset("markets", view.params.get("vs_currency", "usd"))):
        snapshot = snapshots.load(dataset, charts=False)
        lists.append(table_of(dataset.kind, snapshot.rows) if snapshot else None)
    return judge(view.params, Lists(lists[0], lists[1], [table for table in lists[2:] if table]))


class Reading:
    """One page of a view: its rows by key, and the facts about them."""

    def __init__(self, view: View, parts: Sequence[Snapshot], table: Table, versions: str) -> None:
        self.view, self.table, self.versions = view, table, versions
        self.facts = facts_of(list(parts))
        self.page = Page(view, table)
        self.keys = list(map(str, self.page.keys()))

    def answer(self, kind: Kind, field: Field | None, now_ms: int, members: Iterable[str]) -> Answer:
        """The answer for a condition of that kind; `members` are the rows that were in the result before."""
        values: Mapping[str, float | None] = {VIEW: None}
        missing: frozenset[str] = frozenset()
        if field is not None:
            values = dict(zip(self.keys, self._numbers(field), strict=True))
        elif kind in MEMBERSHIP:
            values = dict.fromkeys(self.keys)
            missing = frozenset(self._missing(set(members).difference(self.keys)))
        facts = self.facts
        return Answer(
            at=now_ms,
            values=values,
            missing=missing,
            source=facts.source,
            simulated=facts.simulated,
            stale=facts.stale(now_ms),
        )

    def rows(self) -> dict[str, Any]:
        """Each row in the feed's documented shape; those of a table with headers by its headers."""
        headers = self.view.feed.headers
        names = None if headers is None else headers(self.view.params)
        cells = self.page.cells()
        if names is not None:
            cells = [dict(zip(names, row.values(), strict=True)) for row in cells]
        return dict(zip(self.keys, cells, strict=True))

    def _numbers(self, field: Field) -> list[float | None]:
        if field.kind == "position":
            positions = self.view.universe(self.table).positions
            return [float(positions[index]) for index in self.page.page.indices]
        column = self.table.numbers(field.column)
        return [None if column[index] != column[index] else float(column[index]) for index in self.page.page.indices]

    def _missing(self, absent: set[str]) -> Iterable[str]:
        """Of the rows that are gone from the result, those whose data are missing: a coin that the source no longer
        has, or without a value in a column that the query looks at. Events are never missing: old ones are dropped."""
        if self.view.feed.events or not absent:
            return
        position = {str(key): index for key, index in self.table.position().items()}
        columns = [self.table.values(name) for name in self._looked_at()]
        for key in absent:
            index = position.get(key)
            if index is None or any(column[index] is None for column in columns):
                yield key

    def _looked_at(self) -> set[str]:
        query = self.view.query
        names = {condition.column for condition in query.conditions if condition.kind != "position"}
        if query.sort_by is not None and query.sort_by.kind != "position":
            names.add(query.sort_by.column)
        if self.view.feed in (GAINERS, LOSERS, ACTIVE):
            ranked = (name for name in self.page.shape.reads if name.startswith("price_change_"))
            names |= {"volume_24h", *ranked}
        return names


class Newest:
    """The newest snapshots, each loaded once, with their tables: views that are read together share them."""

    def __init__(self) -> None:
        self._loaded: dict[str, Snapshot | None] = {}
        self._tables: dict[str, Table] = {}

    def snapshot(self, dataset: Dataset) -> Snapshot | None:
        """The snapshot of a dataset, without its charts."""
        if dataset.name not in self._loaded:
            self._loaded[dataset.name] = snapshots.load(dataset, charts=False)
        return self._loaded[dataset.name]

    def table(self, snapshot: Snapshot) -> Table:
        """The table of one of these snapshots."""
        name = snapshot.dataset.name
        if name not in self._tables:
            self._tables[name] = table_of(snapshot.dataset.kind, snapshot.rows)
        return self._tables[name]


def read(view: View, store: Newest) -> Reading | None:
    """The newest page of the view; None while a snapshot is missing that the feed cannot do without."""
    loaded = [(dataset, store.snapshot(dataset)) for dataset in view.datasets]
    parts = [part for _, part in loaded if part is not None]
    if not parts or any(part is None and not dataset.traits.by_id for dataset, part in loaded):
        return None
    versions = _versions(parts)
    first = store.table(parts[0])
    if not lacking(view, first):
        parts = [part for part in parts if not part.dataset.traits.by_id]
    if len(parts) == 1:
        return Reading(view, parts, first, versions)
    return Reading(view, parts, view.feed.table(Columns.joined(part.rows for part in parts)), versions)


def lacking(view: View, market: Table) -> list[str]:
    """The coins that the view asks for by id and that the market lacks."""
    return [coin for coin in view.params.get("coin_ids", ()) if coin not in market.position()]


def newest(view: View, heads: Mapping[str, Facts]) -> str:
    """The versions of the view's snapshots now; "" while one is missing that the feed cannot do without."""
    present = [(dataset, heads.get(dataset.name)) for dataset in view.datasets]
    if any(head is None and not dataset.traits.by_id for dataset, head in present):
        return ""
    return _versions([head for _, head in present if head is not None])


def _versions(parts: Sequence[Facts]) -> str:
    return ":".join([*(part.epoch for part in parts[:1]), *(str(part.version) for part in parts)])
