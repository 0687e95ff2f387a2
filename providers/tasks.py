"""Celery tasks about providers themselves. Each may be started as often as anybody likes: it does what is due."""

from __future__ import annotations

from celery import shared_task

from providers import mapping
from providers.budget import connection

#: Lists of some ten thousand coins, a few of them, each with its own deadline.
_MAPPING_SECONDS = mapping.LOCK_SECONDS - 20


@shared_task(ignore_result=True, soft_time_limit=_MAPPING_SECONDS, time_limit=_MAPPING_SECONDS + 10)
def map_assets() -> None:
    """Learn what the providers in use call our coins, where that is due."""
    mapping.map_due(connection())
