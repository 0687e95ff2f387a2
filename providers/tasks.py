"""Celery tasks about providers themselves. Each may be started as often as anybody likes: it does what is due."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.db import Error as DatabaseError

from providers import ledger, mapping
from providers.budget import connection, wall_ms

log = structlog.get_logger("providers.tasks")

#: Lists of some ten thousand coins, a few of them, each with its own deadline.
_MAPPING_SECONDS = mapping.LOCK_SECONDS - 20


@shared_task(ignore_result=True, soft_time_limit=_MAPPING_SECONDS, time_limit=_MAPPING_SECONDS + 10)
def map_assets() -> None:
    """Learn what the providers in use call our coins, where that is due."""
    mapping.map_due(connection())


@shared_task(ignore_result=True)
def keep_ledger() -> None:
    """Copy what was used today into the database. While that is away the counters wait."""
    try:
        ledger.keep(connection(), wall_ms())
    except DatabaseError as error:
        log.warning("ledger not written, its counters wait", error=str(error))
