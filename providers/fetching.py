"""Fetches a dataset with failover: the interface that `spot.ingest.tasks` calls.

`fetch` walks the providers in their order. A key that is refused (401, 429, out of budget) leads to the provider's next
key; a provider that fails leads to the next provider, and its breaker counts. A provider on trial is asked first, in
little time, but its data are used only when its breaker closes, or when no other provider serves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from providers import access, chains
from providers.access import Access
from providers.attempt import Attempt, Question
from providers.base import Endpoint, Provider
from providers.breaker import Breaker, BreakerState, Permit
from providers.budget import Budget, connection, in_turn, wall_ms
from providers.datasets import Dataset, Fetched, Kind, is_coin_id
from providers.errors import (
    BadPayload,
    NotFound,
    OutOfBudget,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unreachable,
    for_visitors,
)
from providers.pipelines import Commands, joined
from providers.plausible import Before, Doubt, Doubts

#: All calls of one fetch together, to any provider; below the time limit of the task around it.
TOTAL_SECONDS = 22.0
#: The longest that a trial may delay the next provider.
TRIAL_SECONDS = 4.0
_CLOSED = BreakerState()
#: Errors of one key; another key of the same provider is tried next.
_OF_A_KEY = (Unauthorized, RateLimited, OutOfBudget)
#: Which error to report when every provider failed, most informative first; `Unreachable` only if all were.
_TELLING = (Unavailable, BadPayload, RateLimited, OutOfBudget, Unauthorized, Unreachable, NotFound)


def fetch(
    dataset: Dataset,
    ids: Iterable[str] = (),
    simulated: bool = False,
    *,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
    tries: int = 3,
    before: Before | None = None,
    rate: float = math.inf,
    prospects: Prospects | None = None,
) -> Fetched:
    """The dataset, whole, from the first provider in order that delivers it; `simulated` picks the simulated ones.

    `ids` are the coins of a `quotes` dataset. `tries` is how often one call may be sent when it fails in a way that may
    pass (1: no retry). `before` is the snapshot in place, with which prices are compared. `rate`: the calls a second
    that all fetches with one may make together. `prospects`: the result of `known`, if the caller has it. Raises a
    ProviderError that has every provider's message; there is never a part of a dataset.
    """
    question = Question(dataset, tuple(dict.fromkeys(ids)), before, tries, rate)
    _check_form(dataset, question.ids)
    client = redis or connection()
    if prospects is None or simulated:
        prospects = known(dataset, simulated, redis=client, now_ms=now_ms).run(client)
    return _Round(question, prospects, client, now_ms).run()


@dataclass(frozen=True, slots=True)
class _Turn:
    """A provider that can be asked, with its keys in their order, and the state of its breaker."""

    provider: Provider
    endpoint: Endpoint
    entries: list[Access]
    breaker: BreakerState


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is known before a fetch: whom it may ask, and which prices of the dataset are doubted."""

    turns: list[_Turn]
    doubts: Mapping[str, Doubt]


def known(
    dataset: Dataset, simulated: bool = False, *, redis: Redis | None = None, now_ms: Callable[[], int] = wall_ms
) -> Commands[Prospects]:
    """What a fetch has to know, for the caller to join with other reads."""
    client, kind, chain = redis or connection(), dataset.kind, chains.for_dataset(dataset, simulated)
    budget, breaker = Budget(client, now_ms), Breaker(client, now_ms)
    entries = [access.for_kind(provider, kind) for provider, _ in chain]
    doubted = dataset.traits.coins and not simulated
    parts: list[Commands[Any]] = [budget.standing([] if simulated else accounts) for accounts in entries]
    parts.append(breaker.known([] if simulated else [provider.name for provider, _ in chain]))
    parts.append(Doubts.known(dataset) if doubted else Commands([], lambda _answers: {}))

    def prospects(results: list[Any]) -> Prospects:
        *standings, states, doubts = results
        turns = [
            _Turn(provider, endpoint, accounts if simulated else in_turn(standing), states.get(provider.name, _CLOSED))
            for (provider, endpoint), accounts, standing in zip(chain, entries, standings, strict=True)
        ]
        return Prospects(turns, doubts)

    return joined(parts, prospects)


def _check_form(dataset: Dataset, ids: tuple[str, ...]) -> None:
    """Check the form of coins and currencies once more, since they become part of a URL."""
    try:
        valid = Dataset.parse(dataset.name) == dataset
    except ValueError:
        valid = False
    if not valid or not all(isinstance(coin, str) and is_coin_id(coin) for coin in ids):
        raise NotFound("that is no coin or currency", public="That is no coin or currency.")
    if dataset.traits.by_id != bool(ids):
        raise NotFound("quotes, and only they, are asked for by id", public="No coin is asked for.")


