"""How often each dataset may be fetched at the present demand: what `spot.tasks` asks before it starts anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from django.conf import settings
from redis import Redis

from providers import access, chains
from providers.access import Access
from providers.base import Endpoint
from providers.budget import Budget, connection, stretch, wall_ms
from providers.datasets import Dataset, Kind

#: No simulated market moves slower than this, so that a demo looks alive.
_SIMULATED_SECONDS = 5.0


def intervals(
    datasets: Iterable[Dataset],
    simulated: bool = False,
    *,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
) -> dict[str, float]:
    """By dataset name, the seconds between two polls: as wished, no faster than the provider's own cache turns over,
    and all stretched alike until together they fit the budget. Datasets nobody serves are left out."""
    budget = Budget(redis or connection(), now_ms)
    demands: dict[str, list[tuple[Dataset, int, float]]] = defaultdict(list)
    entries: dict[str, Access] = {}
    for dataset in datasets:
        provider, endpoint = next(iter(chains.of(dataset.kind, simulated)), (None, None))
        if provider is None or endpoint is None:
            continue
        entry = entries.setdefault(provider.name, entries.get(provider.name) or access.of(provider))
        calls = len(endpoint.calls(dataset, ("bitcoin",)))
        demands[provider.name].append((dataset, calls, wished(dataset.kind, endpoint, entry)))
    return {
        name: seconds for key, found in demands.items() for name, seconds in _stretched(entries[key], found, budget)
    }


def wished(kind: Kind, endpoint: Endpoint, entry: Access) -> float:
    """Seconds between polls of such a dataset, were there no budget."""
    if kind in ("currencies", "coins"):
        return 86_400.0
    if entry.provider.simulated:
        return min(settings.SPOT_POLL_SECONDS, _SIMULATED_SECONDS) if kind != "candles" else 15.0
    wish = settings.SPOT_POLL_SECONDS if kind != "candles" else 900.0
    return max(wish, endpoint.cache(entry.plan)) if entry.usual_address else wish


def _stretched(entry: Access, found: list[tuple[Dataset, int, float]], budget: Budget) -> list[tuple[str, float]]:
    if entry.provider.simulated:
        return [(dataset.name, seconds) for dataset, _, seconds in found]
    factor = stretch([(calls, seconds) for _, calls, seconds in found], entry.per_minute, *budget.outlook(entry))
    # A list a day costs next to nothing, and coins that are new would be unknown for weeks.
    return [
        (dataset.name, seconds if dataset.kind in ("currencies", "coins") else seconds * factor)
        for dataset, _, seconds in found
    ]
