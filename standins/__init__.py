"""Stand-ins for the upstreams, each on one loopback port: for tests, and interactively with `manage.py standin NAME`.

The folder is the registry: a module's `standin` is the class for the provider of the module's name. All have the same
interface::

    with standins.get("coingecko")(key="…", seed=7) as standin:
        standin.url, standin.stream_url   # for the provider's base URL and stream URL; "" for none

`base` documents how to write one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, cast

import providers


class Upstream(Protocol):
    """The interface of every stand-in."""

    @property
    def port(self) -> int:
        """The port it listens on."""

    @property
    def url(self) -> str:
        """The base URL of its REST API, without a trailing slash; "" for none."""

    @property
    def stream_url(self) -> str:
        """The URL of its stream; "" for none."""

    def start(self) -> Self:
        """Listen. Raises `OSError` when the address is not available."""

    def stop(self) -> None:
        """End every connection and close the port."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def names() -> list[str]:
    """The providers that have a stand-in."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if providers.get(module.name))


def get(name: str) -> Callable[..., Upstream]:
    """The class of that provider's stand-in; `key`, `seed`, `host` and `port` are keyword arguments. Raises
    `KeyError`."""
    if name not in names():
        raise KeyError(name)
    return cast("Callable[..., Upstream]", importlib.import_module(f"{__name__}.{name}").standin)