class _Round:
    """One walk along the chain."""

    def __init__(self, question: Question, prospects: Prospects, redis: Redis, now_ms: Callable[[], int]) -> None:
        self._question, self._turns = question, prospects.turns
        #: Those of the dataset, until the first attempt may have changed them.
        self._doubts: Mapping[str, Doubt] | None = prospects.doubts
        self._redis, self._now_ms = redis, now_ms
        self._breaker = Breaker(redis, now_ms)
        self._deadline = time.monotonic() + TOTAL_SECONDS
        self._failures: list[tuple[Provider, ProviderError]] = []
        self._calls = 0

    def run(self) -> Fetched:
        try:
            return replace(self._walk(), calls=self._calls)
        except ProviderError as error:
            error.calls = self._calls
            raise

    def _walk(self) -> Fetched:
        turns = self._able()
        resting: list[_Turn] = []
        spare: Fetched | None = None
        for at, turn in enumerate(turns):
            permit = self._permit(turn)
            if permit.verdict == "open":
                resting.append(turn)
                continue
            fetched, in_front = self._ask(turn, permit, others=len(turns) - at - 1 + (spare is not None))
            if fetched is not None and in_front:
                return fetched
            spare = spare or fetched
        return spare or self._last_resort(resting)

    def _last_resort(self, resting: list[_Turn]) -> Fetched:
        """No other provider serves, so those with an open breaker may be asked sooner than otherwise."""
        for at, turn in enumerate(resting):
            permit = self._permit(turn, alone=True)
            if permit.verdict == "open":
                self._failures.append((turn.provider, self._resting(turn.provider, permit)))
                continue
            fetched, _ = self._ask(turn, permit, others=len(resting) - at - 1)
            if fetched is not None:
                return fetched
        raise _together(self._failures)

    def _able(self) -> list[_Turn]:
        kind = self._question.dataset.kind
        able = [turn for turn in self._turns if turn.entries]
        if not able:
            reasons = "; ".join(_why_not(turn.provider, kind) for turn in self._turns)
            raise NotFound(reasons or f"no provider serves {kind}", public="No source that this site may use has this.")
        return able

    def _permit(self, turn: _Turn, *, alone: bool = False) -> Permit:
        """Whether the provider may be called; a breaker that was closed when the fetch began is not asked again."""
        if turn.provider.simulated or turn.breaker.state == "closed":
            return Permit("closed")
        return self._breaker.ask(turn.provider.name, alone=alone)

    def _ask(self, turn: _Turn, permit: Permit, others: int) -> tuple[Fetched | None, bool]:
        """The provider's dataset, if it delivers one, and whether its breaker lets it be used. The provider gets its
        share of the time left."""
        trial = permit.verdict == "trial" and others > 0
        share = (self._deadline - time.monotonic()) / (others + 1)
        deadline = time.monotonic() + (min(TRIAL_SECONDS, share) if trial else share)
        question = replace(self._question, tries=1) if trial else self._question
        error: ProviderError | None = None
        for entry in turn.entries:
            doubts, self._doubts = self._doubts, None
            attempt = Attempt(entry, turn.endpoint, question, self._redis, self._now_ms, deadline, doubts)
            try:
                fetched = attempt.run()
            except ProviderError as failure:
                error = failure
                if not isinstance(failure, _OF_A_KEY):
                    break
            else:
                return fetched, attempt.finish(self._success(turn.provider))
            finally:
                self._calls += attempt.sent
        assert error is not None
        self._failures.append((turn.provider, error))
        self._count(turn.provider, error if attempt.sent else None, permit)
        return None, False

    def _success(self, provider: Provider) -> Commands[bool]:
        """The end of a success: whether the provider's breaker lets it be used."""
        return Commands([], lambda _answers: True) if provider.simulated else self._breaker.success(provider.name)

    def _count(self, provider: Provider, error: ProviderError | None, permit: Permit) -> None:
        """Record the failure with the breaker. Calls that were never sent, and optional kinds of data, end a trial
        without a verdict."""
        if provider.simulated:
            return
        if self._question.dataset.traits.optional:
            error = None
        if error is not None:
            self._breaker.failed(provider.name, error)
        elif permit.verdict == "trial":
            self._breaker.released(provider.name, asked=False)

    def _resting(self, provider: Provider, permit: Permit) -> ProviderError:
        """The error of a provider that was not asked; `Unreachable` stays so, because the demo depends on it."""
        code, _, reason = self._breaker.state(provider.name).reason.partition(" ")
        kind = Unreachable if code == Unreachable.code else Unavailable
        return kind(f"{provider.label} is left alone for {permit.wait:.0f} s more: {reason}", retry_after=permit.wait)


def _why_not(provider: Provider, kind: Kind) -> str:
    entry = access.of(provider)
    if entry.usable:
        return f"{provider.label} has no {kind} with plan {entry.plan.name}"
    return f"{provider.label} {'needs a key' if entry.enabled else 'is switched off'}"


def _together(failures: list[tuple[Provider, ProviderError]]) -> ProviderError:
    """One error for all: the class of the most informative one, every message, and the soonest time to ask again."""
    errors = [error for _, error in failures]
    public = " ".join(dict.fromkeys(for_visitors(error, provider.label) for provider, error in failures))
    if len(failures) == 1:
        errors[0].public = public
        return errors[0]
    telling = next(error for kind in _TELLING for error in errors if isinstance(error, kind))
    waits = [error.retry_after for error in errors if not error.permanent]
    # One error without a wait means that asking again at once may succeed.
    soonest = None if None in waits else min((wait for wait in waits if wait is not None), default=None)
    telling.message = "; ".join(
        error.message if error.message.startswith(provider.label) else f"{provider.label}: {error.message}"
        for provider, error in failures
    )
    telling.args = (telling.message,)
    telling.public = public
    telling.retry_after, telling.permanent = soonest, all(error.permanent for error in errors)
    return telling
