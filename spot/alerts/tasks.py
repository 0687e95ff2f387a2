"""The Celery tasks of alerts: each second rules, every twenty seconds what operators must know."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.db import DatabaseError, OperationalError

from spot import snapshots
from spot.alerts import couriers, evaluation, operators
from spot.alerts.models import Alert, Delivery
from spot.alerts.readings import Newest
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: Alerts older than this are deleted, with their deliveries (ms).
KEPT_MS = 30 * 86_400_000
_PRUNE_SECONDS = 3600.0


@shared_task(ignore_result=True)
def watch() -> None:
    """Evaluate rules whose views have news, and send what is due."""
    if not snapshots.first_in("alerts", 0.8):
        return
    try:
        _watch()
    except OperationalError as error:
        log.warning("rules not read, it is tried again", error=f"{type(error).__name__}: {error}")


def _watch() -> None:
    store = Newest()
    for due in evaluation.due():
        try:
            evaluation.evaluate(due, store)
        except Exception:  # the other rules are evaluated all the same
            log.exception("rules not evaluated", rules=[rule.name for rule in due.rules])
    couriers.start_due()
    if snapshots.first_in("alerts-pruned", _PRUNE_SECONDS):
        prune()


@shared_task(ignore_result=True)
def tell_operators() -> None:
    """Tell the operators of troubles that are new or over."""
    try:
        operators.look()
    except (*operators.FAILURES, DatabaseError) as error:
        log.warning("operators not told, it is tried again", error=f"{type(error).__name__}: {error}")


def prune() -> None:
    """Delete alerts of long ago that nothing waits for."""
    old = Alert.objects.filter(fired_at__lt=now_ms() - KEPT_MS)
    old.exclude(deliveries__state=Delivery.WAITING).delete()
