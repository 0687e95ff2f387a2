"""The status of one account of a provider, in words: its allowance, the part accrued so far, its last fetch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from providers.access import Access
from providers.admin.words import left, moment, number, span
from providers.budget import Due, Usage, due_of, month_of

UNKNOWN = "Redis does not answer"


@dataclass(frozen=True, slots=True)
class Health:
    """A state in one word, its mark (`words.MARKS`) and a detail. `polls`: polls continue although the mark is not
    good."""

    mark: str
    word: str
    detail: str = ""
    polls: bool = False

    @property
    def serves(self) -> bool:
        """Whether the next poll is allowed."""
        return self.mark == "good" or self.polls


@dataclass(frozen=True)
class Account:
    """One access to a provider, with or without a key. `usage` is None while Redis is unreachable."""

    entry: Access
    usage: Usage | None
    now_ms: int

    @property
    def key(self) -> str:
        """The name of its key."""
        return self.entry.key_name

    @property
    def refused(self) -> bool:
        """Whether the provider rejects its key, so that its allowance cannot be used."""
        return bool(self.usage and self.usage.refused)

    @property
    def minute(self) -> str:
        return self._left(self.usage.minute if self.usage else None, self.entry.per_minute)

    @property
    def month(self) -> str:
        return self._left(self.usage.month if self.usage else None, self.entry.per_month)

    def _left(self, used: int | None, limit: int) -> str:
        if self.entry.provider.simulated:
            return "not counted"
        if self.refused:
            return "none: the key is rejected"
        return "unknown" if used is None else left(used, limit)

    @property
    def last_words(self) -> Health:
        """Its last fetch."""
        return fetch_words(self.usage.last if self.usage else None, self.now_ms)

    @property
    def lowered(self) -> str:
        """The limit that the provider turned out to enforce, where that is lower than the configured one."""
        lowered = self.usage.lowered if self.usage else 0
        return f"{lowered:,} a minute until midnight UTC, because the provider rejected more" if lowered else ""

    @property
    def accrued(self) -> str:
        """The unused part of the month's allowance accrued so far, and when more accrues: it is spread evenly."""
        if self.usage is None or self.refused or not (due := self._due):
            return ""
        rate = f"{due.per_day:,.0f} more each day"
        return f"{int(due.left):,}, {rate}" if due.left >= 1 else f"0, next in {self._in(due.next_ms)}, {rate}"

    @cached_property
    def _due(self) -> Due | None:
        return due_of(self.entry, self.usage, self.now_ms) if self.usage else None

    def _in(self, at_ms: int) -> str:
        return span(max(1, (at_ms - self.now_ms) / 1000))

    @property
    def outlook(self) -> str:
        """How long the month's allowance lasts. It is spread evenly, so it ends early only when used elsewhere too."""
        if self.usage is None:
            return "unknown"
        if self.refused or not self.entry.per_month:
            return ""
        if self.usage.month >= self.entry.per_month:
            return f"used up until {moment(month_of(self.now_ms)[1], self.now_ms)}"
        return "lasts the month, spread evenly"

    @property
    def health(self) -> Health:
        """Whether a call with it is possible now."""
        if self.usage is None:
            return Health("unknown", "unknown", UNKNOWN)
        if self.usage.rest_until:
            return self._resting(self.usage)
        if self.refused:
            code, _, message = self.usage.refused.partition(" ")
            return Health("bad", "rejected", f"the next call tries it again: {message or code}")
        if self.entry.per_month and self.usage.month >= self.entry.per_month:
            return Health("bad", "used up", "until the month ends")
        return self._throttled(self.usage) or Health("good", "ready")

    def _resting(self, usage: Usage) -> Health:
        code, _, message = usage.rest_reason.partition(" ")
        detail = f"until {moment(usage.rest_until, self.now_ms)}: {message or code}"
        return Health("bad", "rejected", detail) if self.refused else Health("waiting", "waiting", detail)

    def _throttled(self, usage: Usage) -> Health | None:
        """Calls that Spot itself delays, so that minute and month last."""
        limit = usage.lowered or self.entry.per_minute
        if limit and usage.minute >= limit:
            return Health("waiting", "throttled", "by Spot: the calls for this minute are used up")
        if (due := self._due) is None or due.demand >= 1:
            return None
        why = "by Spot, because the month's calls are spread evenly"
        if due.left >= 1:
            until = f"until {moment(due.next_demand_ms, self.now_ms)}, in {self._in(due.next_demand_ms)}"
            return Health("waiting", "throttled", f"charts and single coins only, {until}, {why}", polls=True)
        return Health(
            "waiting", "throttled", f"until {moment(due.next_ms, self.now_ms)}, in {self._in(due.next_ms)}, {why}"
        )


def fetch_words(last: dict[str, Any] | None, now_ms: int) -> Health:
    """A fetch in words: its outcome, dataset and duration."""
    if last is None:
        return Health("unknown", "none yet")
    when = f"{moment(last['at'], now_ms)}, {last['dataset']}"
    if last["outcome"] == "ok":
        return Health("good", "ok", f"{when}: {number(last['calls'], 'call')} in {last['ms']:,} ms")
    return Health("bad", last["outcome"].replace("_", " "), f"{when}: {last.get('message') or ''}")
