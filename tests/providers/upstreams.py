"""Every provider of the registry wired to its stand-in: what the contract tests run over.

A provider is covered by having an adapter, samples and a stand-in: nothing here names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import override_settings
from redis import Redis

import providers
import standins
from providers import access, fetching, mapping
from providers.base import Provider
from providers.datasets import KINDS, Dataset, Fetched, Kind
from providers.models import Asset, AssetAlias, Chain

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
    """One stand-in a provider, started when first asked for and kept: a market takes a while to make. Those that are
    `frozen` make each of their answers once."""

    def __init__(self, *, frozen: bool = False) -> None:
        self._running: dict[str, Any] = {}
        self._frozen = frozen

    def standin(self, name: str) -> Any:
        if name not in self._running:
            self._running[name] = standins.get(name)(key=CANARY).start()
            if self._frozen:
                self._running[name].clock.freeze()
        return self._running[name]

    def stop(self) -> None:
        for standin in self._running.values():
            standin.stop()

    @contextmanager
    def wired(self, provider: Provider, settings: Any, redis: Redis) -> Iterator[Wired]:
        """The provider alone in its chains, with a key that its stand-in takes, and its coins known."""
        standin = self.standin(provider.name)
        for name, value in (self._settings(mapping.reference()) | self._settings(provider)).items():
            setattr(settings, name, value)
        made = Wired(provider, standin, redis)
        Chain.objects.all().delete()
        Chain.objects.bulk_create(Chain(kind=kind, order=provider.name) for kind in KINDS)
        redis.flushall()
        standin.faults.clear()
        standin.requests.clear()
        try:
            yield made
        finally:
            standin.faults.clear()

    def _settings(self, provider: Provider) -> dict[str, Any]:
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
        return {f"{provider.name.upper()}_{what}": value for what, value in values.items()}

    def learn(self, redis: Redis) -> None:
        """Fill the tables of our coins and of the providers' ids for them, as the stand-ins' lists say."""
        reference, lists = mapping.reference(), {}
        for provider in REAL:
            if provider is reference or provider.foreign:
                with override_settings(**self._settings(provider)):
                    lists[provider.name] = fetching.fetch(Dataset("assets", topic=provider.name), redis=redis).rows
        ours = lists.pop(reference.name)
        mapping.keep_assets(ours)
        for name, listed in lists.items():
            mapping.keep_aliases(name, listed, mapping.Ours(ours, current=True))


@contextmanager
def known(upstreams: Upstreams, redis_url: str, blocker: Any) -> Iterator[Upstreams]:
    """The stand-ins of a module, and their coins in the database until it ends: each test would take half a second to
    write them."""
    with blocker.unblock(), Redis.from_url(redis_url) as redis:
        redis.flushall()
        upstreams.learn(redis)
    try:
        yield upstreams
    finally:
        upstreams.stop()
        with blocker.unblock():
            AssetAlias.objects.all().delete()
            Asset.objects.all().delete()


Wire = Callable[[Provider], Wired]
