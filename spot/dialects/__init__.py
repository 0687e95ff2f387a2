"""How clients ask and how they are answered: a file for each wire protocol. Pure.

The folder is the registry: a module's `ROUTES` are the paths at which its sockets are served, its `RESTS` the HTTP
protocols of other vendors. A protocol may have a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spot.dialects.base import Route
    from spot.dialects.rest import Rest


def routes() -> list[Route]:
    """The routes of every dialect."""
    return [route for module in _modules() for route in getattr(module, "ROUTES", ())]


def rests() -> list[Rest]:
    """The HTTP protocols of other vendors."""
    return [rest for module in _modules() for rest in getattr(module, "RESTS", ())]


def _modules() -> Iterator[ModuleType]:
    return (import_module(module.name) for module in walk_packages(__path__, f"{__name__}."))
