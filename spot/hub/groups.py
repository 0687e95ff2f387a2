"""Topics and groups: a snapshot with who watches it, and the members that share one subscription.

A group's state is rendered once; each member takes the frame that fits what it last had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from django.conf import settings

from providers import site
from providers.datasets import STREAMED, Dataset, Row
from spot.codes import Refused
from spot.dialects.frames import DEFLATE_IN_THREAD, Message, Once
from spot.dialects.wire import (
    Facts,
    Missing,
    State,
    delta_frame,
    error_frame,
    heartbeat_frame,
    notice_frame,
    snapshot_frame,
    status_frame,
)
from spot.feeds import table_of
from spot.feeds.subscription import Answer, Subscription
from spot.hub.audience import SLICE, Audience, PreparedSocket
from spot.hub.listed import Verdict
from spot.query.columns import CHART
from spot.query.query import prepare
from spot.query.table import Table
from spot.snapshots import News, Snapshot, Trouble

#: Why a coin is missing whose source was asked for it.
NO_PRICE = Missing("no_price", "The source has no price of it.")
NOTHING: Mapping[str, Missing] = {}


def _not_yet(trouble: Trouble | None) -> Missing:
    """Why a coin is missing that has not been fetched: it is on its way, unless the fetch has failed."""
    message = trouble.public if trouble else "No price of it has been fetched yet."
    return Missing("unavailable", message, pending=trouble is None)


class Topic:
    """One dataset as this process has it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
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
            table.decode({field for group in self.groups for field in group.subscription.shape.reads} or None)
        if self.table is not None:
            self.table.retire()
        self.snapshot, self.table = snapshot, table
        self.facts = None if snapshot is None else facts_of([snapshot])
        self._was_stale = False

    def prepare(self) -> None:
        """Evaluate the groups' conditions together, which is cheaper than one by one."""
        if self.table is not None:
            alone = (group for group in self.groups if len(group.topics) == 1)  # others have a table of their own
            prepare(self.table, (group.subscription.query for group in alone))

    def drop(self) -> None:
        """Forget the snapshot: it belongs to the other realm, and simulated values never stand beside real ones."""
        self.snapshot = self.table = self.facts = self.news = None
        for group in self.groups:
            group.update = None

    def left(self, group: Group, client: str, now_ms: int) -> None:
        """Note that a client of the group is gone, who goes on wanting the data for a while: it may have asked over
        HTTP, and ask again."""
        self.left_at = now_ms
        if not group.verified:
            return
        if self.dataset.kind == "quotes":
            self.gone_coins |= dict.fromkeys(group.missing_coins(), now_ms)
        self.gone[client] = now_ms

    def forget(self, before_ms: int) -> None:
        """Forget the clients that were gone before that time."""
        self.gone = {client: at for client, at in self.gone.items() if at >= before_ms}
        self.gone_coins = {coin: at for coin, at in self.gone_coins.items() if at >= before_ms}

    def seen_at(self, now_ms: int) -> int | None:
        """When somebody last looked at it whose coins and currency are known to exist; quotes: at what no market has.
        None when nobody does or did."""
        if self.dataset.kind == "quotes":
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


class Update:
    """A group's state as frames, each made when the first member needs it."""

    def __init__(
        self,
        answer: Answer,
        facts: Facts,
        seq: int,
        stale: bool,
        before: Update | None,
        missing: Mapping[str, Missing],
    ) -> None:
        self.answer = answer
        self.facts = facts
        self.seq = seq
        self.stale = stale
        #: Why each coin that was asked for is not in the answer, by its id.
        self.missing = missing
        continues = before is not None and answer.subscription.dialect.delta
        #: The number of the state that `delta` continues from; no member has -1.
        self.base = before.seq if before and continues else -1
        self._before = before.answer if before and continues else None

    @Once
    def full(self) -> Message:
        """The whole page."""
        if not self.answer.subscription.dialect.envelope:
            return Message(self.answer.data)
        frame = snapshot_frame(self.answer, self.facts, self.seq, stale=self.stale, missing=self.missing)
        return Message(frame)

    @Once
    def delta(self) -> Message:
        """What changed since the state before."""
        assert self._before is not None
        frame = delta_frame(
            self._before, self.answer, self.facts, self.base, self.seq, stale=self.stale, missing=self.missing
        )
        return Message(frame)

    def deflate(self) -> None:
        """Make the deflated frame that members will be written. For a thread: nothing else is touched."""
        _ = self.full.deflated

    def message_after(self, seq: int | None) -> Message:
        """What a member is sent whose last state had that number: the change, where it continues from there."""
        return self.delta if seq == self.base else self.full


