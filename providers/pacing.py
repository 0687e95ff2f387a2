"""How often each dataset may be fetched at the present demand: what `spot.tasks` asks before it starts anything.

Who is asked first pays: each dataset counts against the keys of the first provider in its chain that can be asked now,
all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from redis import Redis

from providers import access, chains
from providers.access import Access
from providers.base import Call, Endpoint
from providers.breaker import Breaker
from providers.budget import Budget, Standing, connection, wall_ms
from providers.datasets import Dataset, Kind
from providers.errors import ProviderError

#: What polls may plan to use of an allowance; the rest is for what is asked for in between.
SHARE = 0.8
#: What of that goes to what most viewers look at (markets, quotes, lists) before candles get the rest.
FIRST_SHARE = 0.9
#: Over how long polls spend what was left over so far this month, nights for example.
SAVED_SECONDS = 86_400.0
#: No simulated market moves slower than this, so that a demo looks alive.
_SIMULATED_SECONDS = 5.0
#: Lists, which change little.
_DAILY: frozenset[Kind] = frozenset({"currencies", "coins", "assets", "category"})
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
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
) -> dict[str, float]:
    """By dataset name, the seconds between two polls: as wished, no faster than the provider's own cache turns over,
    and stretched until together they fit the budget, candles the most. Datasets nobody serves are left out."""
    client = redis or connection()
    payers = _Payers(simulated, Budget(client, now_ms), Breaker(client, now_ms), now_ms)
    for dataset in datasets:
        payers.add(dataset)
    return {name: seconds for payer in payers.found for name, seconds in _stretched(payer)}


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
            if states[provider.name].state == "closed" and any(not one.resting for one in having):
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
    if kind in _DAILY:
        return 86_400.0
    if entry.provider.simulated:
        return min(settings.SPOT_POLL_SECONDS, _SIMULATED_SECONDS) if kind != "candles" else 15.0
    wish = settings.SPOT_POLL_SECONDS if kind != "candles" else 900.0
    return max(wish, endpoint.cache(entry.plan)) if entry.usual_address else wish


def _stretched(payer: _Payer) -> list[tuple[str, float]]:
    simulated = any(one.access.provider.simulated for one in payer.standings)
    first, candles = (1.0, 1.0) if simulated else factors(payer.demands, *allowed(payer.standings))
    # Whatever is left of this month, the next one brings more.
    more = max((one.seconds for one in payer.standings), default=0.0)
    return [
        (dataset.name, demand.seconds + min(demand.seconds * (_factor(dataset, first, candles) - 1), more))
        for dataset, demand in payer.demands.items()
    ]


def _factor(dataset: Dataset, first: float, candles: float) -> float:
    if dataset.kind in _DAILY:
        return 1.0  # a list a day costs next to nothing, and coins that are new would be unknown for weeks
    return candles if dataset.kind == "candles" else first


def factors(demands: Mapping[Dataset, Demand], calls: float, credits: float) -> tuple[float, float]:
    """How many times longer the intervals must be for all polls to fit into so many calls and credits a second: those
    of markets, quotes and lists, and those of candles. Pure.

    The same for all, unless candles would use more than what FIRST_SHARE leaves: then they get that much, and whatever
    the others do not want, so that many charts neither slow down what everybody sees, nor wait for ever.
    """
    first = [demand for dataset, demand in demands.items() if dataset.kind != "candles"]
    candles = [demand for dataset, demand in demands.items() if dataset.kind == "candles"]
    both = list(zip((calls, credits), _wanted(first), _wanted(candles), strict=True))
    most = [may * max(FIRST_SHARE, one / (one + other)) if one else may for may, one, other in both]
    factor = stretch(first, *most)
    return factor, stretch(candles, *(max(0.0, may - one / factor) for may, one, _ in both))


def allowed(standings: Iterable[Standing]) -> tuple[float, float]:
    """Calls and credits a second that polls may plan to use of these accounts together; infinite without limits.

    Of the calls a minute, and of the credits that will accrue, that is SHARE. What has accrued and was left over is
    spent over the next SAVED_SECONDS, or until the month ends if that is sooner. Pure.
    """
    calls = credits = 0.0
    for one in standings:
        calls += SHARE * one.per_minute / 60 if one.per_minute else float("inf")
        if one.left == float("inf"):
            credits = float("inf")
        else:
            seconds = max(1.0, one.seconds)
            credits += SHARE * max(0.0, one.left - one.saved) / seconds + one.saved / min(SAVED_SECONDS, seconds)
    return calls, credits


def stretch(demands: Iterable[Demand], calls: float, credits: float) -> float:
    """How many times longer each interval must be for the polls to fit into so many calls and credits a second; at
    least 1. Pure."""
    found = [
        wanted / may if may else _LONGEST
        for wanted, may in zip(_wanted(demands), (calls, credits), strict=True)
        if wanted
    ]
    return min(_LONGEST, max([1.0, *found]))


def _wanted(demands: Iterable[Demand]) -> tuple[float, float]:
    """Calls and credits a second, as wished for."""
    kept = list(demands)
    return sum(one.calls / one.seconds for one in kept), sum(one.credits / one.seconds for one in kept)
