"""How often each dataset may be fetched at the present demand: what `spot.ingest.tasks` asks before it starts anything.

Who is asked first pays: each dataset counts against the keys of the first provider in its chain that can be asked now,
all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

from django.conf import settings
from redis import Redis

from providers import access, chains
from providers.access import Access
from providers.base import Call, Endpoint
from providers.breaker import Breaker
from providers.budget import Budget, Standing, connection, wall_ms
from providers.datasets import KINDS, Dataset, Kind
from providers.errors import ProviderError

#: What polls may plan to use of an allowance; the rest is for what is asked for in between.
SHARE = 0.8
#: What of that goes to what most viewers look at (markets, quotes, lists) before candles get the rest.
FIRST_SHARE = 0.9
#: What pinned currencies and coins get of the allowance at least, if they want it, whatever else is looked at.
PINNED_SHARE = 0.5
#: Over how long polls spend what was left over so far this month, nights for example.
SAVED_SECONDS = 86_400.0
#: No simulated market moves slower than this, so that a demo looks alive.
_SIMULATED_SECONDS = 5.0
_ANY_COIN = "bitcoin"
#: The most that an interval is stretched: a minute to a month.
_LONGEST = 43_200.0


@dataclass(frozen=True, slots=True)
class Demand:
    """One poll's calls and credits, and the seconds between two as wished for."""

    calls: int
    credits: float
    seconds: float


@dataclass(slots=True)
class _Payer:
    """A provider that is asked, what its accounts may still use, and what is wanted of it, by dataset."""

    standings: list[Standing]
    demands: dict[Dataset, Demand] = field(default_factory=dict)


def intervals(
    datasets: Iterable[Dataset],
    simulated: bool = False,
    *,
    viewers: Mapping[str, int] | None = None,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
) -> dict[str, float]:
    """By dataset name, the seconds between two polls: as wished, no faster than the provider's own cache turns over,
    and stretched until together they fit the budget: candles the most, and the less, the more clients look at a dataset
    (`viewers`, by its name). Datasets nobody serves are left out."""
    client = redis or connection()
    payers = _Payers(simulated, Budget(client, now_ms), Breaker(client, now_ms), now_ms)
    for dataset in datasets:
        payers.add(dataset)
    return {name: seconds for payer in payers.found for name, seconds in _stretched(payer, viewers or {})}


class _Payers:
    """The providers that are asked first, each looked up once."""

    def __init__(self, simulated: bool, budget: Budget, breaker: Breaker, now_ms: Callable[[], int]) -> None:
        self._simulated, self._budget, self._breaker, self._now_ms = simulated, budget, breaker, now_ms
        self._known: dict[str, _Payer] = {}
        self._chains: dict[Kind, tuple[_Payer, Endpoint] | None] = {}

    @property
    def found(self) -> list[_Payer]:
        return list(self._known.values())

    def add(self, dataset: Dataset) -> None:
        if dataset.kind not in self._chains:
            self._chains[dataset.kind] = self._first(dataset.kind)
        if found := self._chains[dataset.kind]:
            payer, endpoint = found
            calls = _calls(endpoint, dataset, self._now_ms())
            seconds = max(wished(dataset.kind, endpoint, one.access) for one in payer.standings)
            payer.demands[dataset] = Demand(len(calls), sum(call.credits for call in calls), seconds)

    def _first(self, kind: Kind) -> tuple[_Payer, Endpoint] | None:
        """The first provider that can be asked now; while all are at rest or left alone, the first that can be asked at
        all."""
        able, chain = [], chains.of(kind, self._simulated)
        states = self._breaker.states(provider.name for provider, _ in chain)
        for provider, endpoint in chain:
            payer = self._known.get(provider.name) or _Payer(self._budget.standings(access.all_of(provider)))
            self._known[provider.name] = payer
            having = [one for one in payer.standings if kind not in one.access.plan.lacks]
            if states[provider.name].state == "closed" and any(not (one.resting or one.refused) for one in having):
                return payer, endpoint
            if having:
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
    simulated = any(one.access.provider.simulated for one in payer.standings)
    limits = (math.inf, math.inf) if simulated else allowed(payer.standings)
    found = factors(payer.demands, *limits, viewers)
    # Whatever is left of this month, the next one brings more.
    more = max((one.seconds for one in payer.standings), default=0.0)
    return [
        (dataset.name, demand.seconds + min(demand.seconds * (_factor(dataset, found[dataset]) - 1), more))
        for dataset, demand in payer.demands.items()
    ]


def _factor(dataset: Dataset, found: float) -> float:
    # A list a day costs next to nothing, and coins that are new would be unknown for weeks.
    return 1.0 if dataset.traits.daily else found


