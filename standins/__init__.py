"""Stand-ins for the upstreams, each on one loopback port: for tests, and by hand with `manage.py standin NAME`.

The folder is the registry: a module's `standin` is the class that stands in for the provider of the module's name. All
of them are made alike and run alike::

    with standins.get("coingecko")(key="…", seed=7) as standin:
        standin.url, standin.stream_url   # what the provider's base URL and stream URL are to be; "" for what it lacks

`base` says how to write one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, cast

import providers


class Running(Protocol):
    """What every stand-in can do."""

    @property
    def port(self) -> int:
        """The port it listens on."""

    @property
    def url(self) -> str:
        """The base URL of its REST interface, without a slash at its end; "" when it has none."""

    @property
    def stream_url(self) -> str:
        """The address of its stream; "" when it has none."""

    def start(self) -> Self:
        """Listen. OSError when the address cannot be had."""

    def stop(self) -> None:
        """End every connection and close the port."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def names() -> list[str]:
    """The providers that have a stand-in."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if providers.get(found.name))


def get(name: str) -> Callable[..., Running]:
    """What makes the stand-in of that provider: `key`, `seed`, `host` and `port` by name. KeyError for any other."""
    if name not in names():
        raise KeyError(name)
    return cast("Callable[..., Running]", importlib.import_module(f"{__name__}.{name}").standin)
