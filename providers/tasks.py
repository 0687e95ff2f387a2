"""Celery tasks about providers. Each is idempotent: it does only what is due."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.db import Error as DatabaseError

from providers import ledger, mapping
from providers.budget import connection, wall_ms

log = structlog.get_logger("providers.tasks")

#: Time for a few lists of some ten thousand coins, each with a deadline of its own.
_MAPPING_SECONDS = mapping.LOCK_SECONDS - 20


@shared_task(ignore_result=True, soft_time_limit=_MAPPING_SECONDS, time_limit=_MAPPING_SECONDS + 10)
def map_assets() -> None:
    """Map the ids of the providers in use to our coins, where that is due."""
    mapping.map_due(connection())


@shared_task(ignore_result=True)
def keep_ledger() -> None:
    """Copy the usage counters into the database. While the database is unreachable they stay in Redis."""
    try:
        ledger.keep(connection(), wall_ms())
    except DatabaseError as error:
        log.warning("usage not written to the database, it stays in Redis", error=str(error))