class Member(Protocol):
    """Who joins groups: a socket, or one HTTP request that waits for its answer."""

    #: The address that it is counted by (`spot.clients.limits.network`).
    client: str
    #: Where the server takes finished frames (`spot.server.prepared`), the socket that does; while it is ready nothing
    #: waits.
    socket: PreparedSocket | None

    def push(self, update: Update) -> None:
        """The group has a newer state: only the newest matters."""

    def say(self, message: Message, kind: str) -> None:
        """A control frame; of each kind only the newest matters."""

    def refuse_later(self, refused: Refused) -> None:
        """What was joined turned out not to exist; the hub has already forgotten the member."""


class Group:
    """The members of one process with equal feed, query and dialect."""

    def __init__(self, subscription: Subscription, topics: list[Topic], verdict: Verdict) -> None:
        self.subscription = subscription
        self.topics = topics
        self.verdict = verdict
        self.coins: tuple[str, ...] = subscription.params.get("coin_ids", ())
        self.charts = CHART in subscription.shape.reads
        self._streamed = all(topic.dataset.kind in STREAMED for topic in topics)
        self.members: set[Member] = set()
        #: How many members each client has here.
        self.clients: Counter[str] = Counter()
        #: The members whose sockets take a frame at once, plain or deflated: a broadcast touches nothing else of them.
        self.plain: Audience[Member] = Audience()
        self.deflating: Audience[Member] = Audience()
        self.update: Update | None = None
        self._said: tuple[str, str | None, int | None] | None = None
        self._quiet_since = 0

    @property
    def verified(self) -> bool:
        """Whether its currency and coins were found in the lists."""
        return self.verdict.settled

    def judge(self, verdict: Verdict) -> None:
        """Take over what newer lists say; plain members are told of coins that do not exist."""
        self.verdict = verdict
        if (mistake := self.mistake) is not None and not self.subscription.dialect.heartbeats:
            self._tell(error_frame(mistake), "error")

    @property
    def mistake(self) -> Refused | None:
        """The coins asked for that do not exist, beside others that do; enveloped frames name them themselves."""
        if self.subscription.dialect.envelope or not self.verdict.unknown:
            return None
        message = " ".join(self.verdict.unknown.values())
        return Refused("unknown_coin", f"coin_ids: {message} The other coins are shown.", "coin_ids")

    def mistake_since(self, old: Group | None) -> Refused | None:
        """The same, unless the group that the member comes from has told it."""
        told = old is not None and old.verdict.unknown == self.verdict.unknown
        return None if told else self.mistake

    def enter(self, member: Member) -> None:
        """Count the member in."""
        if member not in self.members:
            self.members.add(member)
            self.clients[member.client] += 1

    def leave(self, member: Member) -> None:
        """Count the member out. Harmless when it is not here."""
        if member not in self.members:
            return
        self.members.discard(member)
        self.suspend(member)
        self.clients[member.client] -= 1
        if not self.clients[member.client]:
            del self.clients[member.client]

    def admit(self, member: Member) -> None:
        """Write straight to a member's socket, if it is ready and every member is sent the same."""
        socket = member.socket
        if socket is not None and socket.ready and socket.send_now is not None and not self.subscription.dialect.delta:
            (self.deflating if socket.deflates else self.plain).add(member, socket)

    def suspend(self, member: Member) -> None:
        """Push to a member again, which keeps the newest state for when its socket is ready."""
        self.plain.discard(member)
        self.deflating.discard(member)

    def at_once(self, update: Update) -> tuple[Audience[Member], bytes] | None:
        """All members and the frame that each of them is sent, where all take the same one now and are few."""
        if len(self.members) > SLICE or self.heavy:
            return None
        if len(self.plain) == len(self.members):
            return self.plain, update.full.prepared
        if len(self.deflating) == len(self.members):
            return self.deflating, update.full.deflated
        return None

    def others(self) -> list[Member]:
        """The members that are pushed to: those whose sockets take no finished frame now."""
        if len(self.plain) + len(self.deflating) == len(self.members):
            return []
        return [member for member in self.members if member not in self.plain and member not in self.deflating]

    @property
    def ready(self) -> bool:
        """Whether every snapshot is there that the feed cannot do without, with its charts where those are shown."""
        for topic in self.topics:
            if topic.snapshot is None:
                if topic.dataset.kind != "quotes":
                    return False
            elif self.charts and not topic.snapshot.has_charts:
                return False
        return True

    def facts(self) -> Facts | None:
        """Where the data come from and how old they are."""
        if len(self.topics) == 1:
            return self.topics[0].facts
        parts = [topic.snapshot for topic in self._used() if topic.snapshot is not None]
        return facts_of(parts) if parts else None

    def _used(self) -> list[Topic]:
        """The topics its answer draws on: quotes only where a coin is missing from the market."""
        missing = self.missing_coins()
        return [topic for topic in self.topics if topic.dataset.kind != "quotes" or missing]

    def missing_coins(self) -> list[str]:
        """Coins asked for by id that exist, and that the markets snapshot lacks."""
        table = self.topics[0].table
        if table is None or not self.verified:
            return []
        return [coin for coin in self.coins if coin not in table.position() and coin not in self.verdict.unknown]

    def _missing(self, table: Table) -> dict[str, Missing]:
        """Why each coin asked for is not in the table."""
        quotes = self.topics[-1]
        asked = quotes.snapshot.meta.get("asked", ()) if quotes.snapshot else ()
        missing = {}
        for coin in self.coins:
            if coin in self.verdict.unknown:
                missing[coin] = Missing("unknown_coin", self.verdict.unknown[coin])
            elif coin not in table.position():
                missing[coin] = _not_yet(quotes.trouble) if coin not in asked else NO_PRICE
        return missing

    @property
    def heavy(self) -> bool:
        """Whether its frames are so large that deflating one would hold up the event loop."""
        return self.update is not None and len(self.update.answer.data) >= DEFLATE_IN_THREAD

    def render(self, table: Table, seq: int, now_ms: int) -> Update | None:
        """Make the newest state; None when the members would see the same bytes again."""
        facts = self.facts()
        assert facts is not None
        answer, before = Answer(self.subscription, table), self.update
        missing = self._missing(table) if self.coins else NOTHING
        update = Update(answer, facts, seq, facts.stale(now_ms), before, missing)
        same = before is not None and self._same(before, update)
        if not same or not self.subscription.dialect.envelope:  # an export and the HTTP twin read what stands behind it
            self.update = update
        if same:
            return None
        self._quiet_since = now_ms
        return update

    def _same(self, before: Update, update: Update) -> bool:
        if self.subscription.dialect.envelope:
            return (before.facts, before.stale, before.missing) == (update.facts, update.stale, update.missing)
        return before.answer.data == update.answer.data

    def state(self, now_ms: int) -> State:
        """How the group's data are doing."""
        return self._condition(now_ms)[0]

    def status(self, now_ms: int) -> bytes:
        """A status frame, for members that are told of freshness."""
        state, reason, next_try = self._condition(now_ms)
        return status_frame(self.subscription.feed.channel, state, self.facts(), now_ms, reason, next_try)

    def tell_status(self, now_ms: int) -> None:
        """Tell the members when the state of their data has changed, if they are of the kind that is told."""
        if not self.subscription.dialect.heartbeats:
            if self._streamed:
                self._tell_hopeless()
            return
        condition = self._condition(now_ms)
        if condition != self._said:
            first, self._said = self._said is None, condition
            if not (first and condition[0] == "live"):
                self._tell(self.status(now_ms), "status")

    def _tell_hopeless(self) -> None:
        why = self.hopeless
        before, self._said = self._said, ("unavailable", why.message, why.next_try) if why else None
        if why and self._said != before:
            self._tell(error_frame(why), "error")

    @property
    def hopeless(self) -> Refused | None:
        """That nobody brings what the feed shows, and nothing is there to be shown. Only of feeds that come by stream:
        everybody is told, because nothing else would ever be said."""
        if not self._streamed or self.ready:
            return None
        trouble = next((topic.trouble for topic in self.topics if topic.trouble and topic.trouble.permanent), None)
        return Refused("unavailable", trouble.public, next_try=trouble.next_try) if trouble else None

    def notice(self, code: str, message: str) -> None:
        """Tell envelope members something that a person should read."""
        if self.subscription.dialect.envelope:
            self._tell(notice_frame(code, message), "notice")

    def beat(self, now_ms: int) -> None:
        """A heartbeat after a silence, with the age of the data."""
        quiet = now_ms - self._quiet_since > settings.SPOT_HEARTBEAT_SECONDS * 1000
        facts = self.facts()
        if quiet and self.update is not None and facts is not None and self.subscription.dialect.heartbeats:
            self._quiet_since = now_ms
            self._tell(heartbeat_frame(self.subscription.feed.channel, facts, self.update.seq, now_ms), "heartbeat")

    def _tell(self, frame: bytes, kind: str) -> None:
        message = Message(frame)
        for member in self.members:
            member.say(message, kind)

    def _condition(self, now_ms: int) -> tuple[State, str | None, int | None]:
        facts = self.facts()
        trouble = next((topic.trouble for topic in self._used() if topic.trouble), None)
        reason, next_try = (trouble.public, trouble.next_try) if trouble else (None, None)
        if facts is None or not self.ready:
            return ("unavailable" if trouble else "waiting"), reason, next_try
        return ("stale", reason, next_try) if facts.stale(now_ms) else ("live", None, None)
