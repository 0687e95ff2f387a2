"""How often each dataset may be fetched at the present demand; `spot.ingest.tasks` asks before it starts a fetch.

Each dataset counts against the keys, all together, of the first provider in its chain that can be asked now.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from django.conf import settings
from redis import Redis

from providers import access, chains
from providers.access import Access
from providers.base import Call, Endpoint, Provider
from providers.breaker import Breaker, BreakerState
from providers.budget import Budget, Standing, connection, wall_ms
from providers.datasets import KINDS, Dataset, Kind
from providers.errors import ProviderError
from providers.pipelines import Commands, joined

#: The part of an allowance that polls may plan to use; the rest is for on-demand calls.
SHARE = 0.8
#: Of that the part for markets, quotes and lists, which most viewers look at, before candles get the rest.
FIRST_SHARE = 0.9
#: The part of the allowance that pinned currencies and coins get at least, if they want it.
PINNED_SHARE = 0.5
#: Calls that were left over so far this month, at night for example, are spent over this time.
SAVED_SECONDS = 86_400.0
#: The longest interval of the simulated market, so that a demo looks alive.
_SIMULATED_SECONDS = 5.0
_ANY_COIN = "bitcoin"
#: The largest factor by which an interval is stretched: a minute to a month.
_LONGEST = 43_200.0


@dataclass(frozen=True, slots=True)
class Poll:
    """The regular fetch of one dataset: its calls and credits, and the seconds between two as wished for."""

    calls: int
    credits: float
    seconds: float


@dataclass(slots=True)
class _Payer:
    """A provider that is asked, the allowances of its accounts, and the poll of each dataset."""

    standings: list[Standing]
    polls: dict[Dataset, Poll] = field(default_factory=dict)


def intervals(
    datasets: Iterable[Dataset],
    simulated: bool = False,
    *,
    viewers: Mapping[str, int] | None = None,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
    sources: Sources | None = None,
) -> dict[str, float]:
    """By dataset name, the seconds between two polls: as wished, no faster than the provider's own cache turns over,
    and stretched until all fit the budget together: candles the most, and a dataset the less, the more clients look at
    it (`viewers`, by its name). Datasets without a provider are left out. `sources`: the result of `known`, if the
    caller has it."""
    client, datasets = redis or connection(), list(datasets)
    if sources is None:
        sources = known({dataset.kind for dataset in datasets}, simulated, redis=client, now_ms=now_ms).run(client)
    payers = _Payers(sources, now_ms)
    for dataset in datasets:
        payers.add(dataset)
    return {name: seconds for payer in payers.all for name, seconds in _stretched(payer, viewers or {})}


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of providers: by kind, those that serve it; by name, their breakers and their accounts."""

    chains: Mapping[Kind, list[tuple[Provider, Endpoint]]]
    breakers: Mapping[str, BreakerState]
    standings: Mapping[str, list[Standing]]


def known(
    kinds: Iterable[Kind],
    simulated: bool = False,
    *,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
) -> Commands[Sources]:
    """What a plan for datasets of these kinds has to know, for the caller to join with other reads."""
    client = redis or connection()
    able = {kind: chains.of(kind, simulated) for kind in kinds}
    providers = {provider.name: provider for chain in able.values() for provider, _ in chain}
    budget = Budget(client, now_ms)
    standings = [budget.standing(access.all_of(provider)) for provider in providers.values()]

    def sources(results: list[Any]) -> Sources:
        states, *standings = results
        return Sources(able, states, dict(zip(providers, standings, strict=True)))

    return joined([Breaker(client, now_ms).known(providers), *standings], sources)


def left_over(
    kind: Kind,
    datasets: Iterable[Dataset],
    *,
    viewers: Mapping[str, int] | None = None,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
) -> float:
    """Calls a second, of one credit each, that the provider of that kind allows beyond the polls of these datasets as
    `intervals` plans them; infinite without limits, 0 without a provider."""
    client, datasets = redis or connection(), list(datasets)
    kinds = {kind, *(dataset.kind for dataset in datasets)}
    payers = _Payers(known(kinds, redis=client, now_ms=now_ms).run(client), now_ms)
    for dataset in datasets:
        payers.add(dataset)
    if (first := payers.first(kind)) is None:
        return 0.0
    payer, _ = first
    paces = dict(_stretched(payer, viewers or {}))
    polled = sum(poll.calls / paces[dataset.name] for dataset, poll in payer.polls.items())
    paid = sum(poll.credits / paces[dataset.name] for dataset, poll in payer.polls.items())
    calls, credits = allowed(payer.standings, 1.0)
    return max(0.0, min(calls - polled, credits - paid))


