"""Groups: the members of one process that ask for the same in the same dialect.

A group's page is made once, and so is each message about it; each member takes the one that fits what it last had.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from itertools import repeat
from operator import setitem
from typing import Any, NamedTuple, Protocol

from django.conf import settings

from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import DEFLATE_IN_THREAD, Message, Once
from spot.dialects.values import (
    Delta,
    Events,
    Facts,
    Heartbeat,
    Missing,
    Notice,
    Page,
    State,
    Status,
    Unavailable,
    UnknownCoins,
    Value,
)
from spot.feeds.answer import Answer
from spot.feeds.view import View
from spot.hub.audience import SLICE, Audience
from spot.hub.events import EventRing
from spot.hub.listed import Verdict
from spot.hub.outbox import Direct
from spot.hub.topics import Topic, facts_of
from spot.query.columns import CHART
from spot.query.table import Table
from spot.snapshots import Trouble

#: Why a coin is missing whose source was asked for it.
NO_PRICE = Missing("no_price", "The source has no price of it.")
NOTHING: Mapping[str, Missing] = {}


def _not_yet(trouble: Trouble | None) -> Missing:
    """Why a coin is missing that has not been fetched: it is on its way, unless the fetch has failed."""
    message = trouble.public if trouble else "No price of it has been fetched yet."
    return Missing("unavailable", message, pending=trouble is None)


class Update(Page):
    """A group's page, and its messages, each made when the first member needs it."""

    def __init__(self, page: Page, dialect: Dialect, before: Page | None, ring: EventRing | None = None) -> None:
        super().__init__(page.answer, page.facts, page.seq, page.stale, page.missing)
        self.dialect = dialect
        self._ring = ring
        #: The page that `delta` continues from, without its own; no member has the number -1.
        self.before: Page | None = None
        if before is not None and dialect.deltas:
            self.before = Page(before.answer, before.facts, before.seq, before.stale, before.missing)
        self.base = -1 if self.before is None else self.before.seq

    @Once
    def full(self) -> Message:
        """The whole page."""
        return self._message(self)

    @Once
    def delta(self) -> Message:
        """The changes since the page before."""
        assert self.before is not None
        return self._message(Delta(self.before, self))

    def _message(self, value: Page | Delta | Events) -> Message:
        payload = self.dialect.write(value)
        assert payload is not None, "a dialect writes its pages"
        return Message(payload, binary=self.dialect.binary)

    def deflate(self) -> None:
        """Make the deflated frame that members will be written. For a thread: nothing else is touched."""
        _ = self.full.deflated

    def message_after(self, seq: int | None) -> Message:
        """The message for a member whose last page had that number: the change, where it continues from there, or the
        events since."""
        if self._ring is not None and seq is not None:
            return self._events_since(seq)
        message: Message = self.delta if seq == self.base else self.full
        return message

    @Once
    def _since(self) -> dict[int, Message]:
        return {}

    def _events_since(self, seq: int) -> Message:
        if seq not in self._since:
            assert self._ring is not None
            self._since[seq] = self._message(self._ring.since(self.answer.view.feed.channel, seq))
        return self._since[seq]


class Mailbox(Protocol):
    """Where the newest pages of a connection's members wait."""

    pages: dict[Any, Update]
    #: Those that are finished frames, where the connection's socket takes them.
    frames: list[bytes]

    def withdraw(self, member: Any, /) -> bool:
        """Drop the page that waits for a member; whether there was one."""

    def flush(self) -> None:
        """Send what can be sent."""


class Member(Protocol):
    """A member of groups: a subscription of a connection, or an HTTP request that waits for its answer."""

    #: The client that it is counted for.
    client: str
    dialect: Dialect
    #: The group that the hub has put it into.
    group: Group | None
    #: The number of the page that it had last.
    seq: int | None

    @property
    def outbox(self) -> Mailbox: ...

    @property
    def frame_slot(self) -> int | None:
        """Its place in `Mailbox.frames`; None where frames cannot be shared with others'."""

    def lend(self) -> Direct | None:
        """The socket that broadcasts may write to."""

    def say(self, message: Message, kind: type) -> None:
        """A control message; of each kind only the newest matters."""

    def refuse_later(self, refused: Refused) -> None:
        """The view turned out not to exist; the hub has already forgotten the member."""


class _Pushed(NamedTuple):
    """Members whose sockets take no broadcast now, side by side with where their pages wait: as finished frames, or as
    pages."""

    frames: list[list[bytes]]
    slots: list[int]
    pages: list[dict[Any, Update]]
    members: list[Member]
    outboxes: dict[Mailbox, None]

    @classmethod
    def of(cls, members: list[Member], *, alike: bool) -> _Pushed:
        slots = [(member, slot) for member in members if alike and (slot := member.frame_slot) is not None]
        others = members if not slots else [member for member in members if member.frame_slot is None]
        return cls(
            [member.outbox.frames for member, _ in slots],
            [slot for _, slot in slots],
            [member.outbox.pages for member in others],
            others,
            dict.fromkeys(member.outbox for member in members),
        )


