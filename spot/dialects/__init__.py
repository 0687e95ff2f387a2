"""How clients ask and how they are answered: a file for each wire protocol. Pure.

The folder is the registry: a module's `ROUTES` are the paths at which its protocol is served. A protocol may have a
folder of its own.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spot.dialects.base import Route


def routes() -> list[Route]:
    """The routes of every dialect."""
    modules = (import_module(module.name) for module in walk_packages(__path__, f"{__name__}."))
    return [route for module in modules for route in getattr(module, "ROUTES", ())]
