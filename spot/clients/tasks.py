"""Celery tasks about clients. Each is idempotent: it does only what is due."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.db import Error as DatabaseError

from spot import snapshots
from spot.clients import usage

log = structlog.get_logger("spot.clients.tasks")


@shared_task(ignore_result=True)
def keep_usage() -> None:
    """Copy the counters of keys into the database. While the database is unreachable they stay in Redis."""
    try:
        usage.keep(snapshots.connection(), usage.today())
    except DatabaseError as error:
        log.warning("usage of keys not written to the database, it stays in Redis", error=str(error))