class _Payers:
    """The providers that are asked first."""

    def __init__(self, sources: Sources, now_ms: Callable[[], int]) -> None:
        self._sources, self._now_ms = sources, now_ms
        self._payers: dict[str, _Payer] = {}
        self._chains: dict[Kind, tuple[_Payer, Endpoint] | None] = {}

    @property
    def all(self) -> list[_Payer]:
        return list(self._payers.values())

    def add(self, dataset: Dataset) -> None:
        if first := self.first(dataset.kind):
            payer, endpoint = first
            calls = _calls(endpoint, dataset, self._now_ms())
            seconds = max(wished(dataset.kind, endpoint, standing.access) for standing in payer.standings)
            payer.polls[dataset] = Poll(len(calls), sum(call.credits for call in calls), seconds)

    def first(self, kind: Kind) -> tuple[_Payer, Endpoint] | None:
        """The provider that is asked for that kind now, and how."""
        if kind not in self._chains:
            self._chains[kind] = self._first(kind)
        return self._chains[kind]

    def _first(self, kind: Kind) -> tuple[_Payer, Endpoint] | None:
        """The first provider that can be asked now; while all rest, the first that can be asked at all."""
        able = []
        for provider, endpoint in self._sources.chains[kind]:
            payer = self._payers.get(provider.name) or _Payer(self._sources.standings[provider.name])
            self._payers[provider.name] = payer
            standings = [standing for standing in payer.standings if kind not in standing.access.plan.lacks]
            ready = any(not (standing.resting or standing.refused) for standing in standings)
            if self._sources.breakers[provider.name].state == "closed" and ready:
                return payer, endpoint
            if standings:
                able.append((payer, endpoint))
        return able[0] if able else None


def _calls(endpoint: Endpoint, dataset: Dataset, now_ms: int) -> tuple[Call, ...]:
    try:
        return endpoint.calls(dataset, (_ANY_COIN,), now_ms)
    except ProviderError:
        return (Call(""),)  # the provider's own ids are not known here; a poll of one coin is one call


def wished(kind: Kind, endpoint: Endpoint, entry: Access) -> float:
    """Seconds between polls of such a dataset, were there no budget."""
    traits = KINDS[kind]
    if traits.daily:
        return 86_400.0
    if entry.provider.simulated:
        return traits.simulated_interval or min(settings.SPOT_POLL_SECONDS, _SIMULATED_SECONDS)
    wish: float = traits.interval or settings.SPOT_POLL_SECONDS
    return max(wish, endpoint.cache(entry.plan)) if entry.usual_address else wish


def _stretched(payer: _Payer, viewers: Mapping[str, int]) -> list[tuple[str, float]]:
    simulated = any(standing.access.provider.simulated for standing in payer.standings)
    limits = (math.inf, math.inf) if simulated else allowed(payer.standings)
    stretched = factors(payer.polls, *limits, viewers)
    # Daily lists keep their pace: they cost next to nothing, and new coins would be unknown for weeks.
    stretched |= {dataset: 1.0 for dataset in payer.polls if dataset.traits.daily}
    # The next month brings a new allowance, so no interval needs to be longer than the rest of this one.
    rest = max((standing.seconds for standing in payer.standings), default=0.0)
    return [
        (dataset.name, poll.seconds + min(poll.seconds * (stretched[dataset] - 1), rest))
        for dataset, poll in payer.polls.items()
    ]


def pinned(dataset: Dataset) -> bool:
    """Whether the operator has pinned the dataset's coin, or else its currency."""
    if dataset.coin:
        return dataset.coin in settings.SPOT_PINNED_COINS
    return dataset.currency in settings.SPOT_PINNED_CURRENCIES


