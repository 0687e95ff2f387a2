"""Why the demo is shown although real data are wanted."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from spot.snapshots import connection, realm

_KEY, _SECONDS = "spot:demo:because", 86_400


def show_because(reason: str) -> None:
    """Remember why real data cannot be shown in the place of the demo; `reason` is for visitors."""
    connection().set(_KEY, reason, ex=_SECONDS)


def reason() -> str | None:
    """That reason; None when the demo is meant to be, or none is shown."""
    raw: Any = connection().get(_KEY)
    return raw.decode() if raw and realm() == "demo" and settings.SPOT_DEMO == "auto" else None
