"""How a provider stands at this moment, read once for a page: its accounts, its breaker, its stream. Then, in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis.exceptions import RedisError

from providers import access, ledger, stream_state
from providers.access import Access
from providers.admin.words import day, left, moment, number
from providers.breaker import Breaker, BreakerState
from providers.budget import Budget, Usage, connection, month_of, wall_ms
from providers.datasets import Kind
from providers.errors import Unauthorized
from providers.models import ProviderSettings
from providers.stream_state import StreamState

UNKNOWN = "Redis does not answer"
#: Coins that a page has room for.
_DISPUTED = 8


@dataclass(frozen=True, slots=True)
class Health:
    """One word, the kind of mark that goes with it (`words.MARKS`), and what there is to say besides."""

    mark: str
    word: str
    detail: str = ""


@dataclass(frozen=True)
class Account:
    """One way of asking a provider: a key, or none. `usage` is None while Redis is away."""

    entry: Access
    usage: Usage | None
    now_ms: int

    @property
    def key(self) -> str:
        """The last four characters of its key."""
        text = self.entry.key.reveal()
        return "no key" if not text else f"••••{text[-4:]}" if len(text) >= 12 else "••••"

    @property
    def minute(self) -> str:
        if self.entry.provider.simulated:
            return "not counted"
        return left(self.usage.minute, self.entry.per_minute) if self.usage else "unknown"

    @property
    def month(self) -> str:
        if self.entry.provider.simulated:
            return "not counted"
        return left(self.usage.month, self.entry.per_month) if self.usage else "unknown"

    @property
    def last_words(self) -> Health:
        """The last fetch that was made with it."""
        return fetch_words(self.usage.last if self.usage else None, self.now_ms)

    @property
    def lowered(self) -> str:
        """What the provider was found to allow, where that is less than its limit says."""
        found = self.usage.lowered if self.usage else 0
        return f"held to {found:,} a minute today: it refused more" if found else ""

    @property
    def forecast(self) -> str:
        """How long the month's allowance lasts at the pace so far."""
        if self.usage is None:
            return "unknown"
        limit, used, (start, end) = self.entry.per_month, self.usage.month, month_of(self.now_ms)
        found = ledger.forecast(used, limit, max(start, self.usage.since or self.now_ms), end, self.now_ms)
        if not limit:
            return "no limit"
        if found is None:
            return "lasts the month"
        return f"used up until {day(end)}" if used >= limit else f"at this pace used up on {found.day} {found:%B}"

    @property
    def health(self) -> Health:
        """Whether a call could be made with it now."""
        if self.usage is None:
            return Health("unknown", "unknown", UNKNOWN)
        if self.usage.rest_until:
            return self._resting(self.usage)
        if self.entry.per_month and self.usage.month >= self.entry.per_month:
            return Health("bad", "used up", "until the month ends")
        return Health("good", "ready")

    def _resting(self, usage: Usage) -> Health:
        code, _, message = usage.rest_reason.partition(" ")
        detail = f"until {moment(usage.rest_until, self.now_ms)}: {message or code}"
        return (
            Health("bad", "refused", detail) if code == Unauthorized.code else Health("waiting", "left alone", detail)
        )


