"""Who can serve a kind of dataset, in the order in which they are asked."""

from __future__ import annotations

import providers
from providers.base import Endpoint, Provider
from providers.datasets import Kind


def of(kind: Kind, simulated: bool = False) -> list[tuple[Provider, Endpoint]]:
    """The providers that serve it, and how; `simulated` picks the simulated ones."""
    able = [(provider, provider.endpoint(kind)) for provider in providers.all() if provider.simulated == simulated]
    return [(provider, endpoint) for provider, endpoint in able if endpoint]
