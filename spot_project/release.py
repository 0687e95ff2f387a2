"""The version of this checkout, as pyproject.toml states it."""

from __future__ import annotations

import tomllib
from functools import cache

from spot_project.whereabouts import BASE_DIR


@cache
def release() -> str:
    """The version, such as "0.1.0"."""
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
