"""The hub: one per web process. It holds the newest snapshots, and serves equal subscriptions once.

One task reads Redis (`_read_forever`): names become due by a nudge, by a slow timer, or because somebody joined. One
task listens for nudges, one looks at the clock. Joining and leaving are plain calls that touch no network: what is not
there yet is pushed when it arrives.
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from contextvars import Context
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from providers import tracing
from providers.datasets import COINS, CURRENCIES, Dataset
from providers.redis_trouble import why
from spot.codes import Refused
from spot.dialects.base import Dialect, Since
from spot.feeds.view import View
from spot.hub.audience import SLICE, send_all
from spot.hub.demand import Demand
from spot.hub.events import Shelf
from spot.hub.groups import Group
from spot.hub.lanes import Broadcast, Mailbox, Member
from spot.hub.listed import Lists, judge
from spot.hub.report import WebReport
from spot.hub.ring import Ring
from spot.hub.shares import make_room
from spot.hub.topics import Topic
from spot.hub.update import Update
from spot.metrics import DELIVERY, FAN_OUT, observe
from spot.query.columns import Columns
from spot.query.table import Table
from spot.snapshots import News, Snapshot, Trouble, now_ms, nudges
from spot.snapshots.reader import Reader
from spot.tidying import Tidying

log = structlog.get_logger(__name__)

#: How often versions are compared although no nudge came, and demand is renewed, in seconds.
_SLOW_TIMER = 5.0
#: Publishing gives way to pings, joins and other groups after so many seconds, and after a slice of one group.
_SLICE_SECONDS = 0.010
#: Frames of small groups that are written together.
_BATCH = 64
#: The refusal of clients that hold many data for themselves alone while others get none.
GAVE_WAY = Refused("too_many_datasets", "This gave way to other clients; try again later, or watch fewer at a time.")


class Hub:
    """The snapshots and groups of one event loop."""

    _of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()

    @classmethod
    def current(cls) -> Hub:
        """The running loop's hub, started on first use (Daphne has no lifespan to start it in)."""
        loop = asyncio.get_running_loop()
        hub = cls._of_loop.get(loop)
        if hub is None:
            hub = cls._of_loop[loop] = cls()
            hub._start()
        return hub

    def __init__(self) -> None:
        self.reader = Reader()
        self.ring = Ring.where_possible() if settings.SPOT_IO_URING else None
        self.topics: dict[str, Topic] = {}
        self.groups: dict[tuple[object, Dialect], Group] = {}
        self.nudges = nudges.Subscription(self._hear)
        self.read_at_ms = 0
        self._seq = 0
        #: Its name in the epochs of the numbers that it gives.
        self._run = secrets.token_hex(3)
        self._rings = Shelf()
        self._due: set[str] = set()
        self._stored: set[str] = set()
        #: The traces to which what is due belongs.
        self._traces: dict[str, str] = {}
        self._failed: set[Group] = set()
        self._wake = asyncio.Event()
        self._merged: dict[tuple[str, ...], tuple[tuple[int, ...], Table]] = {}
        self.demand = Demand(self.reader, self.topics)
        self.report = WebReport(self.groups.values())
        self._comparing = self._demanding = True
        self._realm = self.reader.realm
        self._publishing = asyncio.Lock()
        self._clock = asyncio.get_running_loop().time
        self._tasks: list[asyncio.Task[None]] = []

    def _start(self) -> None:
        for dataset in (CURRENCIES, COINS):
            self._topic(dataset)
        beside = self.report.tell_forever, self.report.sample_forever, Tidying(self._clock).forever
        for loop in (self._read_forever, self.nudges.listen, self._watch_forever, *beside):
            self._tasks.append(asyncio.create_task(loop(), name=f"hub {loop.__name__}", context=Context()))

    async def aclose(self) -> None:
        """Stop the tasks and close the connections."""
        running = set(self._tasks)
        while running:  # cancelled once more when it was lost: a client that is just connecting swallows it
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.2)
        await self.report.aclose()
        await self.reader.aclose()
        if self.ring is not None:
            self.ring.close()
        self._of_loop.pop(asyncio.get_running_loop(), None)

    # --- members -----------------------------------------------------------------------------------------------------

    def join(self, member: Member, view: View, since: int | Since | None = None) -> None:
        """Put the member into the view's group, out of the one it was in, to go on after `since`. Raises
        `Refused` and changes nothing when the view cannot be had; what cannot be known yet is told later by
        `Member.refuse_later`."""
        old, seq, waited = member.group, member.seq, member.outbox.withdraw(member)
        member.seq = since
        try:
            group = self.groups.get((view.key, member.dialect)) or self._make_group(view, member)
            group.enter(member, old, now_ms())
        except Exception as error:
            self._return(member, old)
            member.seq = seq
            if waited and old is not None and old.update is not None:
                old.lanes.hand(member, old.update)
            if isinstance(error, Refused):
                raise
            log.exception("answer cannot be made", feed=view.feed.channel)
            raise Refused("unavailable", "The newest data cannot be read; try again in a few seconds.") from error
        if old is not None and old is not group:
            self._drop(old, member)
        if any(topic.overdue(now_ms()) for topic in group.topics):
            self._demanding = True
            self._wake.set()

    def _return(self, member: Member, old: Group | None) -> None:
        """Undo a join: put the member back into the group it was in, if any."""
        failed = member.group
        if failed is not None and failed is not old:
            self._drop(failed, member)
        member.group = old

    def leave(self, member: Member) -> None:
        """Forget the member. Harmless when it is not known."""
        group = member.group
        if group is not None:
            member.outbox.withdraw(member)
            self._drop(group, member)

    def _drop(self, group: Group, member: Member) -> None:
        group.leave(member)
        for topic in group.topics:
            topic.left(group, member.client, now_ms())
        if not group.members:
            self.groups.pop(group.key, None)
            if group.ring is not None:
                self._rings.keep(group.key, group.ring, now_ms())
            for topic in group.topics:
                topic.groups.discard(group)

    def _make_group(self, view: View, member: Member) -> Group:
        if settings.SPOT_QUERIES and len(self.groups) >= settings.SPOT_QUERIES:
            raise Refused("too_many_queries", f"The server keeps at most {settings.SPOT_QUERIES} distinct queries.")
        verdict = judge(view.params, self.lists)
        leaving = make_room(view, member.client, self.topics)
        topics = [self._topic(dataset) for dataset in view.datasets]
        ring = self._rings.take((view.key, member.dialect), now_ms()) if view.feed.events else None
        group = Group(view, member.dialect, topics, verdict, run=self._run, ring=ring)
        self._render(group)
        self._dismiss(leaving)
        for topic in topics:
            topic.groups.add(group)
            topic.charts |= group.charts
        self.groups[group.key] = group
        if not group.ready:
            self._demanding = True
            self._soon(topic.name for topic in topics)
        return group

    def _dismiss(self, groups: Iterable[Group]) -> None:
        """End groups that gave way to others."""
        for group in groups:
            for member in list(group.members):
                self.leave(member)
                member.refuse_later(GAVE_WAY)
            for topic in group.topics:
                topic.gone.clear()

    def _topic(self, dataset: Dataset) -> Topic:
        topic = self.topics.get(dataset.name)
        if topic is None:
            topic = self.topics[dataset.name] = Topic(dataset)
            self._soon([dataset.name])
        return topic

    # --- what exists -------------------------------------------------------------------------------------------------

    @property
    def lists(self) -> Lists:
        """The lists of what exists, as far as they have been read."""
        currencies, coins = self.topics[CURRENCIES.name].table, self.topics[COINS.name].table
        blocks = [topic for topic in self.topics.values() if topic.dataset.traits.market]
        markets = [topic.table for topic in sorted(blocks, key=lambda topic: topic.dataset.block) if topic.table]
        return Lists(currencies, coins, markets)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _soon(self, names: Iterable[str]) -> None:
        self._due.update(names)
        self._wake.set()

    def _compare(self) -> None:
        self._comparing = True
        self._wake.set()

    async def _read_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            names, failed = self._due & self.topics.keys(), set[Group]()
            if self._comparing:
                self._comparing, self._demanding, names = False, True, set(self.topics)
                asyncio.get_running_loop().call_later(_SLOW_TIMER, self._compare)
                failed, self._failed = self._failed, set()
            stored = self._stored & names
            self._due.clear()
            self._stored.clear()
            try:
                await self._publish(failed)
                await self._read(sorted(names), stored)
                if self._demanding:
                    self._demanding = False
                    await self._demand()
                    self._note_store(None)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("store out of reach", error=type(error).__name__, why=why(error))
                self._note_store(error)
                self._demanding = True
                self._soon(names)
                await asyncio.sleep(1)
            except Exception:
                log.exception("reading failed", names=names)
                await asyncio.sleep(1)

    def _note_store(self, error: BaseException | None) -> None:
        """Remember why nothing new can be stored or read: whoever is shown something old is told."""
        public = "This site's own store is out of order at the moment."
        trouble = None if error is None else Trouble("unavailable", why(error), now_ms(), None, public=public)
        for topic in self.topics.values():
            topic.store_trouble = trouble

    async def _read(self, names: list[str], stored: set[str]) -> None:
        """Load what is newer than what we have, and publish it. The lists come first: others are judged by them.
        `stored`: of which a nudge told that they have just been stored."""
        # One name has been nudged: its snapshot comes with its news. Of many, few will have changed.
        whole = await self._latest(names[0], stored) if len(names) == 1 else None
        news = {names[0]: whole[0]} if whole else await self.reader.news(names)
        self.read_at_ms = now_ms()
        if self.reader.realm != self._realm:
            self._change_realm()
        names.sort(key=lambda name: name not in (CURRENCIES.name, COINS.name))
        for name in names:
            topic = self.topics.get(name)
            if topic is None or not topic.differs(news[name]):
                continue
            try:
                with tracing.span("hub update", self._traces.pop(name, ""), dataset=name):
                    await self._renew(topic, news[name], whole[1] if whole else None)
            except (RedisError, OSError):
                raise
            except Exception:  # one bad snapshot must not end the reading of all others
                log.exception("snapshot cannot be read", dataset=name)

    async def _latest(self, name: str, stored: set[str]) -> tuple[News, Snapshot | None] | None:
        try:
            read, topic = self.reader.stored if name in stored else self.reader.latest, self.topics[name]
            with tracing.span("hub read", self._traces.get(name, ""), dataset=name):
                return await read(topic.dataset, charts=topic.charts, known=topic.snapshot)
        except (RedisError, OSError):
            raise
        except Exception:
            log.exception("snapshot cannot be read", dataset=name)
            return None

    def _change_realm(self) -> None:
        """Real data have come after the demo, or the other way round: nothing of the old realm is shown again."""
        self._realm = self.reader.realm
        live = self._realm == "live"
        message = "Real data take the place of the simulated market." if live else "The market is now simulated."
        for group in self.groups.values():
            if group.update is not None:  # members that have been shown nothing yet need not be told
                group.notice("realm_changed", message)
        for topic in self.topics.values():
            topic.drop()
        self._soon(self.topics)

    async def _renew(self, topic: Topic, news: News, snapshot: Snapshot | None) -> None:
        version = topic.version
        if topic.outdated(news):
            if snapshot is None:
                news, snapshot = await self.reader.latest(topic.dataset, charts=topic.charts, known=topic.snapshot)
                if self.reader.realm != self._realm:  # it changed between the two readings
                    self._change_realm()
            before = topic.snapshot
            topic.take(snapshot)
            try:
                topic.prepare()
            except Exception:  # each group evaluates its own conditions then, and those that can be are
                log.exception("conditions cannot be evaluated together", dataset=topic.name)
            if before and snapshot and before.source != snapshot.source:
                self._announce(topic, before.label, snapshot.label)
        topic.news = news
        if topic.dataset in (CURRENCIES, COINS) or topic.dataset.traits.market:
            await self._reverify(everybody=topic.dataset == COINS)
        began = self._clock()
        await self._publish(topic.groups)
        if 0 < version < topic.version and topic.groups:
            observe(FAN_OUT, self._clock() - began, topic.dataset.kind)
            observe(DELIVERY, max(0, now_ms() - topic.version) / 1000, topic.dataset.kind)

    def _announce(self, topic: Topic, old: str, new: str) -> None:
        for group in topic.groups:
            group.notice("source_changed", f"The data now come from {new}; before, they came from {old}.")

    async def _reverify(self, *, everybody: bool) -> None:
        """Judge by the newest lists what could not be judged before; with `everybody`, whoever asks for coins: those
        may have been listed or delisted since."""
        turned, lists = [], self.lists
        for group in list(self.groups.values()):
            if group.verified and not (everybody and group.coins):
                continue
            try:
                verdict = judge(group.view.params, lists)
            except Refused as refused:
                if not group.verified:  # a group that was served keeps what it has
                    for member in list(group.members):
                        self.leave(member)
                        member.refuse_later(refused)
                continue
            if verdict != group.verdict:
                group.judge(verdict)
                turned.append(group)
        self._demanding = self._demanding or bool(turned)
        await self._publish(turned)

    async def _publish(self, groups: Iterable[Group]) -> None:
        """Render each group once and hand the page to its members, giving way to other work every few milliseconds.
        Connections with many subscriptions are written to at the end, once."""
        async with self._publishing:
            slice_end = self._clock() + _SLICE_SECONDS
            waiting: list[Broadcast] = []
            outboxes: dict[Mailbox, None] = {}
            for group in list(groups):
                before = group.update
                try:
                    if group.members and (update := self._render(group)) is not None:
                        if (small := group.at_once(update)) is not None:
                            waiting += small
                        else:
                            self._send_waiting(waiting)
                            await self._fan_out(group, update, outboxes)
                except Exception:  # the others still get their frames; this one is tried with the next comparison
                    log.exception("answer cannot be made", feed=group.view.feed.channel)
                    group.update = before
                    self._failed.add(group)
                late = self._clock() > slice_end
                if late or len(waiting) >= _BATCH:
                    self._send_waiting(waiting)
                if late:
                    await asyncio.sleep(0)
                    slice_end = self._clock() + _SLICE_SECONDS
            self._send_waiting(waiting)
            await self._flush(outboxes)

    def _send_waiting(self, waiting: list[Broadcast]) -> None:
        """Frames of small groups are written together, which is cheaper, and always before anything can come in
        between."""
        if waiting:
            with tracing.span("send", audiences=len(waiting)):
                send_all(waiting, self.ring)
            waiting.clear()

    async def _fan_out(self, group: Group, update: Update, outboxes: dict[Mailbox, None]) -> None:
        """Give every member the group's newest page: those whose sockets are lent at once, in slices, so that pings,
        joins and other groups are served in between; the others by their outboxes."""
        if group.heavy and group.lanes.deflates:
            await asyncio.to_thread(update.full.deflate)

        def push(member: Member) -> None:
            if member.group is group:  # it may have left, or moved on, in between
                group.lanes.hand(member, update)
                outboxes[member.outbox] = None

        outboxes |= group.push(update)
        for audience, message in group.lanes.broadcasts(update):
            with tracing.span("send", sockets=len(audience)):
                await audience.send(message, push, self.ring)

    async def _flush(self, outboxes: Collection[Mailbox]) -> None:
        """Write what waits in the outboxes, in slices."""
        slice_end = self._clock() + _SLICE_SECONDS
        with tracing.span("send", outboxes=len(outboxes)) if outboxes else nullcontext():
            for count, outbox in enumerate(outboxes, 1):
                try:
                    outbox.flush()
                except Exception:  # the others still get theirs
                    log.exception("connection cannot be written to")
                if count % SLICE == 0 or self._clock() > slice_end:
                    await asyncio.sleep(0)
                    slice_end = self._clock() + _SLICE_SECONDS

    def _render(self, group: Group) -> Update | None:
        update = None
        if group.ready and group.verified:
            self._seq += 1
            update = group.render(self._table(group), self._seq, now_ms())
            if group.pending:
                self._demanding = True
                self._wake.set()
        group.tell_status(now_ms())
        return update

    def newest(self, group: Group) -> Update | None:
        """The group's page of the newest snapshots, also of those that are just being published to groups one after
        another; None while there is none. Pages that are read without a pause between them are of one version."""
        if group.update is None or not group.ready:
            return None
        table = self._table(group)
        if group.update.answer.table is table:
            return group.update
        self._seq += 1
        return Update(group.page(table, self._seq, now_ms()), group.dialect, None)

    def _table(self, group: Group) -> Table:
        """The table of the group's snapshots: the snapshot's own, or those of several joined, each row once."""
        present = group.topics
        if len(present) > 1:
            present = [topic for topic in present if topic.snapshot is not None and topic.table is not None]
        if len(present) == 1:
            assert present[0].table is not None
            return present[0].table
        names = tuple(topic.name for topic in present)
        versions = tuple(topic.version for topic in present)
        merged = self._merged.get(names)
        if merged is None or merged[0] != versions:
            if merged is not None:
                merged[1].retire()
            rows = Columns.joined(topic.rows for topic in present)
            merged = self._merged[names] = (versions, group.view.feed.table(rows))
        return merged[1]

    # --- demand ------------------------------------------------------------------------------------------------------

    async def _demand(self) -> None:
        self.demand.forget_old()
        for names in [names for names in self._merged if not self.topics.keys() >= set(names)]:
            self._merged.pop(names)[1].retire()
        for topic in self.topics.values():
            topic.charts = any(group.charts for group in topic.groups)
        await self.demand.tell()

    # --- nudges and the clock ----------------------------------------------------------------------------------------

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Handle a message of the channel layer, by its type."""
        if message.get("type") == nudges.TYPE and (name := message.get("name")) in self.topics:
            (self._stored.add if message.get("stored") == self._realm else self._stored.discard)(name)
            if context := message.get("trace"):
                self._traces[name] = context
            self._soon([name])

    async def _watch_forever(self) -> None:
        """Once a second: whose data have gone stale, and whose silence is due a heartbeat."""
        while True:
            await asyncio.sleep(1)
            try:
                await self._watch(now_ms())
            except Exception:  # one bad group must not end the watch over all others
                log.exception("watching failed")

    async def _watch(self, now: int) -> None:
        turned = {group for topic in self.topics.values() if topic.turned(now) for group in topic.groups}
        await self._publish(turned)
        for group in list(self.groups.values()):
            if group.beat(now):
                await asyncio.sleep(0)  # thousands of members are told one by one
