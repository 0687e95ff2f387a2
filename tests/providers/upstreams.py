"""Every provider of the registry wired to its stand-in: what the contract tests run over.

A provider is covered by having an adapter, samples and a stand-in: nothing here names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

import providers
import standins
from providers import access, fetching, mapping
from providers.base import Provider
from providers.datasets import KINDS, Dataset, Fetched, Kind
from providers.models import Chain

#: Looked for wherever it could leak to; no other test has it.
CANARY = "canary-7d1f-4b60-93ce-55aa0e42"
REAL = [provider for provider in providers.all() if not provider.simulated]
#: What is asked of each kind, and for which coins.
ASKED: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "markets": ("markets:usd", ()),
    "quotes": ("quotes:usd", ("bitcoin", "ethereum")),
    "candles": ("candles:bitcoin:usd:7", ()),
    "currencies": ("currencies", ()),
    "coins": ("coins", ()),
    "category": ("category:oracles", ()),
}
#: Documents are passed on as they come, refusals too, and have tests of their own (`test_documents`).
SERVED = [
    pytest.param(provider, endpoint.kind, id=f"{provider.name}-{endpoint.kind}")
    for provider in REAL
    for endpoint in provider.endpoints
    if endpoint.kind != "document"
]
STREAMING = [pytest.param(provider, id=provider.name) for provider in REAL if provider.stream]


def question(provider: Provider, kind: Kind) -> tuple[Dataset, tuple[str, ...]]:
    """A dataset of that kind that every stand-in has, and its ids."""
    name, ids = ASKED.get(kind, (f"{kind}:{provider.name}", ()))
    return Dataset.parse(name), ids


@dataclass
class Wired:
    """A provider whose host is its stand-in."""

    provider: Provider
    standin: Any
    redis: Redis

    def fetch(self, kind: Kind, **options: Any) -> Fetched:
        dataset, ids = question(self.provider, kind)
        return fetching.fetch(dataset, ids, redis=self.redis, **{"tries": 1, **options})

    @property
    def entry(self) -> access.Access:
        return access.of(self.provider)


class Upstreams:
    """One stand-in a provider, started when first asked for and kept: a market takes a while to make."""

    def __init__(self) -> None:
        self._running: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {}

    def standin(self, name: str) -> Any:
        if name not in self._running:
            self._running[name] = standins.get(name)(key=CANARY).start()
        return self._running[name]

    def stop(self) -> None:
        for standin in self._running.values():
            standin.stop()

    @contextmanager
    def wired(self, provider: Provider, settings: Any, redis: Redis) -> Iterator[Wired]:
        """The provider alone in its chains, with a key that its stand-in takes, and its coins known."""
        self._wire(mapping.reference(), settings)
        standin = self._wire(provider, settings)
        made = Wired(provider, standin, redis)
        if provider.foreign:
            self._know(made)
        for kind in KINDS:
            Chain.objects.update_or_create(kind=kind, defaults={"order": provider.name})
        redis.flushall()
        standin.faults.clear()
        standin.requests.clear()
        try:
            yield made
        finally:
            standin.faults.clear()

    def _wire(self, provider: Provider, settings: Any) -> Any:
        standin = self.standin(provider.name)
        keyed = next(plan for plan in provider.plans if plan.header and not plan.lacks)
        values = {
            "BASE_URL": standin.url,
            "STREAM_URL": standin.stream_url,
            "API_KEY": CANARY,
            "PLAN": keyed.name,
            "CALLS_PER_MINUTE": 0,
            "CALLS_PER_MONTH": 0,
        }
        for what, value in values.items():
            setattr(settings, f"{provider.name.upper()}_{what}", value)
        return standin

    def _know(self, wired: Wired) -> None:
        """Who is who, as the two stand-ins' lists say; they are fetched once."""
        reference, name = mapping.reference(), wired.provider.name
        for one in (reference.name, name):
            if one not in self._lists:
                self._lists[one] = fetching.fetch(Dataset("assets", topic=one), redis=wired.redis).rows
        mapping.keep_assets(self._lists[reference.name])
        mapping.keep_aliases(name, self._lists[name], mapping.Ours(self._lists[reference.name], current=True))


Wire = Callable[[Provider], Wired]
