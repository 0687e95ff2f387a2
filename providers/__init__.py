"""Communication with upstream providers; independent of `spot`.

The folder `adapters` is the registry: each file in it declares a provider as its attribute `provider`.
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
    """Every provider in its default order. Raises `ValueError` when two have the same name."""
    from providers import adapters  # noqa: PLC0415 - Django imports this package before adapters may be

    modules = [
        importlib.import_module(f"{adapters.__name__}.{module.name}")
        for module in pkgutil.iter_modules(adapters.__path__)
    ]
    return ordered(tuple(module.provider for module in modules))


def ordered(adapters: tuple[Provider, ...]) -> tuple[Provider, ...]:
    """The providers by `order`, then name. Raises `ValueError` for duplicates."""
    names = [provider.name for provider in adapters]
    if duplicates := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two adapters declare {', '.join(sorted(duplicates))}")
    return tuple(sorted(adapters, key=lambda provider: (provider.order, provider.name)))


def get(name: str) -> Provider | None:
    """The provider of that name."""
    return next((provider for provider in all() if provider.name == name), None)


def site(name: str) -> str:
    """The URL of that provider's website; "" if unknown."""
    provider = get(name)
    return provider.url if provider else ""
