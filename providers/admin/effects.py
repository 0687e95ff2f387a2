"""The effects of a change, reported on the page after saving: a slower market, and data without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.http import HttpRequest
from redis.exceptions import RedisError

import providers
from providers import access, chains, pacing
from providers.admin.words import span
from providers.apps import ordered_kinds
from providers.datasets import Dataset, Kind

#: The pace reported is that of the market in US dollars, were it the only dataset.
_MARKET = Dataset("markets", "usd")
_NO_FAILOVER = "If it fails, no other provider takes over, because the order names no other."


@dataclass(frozen=True, slots=True)
class _State:
    """Seconds between two fetches of the market (None: unknown), and by kind the providers that can serve it."""

    pace: float | None
    serving: dict[Kind, list[str]]


@contextmanager
def reported(request: HttpRequest, cause: str) -> Iterator[None]:
    """Report how a change inside affects pace and failover. `cause`: such as `With this plan`."""
    before = _state()
    yield
    after = _state()
    if before.pace and after.pace and round(before.pace) != round(after.pace):
        paces = f"every {span(after.pace)} instead of every {span(before.pace)}"
        level = messages.WARNING if after.pace > before.pace else messages.INFO
        messages.add_message(request, level, f"{cause} the market is fetched {paces}.")
    lost = [kind for kind, labels in before.serving.items() if len(after.serving[kind]) < len(labels)]
    if unserved := [kind for kind in lost if not after.serving[kind]]:
        remedy = "Switch a provider on, enter a key, or name another provider in the order."
        messages.warning(request, f"No provider serves {', '.join(unserved)} now: the values become stale. {remedy}")
    for kind in lost:
        if warning := failover_warning(kind):
            messages.warning(request, f"{kind.capitalize()}: {warning}")


def failover_warning(kind: Kind) -> str:
    """A warning when the order allows no failover for that kind; else ""."""
    labels = _serving(kind)
    return f"Only {labels[0]} is used. {_NO_FAILOVER}" if len(labels) == 1 < len(_capable(kind)) else ""


def _state() -> _State:
    serving = {kind: _serving(kind) for kind in cast("list[Kind]", ordered_kinds())}
    try:
        return _State(pacing.intervals([_MARKET]).get(_MARKET.name), serving)
    except RedisError:
        return _State(None, serving)


def _serving(kind: Kind) -> list[str]:
    """The labels of the providers that can serve it, in the order in force."""
    return [provider.label for provider, _ in chains.of(kind) if access.for_kind(provider, kind)]


def _capable(kind: Kind) -> list[str]:
    """The labels of the providers that could serve it if the order named them."""
    real = (provider for provider in providers.all() if not provider.simulated and provider.endpoint(kind))
    return [provider.label for provider in real if access.for_kind(provider, kind)]
