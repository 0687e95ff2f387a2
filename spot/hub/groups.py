"""Groups: the members of one process that ask for the same in the same dialect.

A group's page is made once, and so is each message about it; each member takes the one that fits what it last had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from django.conf import settings

from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import DEFLATE_IN_THREAD
from spot.dialects.values import (
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
from spot.hub.events import EventRing
from spot.hub.lanes import Broadcast, Lanes, Mailbox, Member
from spot.hub.listed import Verdict
from spot.hub.topics import Topic, facts_of
from spot.hub.update import Update
from spot.query.columns import TEXTS
from spot.query.table import Table
from spot.snapshots import Trouble

#: A page that tells the time of sending is written anew for newcomers after so long (ms).
_FRESH_MS = 1000
#: Why a coin is missing whose source was asked for it.
NO_PRICE = Missing("no_price", "The source has no price of it.")
NOTHING: Mapping[str, Missing] = {}


def _not_yet(trouble: Trouble | None) -> Missing:
    """Why a coin is missing that has not been fetched: it is on its way, unless the fetch has failed."""
    message = trouble.public if trouble else "No price of it has been fetched yet."
    return Missing("unavailable", message, pending=trouble is None)


class Group:
    """The members of one process with equal view and dialect. `run` names the process in the epoch of its numbers;
    `ring` has the events of an earlier group of the same name."""

    def __init__(
        self,
        view: View,
        dialect: Dialect,
        topics: list[Topic],
        verdict: Verdict,
        *,
        run: str = "",
        ring: EventRing | None = None,
    ) -> None:
        self.view = view
        self.dialect = dialect
        self.topics = topics
        self.verdict = verdict
        self.coins: tuple[str, ...] = view.params.get("coin_ids", ())
        self.shape = view.shape(dialect.extended)
        self.charts = any(name in TEXTS for name in self.shape.reads)
        self._streamed = all(topic.dataset.traits.streamed for topic in topics)
        self.members: set[Member] = set()
        #: How many members each client has here.
        self.clients: Counter[str] = Counter()
        self.update: Update | None = None
        self._run = run
        self._events = dialect.events and view.feed.events
        self.ring = ring
        self.lanes = Lanes(alike=not (dialect.deltas or self._events))
        self._told: tuple[str, str | None, int | None] | None = None
        self._quiet_since = 0
        #: The newest page as newcomers get it, where that is another.
        self._rewritten: Update | None = None
        #: Why coins are missing, as it was when the newest page was made.
        self._missed: Mapping[str, Missing] = NOTHING

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
            self.lanes.enter(member)
        member.group = self
        if (value := self._greeting(old, now_ms)) is not None:
            self._tell(value, member)
        if (update := self._for_newcomers(now_ms)) is not None:
            if update.is_known(member.seq):
                member.seq = update.seq
            else:
                _ = update.next_after(member.seq)  # made now: the hub handles a page that cannot be written
                self.lanes.hand(member, update)
                member.outbox.flush()
        self.lanes.admit(member)

    def _for_newcomers(self, now_ms: int) -> Update | None:
        """The newest page, written anew where it tells the time of sending and has stood for a while."""
        if self.update is None or not self.dialect.dated:
            return self.update
        newest = self._rewritten or self.update
        if now_ms - newest.now_ms > _FRESH_MS:
            newest = self._rewritten = self.update.at(now_ms)
        return newest

    def _greeting(self, old: Group | None, now_ms: int) -> Value | None:
        if self.dialect.statuses and (self.update is None or self.state(now_ms) != "live"):
            return self.status(now_ms)
        if (hopeless := self.hopeless) is not None:
            return Unavailable(hopeless, now_ms)
        known = old is not None and old.verdict.unknown == self.verdict.unknown
        return None if known else self.mistake

    def leave(self, member: Member) -> None:
        """Count the member out. Harmless when it is not here."""
        if member not in self.members:
            return
        self.members.discard(member)
        self.lanes.leave(member)
        if member.group is self:
            member.group = None
        self.clients[member.client] -= 1
        if not self.clients[member.client]:
            del self.clients[member.client]

    def at_once(self, update: Update) -> list[Broadcast] | None:
        """What makes up the whole group's delivery, where all sockets take a frame now and are few."""
        return None if self.heavy else self.lanes.at_once(update, len(self.members))

    def push(self, update: Update) -> dict[Mailbox, None]:
        """Leave the page with all members whose sockets take no broadcast now: their outboxes, to be flushed."""
        return self.lanes.push(self.members, update, len(self.members))

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
        position, unknown = table.position(), self.verdict.unknown
        return [coin for coin in self.coins if coin not in position and coin not in unknown]

    def _missing(self, table: Table) -> dict[str, Missing]:
        """Why each coin asked for is not in the table."""
        quotes = self.topics[-1]
        missing = {}
        for coin in self.coins:
            if coin in self.verdict.unknown:
                missing[coin] = Missing("unknown_coin", self.verdict.unknown[coin])
            elif coin not in table.position():
                missing[coin] = _not_yet(quotes.trouble) if coin not in quotes.asked else NO_PRICE
        return missing

    @property
    def pending(self) -> bool:
        """Whether coins are missing from its page that may come at any moment."""
        return any(why.pending for why in self._missed.values())

    @property
    def heavy(self) -> bool:
        """Whether its frames are so large that deflating one would hold up the event loop."""
        return self.update is not None and len(self.update.answer.data) >= DEFLATE_IN_THREAD

    def page(self, table: Table, seq: int, now_ms: int) -> Page:
        """The page of these rows, of which the members are not told."""
        facts = self.facts()
        assert facts is not None
        answer = Answer(self.view, table, extended=self.dialect.extended)
        missing = self._missing(table) if self.coins else NOTHING
        return Page(answer, facts, seq, facts.stale(now_ms), missing, self._run, now_ms)

    def render(self, table: Table, seq: int, now_ms: int) -> Update | None:
        """Make the newest page; None when the members would see the same again."""
        page, before = self.page(table, seq, now_ms), self.update
        self._missed, self._rewritten = page.missing, None
        if not self.dialect.shows(page):
            self.update = None
            return None
        if self._events:
            if self.ring is None or self.ring.epoch != page.epoch:
                self.ring = EventRing(now_ms, page.epoch)
            self.ring.take(Answer(self.view.whole, table, extended=self.dialect.extended))
            page.seq = self.ring.last
        update = Update(page, self.dialect, before, self.ring)
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
                self._tell(Unavailable(refused, now_ms))

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

    def beat(self, now_ms: int) -> bool:
        """A heartbeat after a silence, with the age of the data; whether there was one."""
        quiet = now_ms - self._quiet_since > settings.SPOT_HEARTBEAT_SECONDS * 1000
        facts = self.facts()
        if not quiet or self.update is None or facts is None or not self.dialect.statuses:
            return False
        self._quiet_since = now_ms
        self._tell(Heartbeat(self.view.feed.channel, facts, self.update.seq, now_ms, self._run))
        return True

    def _tell(self, value: Value, only: Member | None = None) -> None:
        """Tell all members a value, or one of them, where their dialect has a message for it."""
        payload = self.dialect.write(value)
        if payload is not None:
            message = self.dialect.message(payload)
            for member in list(self.members) if only is None else (only,):
                member.say(message.labelled(member.label), type(value))

    def _condition(self, now_ms: int) -> tuple[State, str | None, int | None]:
        facts = self.facts()
        trouble = next((topic.trouble for topic in self._used() if topic.trouble), None)
        reason, next_try = (trouble.public, trouble.next_try) if trouble else (None, None)
        if facts is None or not self.ready:
            return ("unavailable" if trouble else "waiting"), reason, next_try
        return ("stale", reason, next_try) if facts.stale(now_ms) else ("live", None, None)