def factors(
    polls: Mapping[Dataset, Poll], calls: float, credits: float, viewers: Mapping[str, int] | None = None
) -> dict[Dataset, float]:
    """How many times longer each interval must be for all polls to fit into so many calls and credits a second.

    Candles get the rest that the others leave, and at least the part that FIRST_SHARE leaves, so that many charts
    neither slow down the market nor wait for ever. `_divided` shares the limits among datasets of either group.
    """
    counts = viewers or {}
    weights = {dataset: max(1, counts.get(dataset.name, 1)) for dataset in polls}
    first = {dataset: poll for dataset, poll in polls.items() if not dataset.traits.leftover}
    candles = {dataset: poll for dataset, poll in polls.items() if dataset.traits.leftover}
    rates = list(zip((calls, credits), _wanted(first.values()), _wanted(candles.values()), strict=True))
    limits = [limit * max(FIRST_SHARE, ours / (ours + rest)) if ours else limit for limit, ours, rest in rates]
    fitted = _fitted(first, limits, weights)
    used = (
        sum(poll.calls / poll.seconds / fitted[dataset] for dataset, poll in first.items()),
        sum(poll.credits / poll.seconds / fitted[dataset] for dataset, poll in first.items()),
    )
    left = [max(0.0, limit - spent) for limit, spent in zip((calls, credits), used, strict=True)]
    return fitted | _fitted(candles, left, weights)


def _fitted(
    polls: Mapping[Dataset, Poll], limits: Sequence[float], weights: Mapping[Dataset, int]
) -> dict[Dataset, float]:
    """The factors that fit into both limits, calls and credits a second. Lists, since there may be a thousand."""
    shares, pins = [weights[dataset] for dataset in polls], [pinned(dataset) for dataset in polls]
    calls = [poll.calls / poll.seconds for poll in polls.values()]
    credits = [poll.credits / poll.seconds for poll in polls.values()]
    stretched = [1.0] * len(shares)
    for rates, limit in zip((calls, credits), limits, strict=True):
        if sum(rates) > limit:
            stretched = list(map(max, stretched, _divided(rates, shares, pins, limit)))
    return dict(zip(polls, stretched, strict=True))


def _divided(rates: list[float], weights: list[int], pins: list[bool], limit: float) -> list[float]:
    """The factors by which polls at these rates fit into a limit: the smaller, the more weight a dataset has; but
    pinned datasets get PINNED_SHARE of the limit, if they want so much."""
    level = _levelled(rates, weights, limit)
    due = min(sum(compress(rates, pins)), limit * PINNED_SHARE)
    if sum(rate / factor for rate, factor in compress(zip(rates, level, strict=True), pins)) >= due * 0.999:
        return level
    others = [not pin for pin in pins]
    ours = iter(_levelled(list(compress(rates, pins)), list(compress(weights, pins)), due))
    theirs = iter(_levelled(list(compress(rates, others)), list(compress(weights, others)), limit - due))
    return [next(ours) if pin else next(theirs) for pin in pins]


def _levelled(rates: list[float], weights: list[int], limit: float) -> list[float]:
    """One level for all, divided by a dataset's weight; no dataset is polled faster than wished."""
    stretched, slow = [1.0] * len(rates), [n for n, rate in enumerate(rates) if rate]
    while slow:
        level = sum(weights[n] * rates[n] for n in slow) / limit if limit > 0 else math.inf
        left = [n for n in slow if weights[n] < level]
        if len(left) == len(slow):
            for n in slow:
                stretched[n] = min(_LONGEST, level / weights[n])
            break
        limit -= sum(rates[n] for n in slow if weights[n] >= level)
        slow = left
    return stretched


def allowed(standings: Iterable[Standing], share: float = SHARE) -> tuple[float, float]:
    """Calls and credits a second that polls may plan to use of these accounts together; infinite without limits. Pure.

    A refused key allows nothing, unless all are refused. `share` of the calls a minute, and of the credits that will
    accrue, is allowed. Credits that have accrued and were left over are spent over the next SAVED_SECONDS, or until the
    month ends if that is sooner.
    """
    calls = credits = 0.0
    every = list(standings)
    for standing in [standing for standing in every if not standing.refused] or every:
        calls += share * standing.per_minute / 60 if standing.per_minute else math.inf
        seconds, saved = max(1.0, standing.seconds), standing.saved
        if standing.left == math.inf:
            credits = math.inf
        else:
            credits += share * max(0.0, standing.left - saved) / seconds + saved / min(SAVED_SECONDS, seconds)
    return calls, credits


def _wanted(polls: Iterable[Poll]) -> tuple[float, float]:
    """Calls and credits a second, as wished for."""
    every = list(polls)
    calls = sum(poll.calls / poll.seconds for poll in every)
    return calls, sum(poll.credits / poll.seconds for poll in every)
