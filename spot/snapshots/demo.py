"""The reason why the demo is shown instead of real data."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from spot.snapshots import connection, realm

_KEY, _SECONDS = "spot:demo:because", 86_400


def show_because(reason: str) -> None:
    """Store the reason why the demo is shown instead of real data, for visitors."""
    connection().set(_KEY, reason, ex=_SECONDS)


def reason() -> str | None:
    """The stored reason; None when the demo is switched on, or not shown."""
    raw: Any = connection().get(_KEY)
    return raw.decode() if raw and realm() == "demo" and settings.SPOT_DEMO == "auto" else None