def pinned(dataset: Dataset) -> bool:
    """Whether the operator has pinned what the dataset is about."""
    if dataset.coin:
        return dataset.coin in settings.SPOT_PINNED_COINS
    return dataset.currency in settings.SPOT_PINNED_CURRENCIES


def factors(
    demands: Mapping[Dataset, Demand], calls: float, credits: float, viewers: Mapping[str, int] | None = None
) -> dict[Dataset, float]:
    """How many times longer each interval must be for all polls to fit into so many calls and credits a second.

    Candles get what the others leave, and what FIRST_SHARE leaves at least, so that many charts neither slow down what
    everybody looks at, nor wait for ever. Among either, see `_divided`.
    """
    known = viewers or {}
    weights = {one: max(1, known.get(one.name, 1)) for one in demands} if known else dict.fromkeys(demands, 1)
    first = {dataset: demand for dataset, demand in demands.items() if not dataset.traits.leftover}
    candles = {dataset: demand for dataset, demand in demands.items() if dataset.traits.leftover}
    both = list(zip((calls, credits), _wanted(first.values()), _wanted(candles.values()), strict=True))
    most = [may * max(FIRST_SHARE, one / (one + other)) if one else may for may, one, other in both]
    found = _fitted(first, most, weights)
    used = (
        sum(demand.calls / demand.seconds / found[one] for one, demand in first.items()),
        sum(demand.credits / demand.seconds / found[one] for one, demand in first.items()),
    )
    left = [max(0.0, may - taken) for may, taken in zip((calls, credits), used, strict=True)]
    return found | _fitted(candles, left, weights)


def _fitted(
    demands: Mapping[Dataset, Demand], limits: Sequence[float], weights: Mapping[Dataset, int]
) -> dict[Dataset, float]:
    """The factors that fit into both limits, calls and credits a second. Lists, since there may be a thousand."""
    shares, held = [weights[dataset] for dataset in demands], [pinned(dataset) for dataset in demands]
    calls = [demand.calls / demand.seconds for demand in demands.values()]
    credits = [demand.credits / demand.seconds for demand in demands.values()]
    found = [1.0] * len(shares)
    for rates, may in zip((calls, credits), limits, strict=True):
        if sum(rates) > may:
            found = list(map(max, found, _divided(rates, shares, held, may)))
    return dict(zip(demands, found, strict=True))


def _divided(rates: list[float], weights: list[int], held: list[bool], may: float) -> list[float]:
    """The factors by which polls at these rates fit into a limit: the smaller, the more weight a dataset has; but what
    is pinned (`held`) gets PINNED_SHARE of the limit, if it wants so much."""
    found = _levelled(rates, weights, may)
    due = min(sum(compress(rates, held)), may * PINNED_SHARE)
    if sum(rate / factor for rate, factor in compress(zip(rates, found, strict=True), held)) >= due * 0.999:
        return found
    others = [not one for one in held]
    ours = iter(_levelled(list(compress(rates, held)), list(compress(weights, held)), due))
    theirs = iter(_levelled(list(compress(rates, others)), list(compress(weights, others)), may - due))
    return [next(ours) if one else next(theirs) for one in held]


def _levelled(rates: list[float], weights: list[int], may: float) -> list[float]:
    """One level for all, divided by a dataset's weight; one that would then be polled faster than wished is not."""
    found, slow = [1.0] * len(rates), [n for n, rate in enumerate(rates) if rate]
    while slow:
        level = sum(weights[n] * rates[n] for n in slow) / may if may > 0 else math.inf
        left = [n for n in slow if weights[n] < level]
        if len(left) == len(slow):
            for n in slow:
                found[n] = min(_LONGEST, level / weights[n])
            break
        may -= sum(rates[n] for n in slow if weights[n] >= level)
        slow = left
    return found


def allowed(standings: Iterable[Standing]) -> tuple[float, float]:
    """Calls and credits a second that polls may plan to use of these accounts together; infinite without limits. Pure.

    A refused key allows nothing, unless all are refused. Of the calls a minute, and of the credits that will accrue,
    SHARE is allowed. What has accrued and was left over is spent over the next SAVED_SECONDS, or until the month ends
    if that is sooner.
    """
    calls = credits = 0.0
    every = list(standings)
    for one in [one for one in every if not one.refused] or every:
        calls += SHARE * one.per_minute / 60 if one.per_minute else float("inf")
        if one.left == float("inf"):
            credits = float("inf")
        else:
            seconds = max(1.0, one.seconds)
            credits += SHARE * max(0.0, one.left - one.saved) / seconds + one.saved / min(SAVED_SECONDS, seconds)
    return calls, credits


def _wanted(demands: Iterable[Demand]) -> tuple[float, float]:
    """Calls and credits a second, as wished for."""
    kept = list(demands)
    return sum(one.calls / one.seconds for one in kept), sum(one.credits / one.seconds for one in kept)
