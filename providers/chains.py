"""Who can serve a kind of dataset, in the order in which they are asked."""

from __future__ import annotations

import structlog
from django.db import Error as DatabaseError

import providers
from providers.base import Endpoint, Provider
from providers.datasets import Dataset, Kind
from providers.models import Chain

log = structlog.get_logger("providers.chains")

#: What the database last said to this process, by kind, and the kinds about which it says nothing now.
_known: dict[Kind, list[str]] = {}
_away: set[Kind] = set()


def of(kind: Kind, simulated: bool = False) -> list[tuple[Provider, Endpoint]]:
    """The providers that serve it, and how; `simulated` picks the simulated ones.

    Those that the operator named for this kind and no others, in that order; without any, all in the adapters' order.
    """
    able = [(provider, provider.endpoint(kind)) for provider in providers.all() if provider.simulated == simulated]
    found = {provider.name: (provider, endpoint) for provider, endpoint in able if endpoint}
    # Names whose adapters have gone are passed over; where none is left, the operator's word is of no use.
    named = [] if simulated or len(found) < 2 else [name for name in _named(kind) if name in found]
    return [found[name] for name in named or found]


def serving(dataset: Dataset, simulated: bool = False) -> list[tuple[Provider, Endpoint]]:
    """The same for one dataset: what a provider lists, no other can tell."""
    able = of(dataset.kind, simulated)
    return [one for one in able if one[0].name == dataset.topic] if dataset.traits.of_provider else able


def _named(kind: Kind) -> list[str]:
    """The operator's order; while the database is away, what it last said."""
    try:
        row = Chain.objects.filter(kind=kind).first()
        _known[kind] = row.names if row else []
        _away.discard(kind)
    except DatabaseError as error:
        if kind not in _away:
            _away.add(kind)
            log.warning("order of providers unread, the last known holds", kind=kind, error=str(error))
    return _known.get(kind, [])