class Group:
    """The members of one process with equal view and dialect."""

    def __init__(self, view: View, dialect: Dialect, topics: list[Topic], verdict: Verdict) -> None:
        self.view = view
        self.dialect = dialect
        self.topics = topics
        self.verdict = verdict
        self.coins: tuple[str, ...] = view.params.get("coin_ids", ())
        self.shape = view.shape(dialect.extended)
        self.charts = CHART in self.shape.reads
        self._streamed = all(topic.dataset.traits.streamed for topic in topics)
        self.members: set[Member] = set()
        #: How many members each client has here.
        self.clients: Counter[str] = Counter()
        #: The members whose sockets take a frame at once, plain or deflated: a broadcast touches nothing else of them.
        self.plain: Audience[Member] = Audience()
        self.deflating: Audience[Member] = Audience()
        self._pushed: _Pushed | None = None
        self.update: Update | None = None
        self._events = dialect.events and view.feed.events
        self._ring: EventRing | None = None
        #: Whether all members are sent the same message.
        self._alike = not (dialect.deltas or self._events)
        self._told: tuple[str, str | None, int | None] | None = None
        self._quiet_since = 0

    @property
    def key(self) -> tuple[object, Dialect]:
        """Its name in the hub."""
        return self.view.key, self.dialect

    @property
    def verified(self) -> bool:
        """Whether its currency and coins were found in the lists."""
        return self.verdict.settled

    def judge(self, verdict: Verdict) -> None:
        """Take over what newer lists say; members are told of coins that do not exist."""
        self.verdict = verdict
        if (mistake := self.mistake) is not None:
            self._tell(mistake)

    @property
    def mistake(self) -> UnknownCoins | None:
        """The coins asked for that do not exist, beside others that do."""
        if not self.verdict.unknown:
            return None
        message = " ".join(self.verdict.unknown.values())
        return UnknownCoins(Refused("unknown_coin", f"coin_ids: {message} The other coins are shown.", "coin_ids"))

    # --- members -----------------------------------------------------------------------------------------------------

    def enter(self, member: Member, old: Group | None, now_ms: int) -> None:
        """Count the member in, who comes from the group `old`, and give it the page and what is to be known of it."""
        if member not in self.members:
            self.members.add(member)
            self.clients[member.client] += 1
            self._pushed = None
        member.group = self
        if (value := self._greeting(old, now_ms)) is not None:
            self._tell(value, member)
        if self.update is not None:
            _ = self.update.message_after(member.seq)  # made now: the hub handles a page that cannot be written
            self.hand(member, self.update)
            member.outbox.flush()
        self.admit(member)

    def _greeting(self, old: Group | None, now_ms: int) -> Value | None:
        if self.dialect.statuses and (self.update is None or self.state(now_ms) != "live"):
            return self.status(now_ms)
        if (hopeless := self.hopeless) is not None:
            return Unavailable(hopeless)
        known = old is not None and old.verdict.unknown == self.verdict.unknown
        return None if known else self.mistake

    def leave(self, member: Member) -> None:
        """Count the member out. Harmless when it is not here."""
        if member not in self.members:
            return
        self.members.discard(member)
        self.suspend(member)
        self._pushed = None
        if member.group is self:
            member.group = None
        self.clients[member.client] -= 1
        if not self.clients[member.client]:
            del self.clients[member.client]

    def admit(self, member: Member) -> None:
        """Write straight to a member's socket, if it is lent and every member is sent the same."""
        if self._alike and (direct := member.lend()) is not None:
            (self.deflating if direct.socket.deflates else self.plain).add(member, direct)
            self._pushed = None

    def suspend(self, member: Member) -> None:
        """Push to a member again, whose outbox keeps the newest page for when its socket is ready."""
        self.plain.discard(member)
        self.deflating.discard(member)
        self._pushed = None

    def at_once(self, update: Update) -> tuple[Audience[Member], bytes] | None:
        """All members and the frame that each of them is sent, where all take the same one now and are few."""
        if len(self.members) > SLICE or self.heavy:
            return None
        if len(self.plain) == len(self.members):
            return self.plain, update.full.frame
        if len(self.deflating) == len(self.members):
            return self.deflating, update.full.deflated
        return None

    def hand(self, member: Member, update: Update) -> None:
        """Leave the page with a member, in place of one that waits; its outbox is to be flushed."""
        slot = member.frame_slot if self._alike else None
        if slot is None:
            member.outbox.pages[member] = update
        else:
            member.outbox.frames[slot] = update.full.frame

    def push(self, update: Update) -> dict[Mailbox, None]:
        """The same for all members whose sockets take no broadcast now, in one go: their outboxes, to be flushed."""
        if len(self.plain) + len(self.deflating) == len(self.members):
            return {}
        _ = update.full  # made now: the hub handles a page that cannot be written
        if update.before is not None:
            _ = update.delta
        if self._pushed is None:
            members = [member for member in self.members if member not in self.plain and member not in self.deflating]
            self._pushed = _Pushed.of(members, alike=self._alike)
        pushed = self._pushed
        if pushed.frames:
            deque(map(setitem, pushed.frames, pushed.slots, repeat(update.full.frame)), maxlen=0)
        deque(map(setitem, pushed.pages, pushed.members, repeat(update)), maxlen=0)
        return pushed.outboxes

    # --- the page ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether every snapshot is there that the feed cannot do without, with its charts where those are shown."""
        for topic in self.topics:
            if topic.snapshot is None:
                if not topic.dataset.traits.by_id:
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
        return [topic for topic in self.topics if not topic.dataset.traits.by_id or missing]

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
        """Make the newest page; None when the members would see the same again."""
        facts = self.facts()
        assert facts is not None
        answer, before = Answer(self.view, table, extended=self.dialect.extended), self.update
        missing = self._missing(table) if self.coins else NOTHING
        if self._events:
            self._ring = self._ring or EventRing(now_ms)
            self._ring.take(Answer(self.view.whole, table, extended=self.dialect.extended))
            seq = self._ring.last
        page = Page(answer, facts, seq, facts.stale(now_ms), missing)
        update = Update(page, self.dialect, before, self._ring)
        same = before is not None and self.dialect.same(before, update)
        if not same or not self.dialect.numbered:  # an export and the HTTP twin read what stands behind the page
            self.update = update
        if same:
            return None
        self._quiet_since = now_ms
        return update

    # --- how its data are doing --------------------------------------------------------------------------------------

    def state(self, now_ms: int) -> State:
        """How the group's data are doing."""
        return self._condition(now_ms)[0]

    def status(self, now_ms: int) -> Status:
        """The same, with the reason."""
        state, reason, next_try = self._condition(now_ms)
        return Status(self.view.feed.channel, state, self.facts(), now_ms, reason, next_try)

    def tell_status(self, now_ms: int) -> None:
        """Tell the members when the state of their data has changed; those that are sent no statuses, when nobody
        brings them any."""
        if self.dialect.statuses:
            condition = self._condition(now_ms)
            if condition != self._told:
                first, self._told = self._told is None, condition
                if not (first and condition[0] == "live"):
                    self._tell(self.status(now_ms))
        elif self._streamed:
            refused, before = self.hopeless, self._told
            self._told = ("unavailable", refused.message, refused.next_try) if refused else None
            if refused and self._told != before:
                self._tell(Unavailable(refused))

    @property
    def hopeless(self) -> Refused | None:
        """The refusal of a feed that comes by stream, while nobody brings it and nothing is there to be shown."""
        if not self._streamed or self.ready:
            return None
        trouble = next((topic.trouble for topic in self.topics if topic.trouble and topic.trouble.permanent), None)
        return Refused("unavailable", trouble.public, next_try=trouble.next_try) if trouble else None

    def notice(self, code: str, message: str) -> None:
        """Tell members something that a person should read."""
        self._tell(Notice(code, message))

    def beat(self, now_ms: int) -> None:
        """A heartbeat after a silence, with the age of the data."""
        quiet = now_ms - self._quiet_since > settings.SPOT_HEARTBEAT_SECONDS * 1000
        facts = self.facts()
        if quiet and self.update is not None and facts is not None and self.dialect.statuses:
            self._quiet_since = now_ms
            self._tell(Heartbeat(self.view.feed.channel, facts, self.update.seq, now_ms))

    def _tell(self, value: Value, only: Member | None = None) -> None:
        """Tell all members a value, or one of them, where their dialect has a message for it."""
        payload = self.dialect.write(value)
        if payload is not None:
            message = Message(payload, binary=self.dialect.binary)
            for member in list(self.members) if only is None else (only,):
                member.say(message, type(value))

    def _condition(self, now_ms: int) -> tuple[State, str | None, int | None]:
        facts = self.facts()
        trouble = next((topic.trouble for topic in self._used() if topic.trouble), None)
        reason, next_try = (trouble.public, trouble.next_try) if trouble else (None, None)
        if facts is None or not self.ready:
            return ("unavailable" if trouble else "waiting"), reason, next_try
        return ("stale", reason, next_try) if facts.stale(now_ms) else ("live", None, None)
