"""Topics: each a dataset as this process has it, with the groups that watch it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from providers import site
from providers.datasets import Dataset, Row
from providers.facts import Facts
from spot.feeds import table_of
from spot.query.query import compute_masks
from spot.query.table import Table
from spot.snapshots import News, Snapshot, Trouble

if TYPE_CHECKING:
    from spot.hub.groups import Group


class Topic:
    """One dataset as this process has it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.name = dataset.name
        self.snapshot: Snapshot | None = None
        self.table: Table | None = None
        self.facts: Facts | None = None
        self.news: News | None = None
        #: Why the store itself is of no use now; no fetch can be known of meanwhile.
        self.store_trouble: Trouble | None = None
        self.groups: set[Group] = set()
        #: Whether anybody shows the charts; otherwise they stay in the store.
        self.charts = False
        self.left_at = 0
        #: Clients that looked lately and are gone, and of quotes the coins that they looked at: when they left (ms).
        self.gone: dict[str, int] = {}
        self.gone_coins: dict[str, int] = {}
        self._was_stale = False

    @property
    def version(self) -> int:
        """The snapshot's version; 0 without one."""
        return self.snapshot.version if self.snapshot else 0

    @property
    def rows(self) -> Sequence[Row]:
        """The snapshot's rows."""
        return self.snapshot.rows if self.snapshot else []

    @property
    def asked(self) -> Sequence[str]:
        """Of a quotes dataset: the coins that its source was asked for, also those that have no price."""
        return self.snapshot.meta.get("asked", ()) if self.snapshot else ()

    @property
    def trouble(self) -> Trouble | None:
        """Why there is nothing new: the store itself, or the last fetch."""
        return self.store_trouble or (self.news.trouble if self.news else None)

    def outdated(self, news: News) -> bool:
        """Whether the store has a newer snapshot than we, one of another life of its own, or charts that we lack."""
        if self.snapshot is None or not news.version or news.epoch != self.snapshot.epoch:
            return bool(news.version)
        if self.charts and not self.snapshot.has_charts:
            return True
        return news.version > self.snapshot.version  # a store restored from an older copy has nothing for us yet

    def differs(self, news: News) -> bool:
        """Whether the store says anything that we do not know."""
        return self.outdated(news) or self.news is None or self.news.trouble != news.trouble

    def take(self, snapshot: Snapshot | None) -> None:
        """Replace the snapshot. A store that was emptied keeps what we have: last good values, with their age. Raises
        and changes nothing when a column that is shown cannot be decoded."""
        if snapshot is None and self.snapshot is not None:
            return
        table = None if snapshot is None else table_of(snapshot.dataset.kind, snapshot.rows)
        if table is not None:
            shown = {field for group in self.groups for field in group.shape.reads}
            table.decode(shown or set(self.dataset.traits.fields) - set(self.dataset.traits.aside) or None)
        self.retire()
        self.snapshot, self.table = snapshot, table
        self.facts = None if snapshot is None else facts_of([snapshot])
        self._was_stale = False

    def retire(self) -> None:
        """Let the table be freed with its last reader."""
        if self.table is not None:
            self.table.retire()

    def prepare(self) -> None:
        """Evaluate the groups' conditions together, which is cheaper than one by one."""
        if self.table is not None:
            alone = (group for group in self.groups if len(group.topics) == 1)  # others have a table of their own
            compute_masks(self.table, (group.view.query for group in alone))

    def drop(self) -> None:
        """Forget the snapshot: it belongs to the other realm, and simulated values never stand beside real ones."""
        self.retire()
        self.snapshot = self.table = self.facts = self.news = None
        for group in self.groups:
            group.update = None

    def left(self, group: Group, client: str, now_ms: int) -> None:
        """Note that a client of the group is gone, who goes on wanting the data for a while: it may have asked over
        HTTP, and ask again."""
        self.left_at = now_ms
        if not group.verified:
            return
        if self.dataset.traits.by_id:
            self.gone_coins |= dict.fromkeys(group.missing_coins(), now_ms)
        self.gone[client] = now_ms

    def forget(self, before_ms: int) -> None:
        """Forget the clients that were gone before that time."""
        self.gone = {client: at for client, at in self.gone.items() if at >= before_ms}
        self.gone_coins = {coin: at for coin, at in self.gone_coins.items() if at >= before_ms}

    def seen_at(self, now_ms: int) -> int | None:
        """When somebody last looked at it whose coins and currency are known to exist; quotes: at what no market has.
        None when nobody does or did."""
        if self.dataset.traits.by_id:
            return max(self.coins(now_ms).values(), default=None)
        return now_ms if any(group.verified for group in self.groups) else max(self.gone.values(), default=None)

    def coins(self, now_ms: int) -> dict[str, int]:
        """Of a quotes dataset: the coins that the markets snapshot lacks, with when somebody last looked at each."""
        looked_at = {coin for group in self.groups for coin in group.missing_coins()}
        return self.gone_coins | dict.fromkeys(looked_at, now_ms)

    def clients(self) -> set[str]:
        """The addresses of those that look at it, or did so a moment ago."""
        return self.gone.keys() | {client for group in self.groups for client in group.clients}

    @property
    def cold(self) -> bool:
        """Whether it has never been fetched, for no known reason."""
        return self.snapshot is None and self.trouble is None

    def overdue(self, now_ms: int) -> bool:
        """Whether it is fetched on demand, has ceased to hold, and may be fetched now."""
        if not self.dataset.traits.on_demand or self.snapshot is None:
            return False
        due = self.snapshot.fetched_at + self.snapshot.interval_ms
        return now_ms >= max(due, (self.trouble.next_try or 0) if self.trouble else 0)

    def turned(self, now_ms: int) -> bool:
        """Whether the data went stale, or came back, since the last call."""
        stale = self.facts is not None and self.facts.stale(now_ms)
        turned, self._was_stale = stale != self._was_stale, stale
        return turned


def facts_of(parts: list[Snapshot]) -> Facts:
    """The facts of an answer drawn from these snapshots: the oldest times, the newest version, the first one's
    source."""
    first = parts[0]
    times = [part.as_of for part in parts]
    return Facts(
        epoch=first.epoch,
        version=max(part.version for part in parts),
        as_of=None if None in times else min(time for time in times if time is not None),
        fetched_at=min(part.fetched_at for part in parts),
        max_age_ms=first.max_age_ms,
        source=first.source,
        label=first.label,
        simulated=any(part.simulated for part in parts),
        meta=first.meta,
        url=site(first.source),
    )