class Standing:
    """All that the pages tell about one provider. Nothing here fails because Redis is away."""

    def __init__(self, row: ProviderSettings) -> None:
        self.row, self.provider, self.now_ms = row, row.provider, wall_ms()

    @cached_property
    def first(self) -> Access | None:
        """How it would be asked next, or would be if it were allowed to."""
        return access.of(self.provider) if self.provider else None

    @cached_property
    def accounts(self) -> list[Account]:
        """Its keys in the order in which they are used, or its one access without a key."""
        return [self.account(entry) for entry in self._entries()]

    def account(self, entry: Access) -> Account:
        """Where that access stands, in use or not."""
        try:
            return Account(entry, Budget(connection()).usage(entry), self.now_ms)
        except RedisError:
            return Account(entry, None, self.now_ms)

    def _entries(self) -> list[Access]:
        entries = access.all_of(self.provider) if self.provider else []
        try:
            return Budget(connection()).in_turn(entries)
        except RedisError:
            return entries

    @property
    def several(self) -> bool:
        return len(self.accounts) > 1

    @property
    def kinds(self) -> list[str]:
        """The kinds of dataset that it serves, and what its stream brings."""
        if self.provider is None:
            return []
        streamed = sorted(self.provider.stream.brings) if self.provider.stream else []
        polled = [
            endpoint.kind + (" (not with this plan)" if self._lacks(endpoint.kind) else "")
            for endpoint in self.provider.endpoints
        ]
        return polled + [f"{what} (stream)" for what in streamed]

    @cached_property
    def breaker(self) -> BreakerState | None:
        """None while Redis is away."""
        try:
            return Breaker(connection()).state(self.row.name)
        except RedisError:
            return None

    @property
    def tripped(self) -> bool:
        """Whether there is anything to reset."""
        return self.breaker is not None and (self.breaker.state != "closed" or self.breaker.failures > 0)

    @property
    def breaker_words(self) -> Health:
        """Whether the provider is asked in its turn, and if not since when, until when and why."""
        if (breaker := self.breaker) is None:
            return Health("unknown", "unknown", UNKNOWN)
        code, _, message = breaker.reason.partition(" ")
        if breaker.state == "closed":
            failed = f"{number(breaker.failures, 'failure')} in a row: {message or code}" if breaker.failures else ""
            return Health("good", "closed", failed)
        since = f"since {moment(breaker.opened_at, self.now_ms)}: {message or code}"
        if breaker.state == "trial":
            return Health("waiting", "on trial", f"the next call decides; open {since}")
        return Health("bad", "breaker open", f"until {moment(breaker.until, self.now_ms)}, {since}")

    @cached_property
    def stream(self) -> StreamState | None:
        """None when no process leads its stream, or Redis is away."""
        try:
            return stream_state.read(connection(), self.row.name)
        except RedisError:
            return None

    @property
    def stream_words(self) -> Health | None:
        """How its stream is; None where it has none."""
        if self.provider is None or self.provider.stream is None:
            return None
        if self.stream is None:
            return Health("off", "not running", "it needs a key, and a stream process")
        return streaming_words(self.stream, self.now_ms)

    @cached_property
    def disputed(self) -> str:
        """The coins whose streamed prices stood apart from those shown most often in the last week."""
        try:
            counted = stream_state.counts(connection(), "disputed", self.row.name)
        except RedisError:
            return UNKNOWN
        return ", ".join(f"{coin} {times:,}" for coin, times in list(counted.items())[:_DISPUTED])

    @cached_property
    def health(self) -> Health:
        """The provider in one word."""
        return self._health(self.accounts)

    def health_for(self, kind: Kind) -> Health:
        """The same as far as that kind of dataset is concerned, which its plan may lack."""
        if self._lacks(kind):
            return Health("lacking", "not in its plan", f"{self.accounts[0].entry.plan.name} has no {kind}")
        return self._health([account for account in self.accounts if kind not in account.entry.plan.lacks])

    def _lacks(self, kind: Kind) -> bool:
        """Whether none of its accounts has that kind, though there are some."""
        return bool(self.accounts) and all(kind in account.entry.plan.lacks for account in self.accounts)

    def _health(self, accounts: list[Account]) -> Health:
        if self.provider is None:
            return Health("off", "not installed", "its adapter has gone")
        if not self.row.enabled:
            return Health("off", "switched off")
        if not accounts:
            return Health("lacking", "no key", "it is asked nothing until it has one")
        if self.breaker and self.breaker.state != "closed":
            return self.breaker_words
        states = [account.health for account in accounts]
        best = next((state for state in states if state.mark == "good"), states[0])
        spare = sum(state.mark != "good" for state in states)
        if best.mark == "good" and spare:
            return Health("good", "ready", f"{len(states) - spare} of {number(len(states), 'key')}")
        return best

    @property
    def last(self) -> dict[str, Any] | None:
        """The last fetch's outcome, whichever key it was made with."""
        found = [account.usage.last for account in self.accounts if account.usage and account.usage.last]
        return max(found, key=lambda one: int(one["at"]), default=None)

    @property
    def last_words(self) -> Health:
        """The same in words."""
        return fetch_words(self.last, self.now_ms)


def fetch_words(last: dict[str, Any] | None, now_ms: int) -> Health:
    """A fetch: how it went, of what, how long it took."""
    if last is None:
        return Health("unknown", "none yet")
    when = f"{moment(last['at'], now_ms)}, {last['dataset']}"
    if last["outcome"] == "ok":
        return Health("good", "ok", f"{when}: {number(last['calls'], 'call')} in {last['ms']:,} ms")
    return Health("bad", last["outcome"].replace("_", " "), f"{when}: {last.get('message') or ''}")


def streaming_words(state: StreamState, now_ms: int) -> Health:
    """What a stream's state says: since when, what it follows, when it was last heard, or why not."""
    heard = f"last message {moment(state.heard, now_ms)}" if state.heard else "nothing heard yet"
    if state.state == "live":
        since = f"since {moment(state.since, now_ms)}, " if state.since else ""
        return Health("good", "connected", f"{since}follows {number(state.followed, 'topic')}, {heard}")
    if state.state == "idle":
        return Health("off", "idle", "nobody looks at what it brings")
    until = f"until {moment(state.until, now_ms)}" if state.until else ""
    mark, word = {
        "connecting": ("waiting", "connecting"),
        "waiting": ("waiting", "waiting"),
        "paused": ("waiting", "paused"),
        "refused": ("bad", "refused"),
    }[state.state]
    said = state.message or ("the credits accrued so far are used up" if state.state == "paused" else "")
    return Health(mark, word, ": ".join(filter(None, (until, said))))


def standing(row: ProviderSettings) -> Standing:
    """The row's standing: read when first asked for, and kept with the row, which lives as long as the request."""
    kept: Standing = row.__dict__.setdefault("_standing", Standing(row))
    return kept
