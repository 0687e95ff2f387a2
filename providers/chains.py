"""The providers of a kind of dataset, in the order in which they are asked."""

from __future__ import annotations

import structlog
from django.db import Error as DatabaseError

import providers
from providers.base import Endpoint, Provider
from providers.datasets import Dataset, Kind
from providers.models import Chain

log = structlog.get_logger("providers.chains")

#: The operator's order as last read, by kind, and the kinds whose order could not be read the last time.
_orders: dict[Kind, list[str]] = {}
_unread: set[Kind] = set()


def of(kind: Kind, simulated: bool = False) -> list[tuple[Provider, Endpoint]]:
    """The providers that serve it, and how; `simulated` picks the simulated ones.

    The operator's choice of providers for this kind, in its order; without one, all in the adapters' order.
    """
    candidates = [provider for provider in providers.all() if provider.simulated == simulated]
    able = {provider.name: (provider, endpoint) for provider in candidates if (endpoint := provider.endpoint(kind))}
    # A chosen provider whose adapter is gone is skipped; without any left, all serve.
    chosen = [] if simulated or len(able) < 2 else [name for name in _chosen(kind) if name in able]
    return [able[name] for name in chosen or able]


def for_dataset(dataset: Dataset, simulated: bool = False) -> list[tuple[Provider, Endpoint]]:
    """The same for one dataset: one that belongs to a provider is served by no other."""
    able = of(dataset.kind, simulated)
    if not dataset.traits.of_provider:
        return able
    return [(provider, endpoint) for provider, endpoint in able if provider.name == dataset.topic]


def _chosen(kind: Kind) -> list[str]:
    """The operator's order; while the database does not answer, as last read."""
    try:
        row = Chain.objects.filter(kind=kind).first()
        _orders[kind] = row.names if row else []
        _unread.discard(kind)
    except DatabaseError as error:
        if kind not in _unread:
            _unread.add(kind)
            log.warning("order of providers unread, the last known holds", kind=kind, error=str(error))
    return _orders.get(kind, [])
