"""How clients ask and how they are answered: a file for each wire protocol. Pure.

The folder is the registry: a module's `ROUTES` are the paths at which its protocol is served.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spot.dialects.base import Route


def routes() -> list[Route]:
    """The routes of every dialect."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return [route for module in modules for route in getattr(module, "ROUTES", ())]
