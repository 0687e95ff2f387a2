"""The status of a provider, read once per page: its accounts, breaker and stream; and their wording."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from redis.exceptions import RedisError

from providers import access
from providers.access import Access
from providers.admin.account import UNKNOWN, Account, Health, fetch_words
from providers.admin.words import kind_name, moment, number
from providers.breaker import Breaker, BreakerState
from providers.budget import Budget, connection, wall_ms
from providers.datasets import Kind
from providers.models import ProviderSettings
from providers.streams import stream_state
from providers.streams.stream_state import StreamState

#: Disputed coins shown on a page.
_DISPUTED = 8
#: A stream process silent for this long has ended.
_STREAM_SILENT_MS = 30_000


class ProviderStatus:
    """Everything that the pages show about one provider. Nothing here fails while Redis is unreachable."""

    def __init__(self, row: ProviderSettings) -> None:
        self.row, self.provider, self.now_ms = row, row.provider, wall_ms()

    @cached_property
    def first(self) -> Access | None:
        """The access that the next call would use, whether it is allowed or not."""
        return access.of(self.provider) if self.provider else None

    @cached_property
    def accounts(self) -> list[Account]:
        """Its keys in the order of use, or its one access without a key."""
        return [self.account(entry) for entry in self._entries()]

    def account(self, entry: Access) -> Account:
        """The status of that access, in use or not."""
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

    def labelled(self, account: Account, text: str) -> str:
        """A text about one of its keys, with the key's name where there are several."""
        return f"{account.key}: {text}" if self.several else text

    @property
    def kinds(self) -> list[str]:
        """The kinds of dataset that it serves by polls and by its stream."""
        if self.provider is None:
            return []
        streamed = sorted(self.provider.stream.brings) if self.provider.stream else []
        polled = [
            kind_name(endpoint.kind) + (" (not with this plan)" if self._lacks(endpoint.kind) else "")
            for endpoint in self.provider.endpoints
        ]
        return polled + [f"{kind_name(what)} (stream)" for what in streamed]

    @cached_property
    def breaker(self) -> BreakerState | None:
        """None while Redis is unreachable."""
        try:
            return Breaker(connection()).state(self.row.name)
        except RedisError:
            return None

    @property
    def tripped(self) -> bool:
        """Whether a reset of the breaker would change something."""
        return self.breaker is not None and (self.breaker.state != "closed" or self.breaker.failures > 0)

    def _tripped_words(self, breaker: BreakerState) -> Health:
        """Why the breaker is open, since when and until when."""
        code, _, message = breaker.reason.partition(" ")
        since = f"since {moment(breaker.opened_at, self.now_ms)}: {message or code}"
        if breaker.state == "trial":
            return Health("waiting", "on trial", f"the next call decides; failing {since}")
        return Health("bad", "breaker open", f"until {moment(breaker.until, self.now_ms)}, failing {since}")

    @cached_property
    def stream(self) -> StreamState | None:
        """None when no process leads its stream, or Redis is unreachable."""
        try:
            return stream_state.read(connection(), self.row.name)
        except RedisError:
            return None

    @property
    def stream_words(self) -> Health | None:
        """The state of its stream; None where it has none, or no key for it."""
        if self.provider is None or self.provider.stream is None or not self.accounts:
            return None
        if self.stream is None:
            return Health("off", "not running", self._not_running())
        return streaming_words(self.stream, self.now_ms)

    def _not_running(self) -> str:
        """Why no process leads its stream."""
        if not any(account.entry.stream_url for account in self.accounts):
            return "it needs a key whose plan has a stream"
        try:
            seen = stream_state.seen_ms(connection())
        except RedisError:
            return UNKNOWN
        running = seen is not None and self.now_ms - seen < _STREAM_SILENT_MS
        return "it starts within seconds" if running else "no stream process runs: start “manage.py stream”"

    @cached_property
    def disputed(self) -> str:
        """The coins whose streamed prices differed most often from those shown, in the last week."""
        try:
            counts = stream_state.counts(connection(), "disputed", self.row.name)
        except RedisError:
            return UNKNOWN
        return ", ".join(f"{coin} {times:,}" for coin, times in list(counts.items())[:_DISPUTED])

    @cached_property
    def health(self) -> Health:
        """The health of the provider."""
        return self._health(self.accounts)

    def health_for(self, kind: Kind) -> Health:
        """The same with regard to that kind of dataset, which its plan may lack."""
        if self._lacks(kind):
            return Health("lacking", "not in its plan", f"{self.accounts[0].entry.plan.name} has no {kind}")
        return self._health([account for account in self.accounts if kind not in account.entry.plan.lacks])

    def _lacks(self, kind: Kind) -> bool:
        """Whether it has accounts, and none of them has that kind."""
        return bool(self.accounts) and all(kind in account.entry.plan.lacks for account in self.accounts)

    def _health(self, accounts: list[Account]) -> Health:
        if self.provider is None:
            return Health("off", "not installed", "its adapter is missing")
        if not self.row.enabled:
            return Health("off", "switched off")
        if not accounts:
            return Health("lacking", "no key", "enter one under API keys to use this provider")
        if not self.provider.endpoints and self.stream_words:
            return self.stream_words
        if self.breaker and self.breaker.state != "closed":
            return self._tripped_words(self.breaker)
        return self._best(accounts)

    def _best(self, accounts: list[Account]) -> Health:
        """The health of the best account, and how many are ready."""
        states = [account.health for account in accounts]
        best = max(states, key=lambda state: (state.mark == "good", state.serves))
        if best.mark != "good":
            return best
        ready = sum(state.mark == "good" for state in states)
        share = f"{ready} of {number(len(states), 'key')}" if ready < len(states) else ""
        return Health("good", "ready", ", ".join(filter(None, (share, self._failures()))))

    def _failures(self) -> str:
        """The failures in a row so far, while the breaker is closed."""
        if not (self.breaker and self.breaker.failures):
            return ""
        code, _, message = self.breaker.reason.partition(" ")
        return f"{number(self.breaker.failures, 'failure')} in a row: {message or code}"

    @property
    def last(self) -> dict[str, Any] | None:
        """The outcome of the last fetch with any key."""
        fetches = [account.usage.last for account in self.accounts if account.usage and account.usage.last]
        return max(fetches, key=lambda fetch: int(fetch["at"]), default=None)

    @property
    def last_words(self) -> Health:
        """The same in words."""
        return fetch_words(self.last, self.now_ms)


def streaming_words(state: StreamState, now_ms: int) -> Health:
    """The state of a stream in words: since when, its channels, the last message, or why it is not connected."""
    heard = f"last message {moment(state.heard, now_ms)}" if state.heard else "no message yet"
    if state.state == "live":
        since = f"since {moment(state.since, now_ms)}, " if state.since else ""
        return Health("good", "connected", f"{since}{number(state.followed, 'channel')}, {heard}")
    if state.state == "idle":
        return Health("off", "idle", "no page or client asks for its data")
    until = f"until {moment(state.until, now_ms)}" if state.until else ""
    mark, word = {
        "connecting": ("waiting", "connecting"),
        "waiting": ("waiting", "waiting"),
        "paused": ("waiting", "paused"),
        "refused": ("bad", "rejected"),
    }[state.state]
    reason = state.message or ("the credits accrued so far are used up" if state.state == "paused" else "")
    return Health(mark, word, ": ".join(filter(None, (until, reason))))


def status_of(row: ProviderSettings) -> ProviderStatus:
    """The status of a row's provider, cached on the row, which lives as long as the request."""
    cached: ProviderStatus = row.__dict__.setdefault("_status", ProviderStatus(row))
    return cached
