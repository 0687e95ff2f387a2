"""Everything about talking to upstreams; knows nothing of `spot`.

The folder `adapters` is the registry: a file dropped into it is a provider, found by its `provider` attribute.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.base import Provider


@cache
def all() -> tuple[Provider, ...]:  # noqa: A001 - `providers.all()` is how it reads at the call
    """Every provider, in the order in which they are asked. ValueError when two share a name."""
    from providers import adapters  # noqa: PLC0415 - Django imports this package before adapters may be

    modules = [
        importlib.import_module(f"{adapters.__name__}.{found.name}")
        for found in pkgutil.iter_modules(adapters.__path__)
    ]
    return ordered(tuple(module.provider for module in modules))


def ordered(found: tuple[Provider, ...]) -> tuple[Provider, ...]:
    """Those providers by `order`, then name; duplicates refused."""
    names = [provider.name for provider in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two adapters declare {', '.join(sorted(twice))}")
    return tuple(sorted(found, key=lambda provider: (provider.order, provider.name)))


def get(name: str) -> Provider | None:
    """The provider of that name."""
    return next((provider for provider in all() if provider.name == name), None)


def site(name: str) -> str:
    """The address of that provider's own site; "" when there is none."""
    provider = get(name)
    return provider.url if provider else ""
