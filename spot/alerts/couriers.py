"""Deliveries: what waits in the outbox goes out, signed, in a thread for each target, so that a slow one delays no
other and no worker waits. Every failure is retried for hours with growing pauses, then the delivery is given up and
shown."""

from __future__ import annotations

import random
import threading
import time
import uuid

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef

from providers import client, reachable
from providers.errors import ProviderError
from providers.vault import Locked
from spot.alerts.models import Alert, Attempt, Delivery, Target
from spot.alerts.signing import HEADER, signature
from spot.query.jsontext import dumps
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: A try ends after this long, whatever the target does; the lookup of its name comes on top.
SECONDS = 8.0
#: The pauses after failures, in seconds, each changed by up to a fifth: eight hours in all, then the delivery is given
#: up.
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14_400)
_JITTER = 0.2
#: A target that names a pause gets it, up to this long (s).
_LONGEST_PAUSE = 3600.0
#: A claim outlives its try; of a worker that ended midway, the delivery is tried again after it (ms).
_CLAIM_MS = 60_000
#: Targets served at a time, and how long one thread serves its target before another may (s).
MOST_THREADS = 16
_TURN_SECONDS = 20.0


def start_due() -> list[threading.Thread]:
    """Start a thread for each target that has something due and is not being served: the threads."""
    now = now_ms()
    serving = Delivery.objects.filter(target=OuterRef("pk"), state=Delivery.WAITING, claimed_until__gt=now)
    due = Delivery.objects.filter(target=OuterRef("pk"), state=Delivery.WAITING, due_at__lte=now)
    targets = Target.objects.filter(Exists(due), enabled=True).annotate(served=Exists(serving))
    busy = sum(target.served for target in targets)
    threads = [
        threading.Thread(target=_serve, args=(target.pk,), name=f"courier-{target.pk}", daemon=True)
        for target in targets
        if not target.served
    ][: max(0, MOST_THREADS - busy)]
    for thread in threads:
        thread.start()
    return threads


def _serve(target: int) -> None:
    """Deliver what is due to a target, one after another."""
    until = time.monotonic() + _TURN_SECONDS
    try:
        while time.monotonic() < until and (delivery := claim(target)) is not None:
            attempt(delivery)
    except DatabaseError as error:
        log.warning("delivery not noted, it is tried again after its claim", target=target, error=str(error))
    finally:
        connection.close()


def claim(target: int) -> Delivery | None:
    """Claim the delivery to a target that has been due for longest; None when there is none, or another worker was
    faster."""
    now = now_ms()
    waiting = Delivery.objects.filter(target=target, state=Delivery.WAITING, due_at__lte=now, claimed_until__lte=now)
    delivery = waiting.select_related("alert", "target").order_by("due_at", "pk").first()
    if delivery is None:
        return None
    unclaimed = waiting.filter(pk=delivery.pk, claimed_until=delivery.claimed_until)
    return delivery if unclaimed.update(claimed_until=now + _CLAIM_MS) else None


def attempt(delivery: Delivery) -> Attempt:
    """Try a delivery once, and note the outcome."""
    started = now_ms()
    clock = time.monotonic()
    status, problem, pause = _send(delivery, started)
    duration = int((time.monotonic() - clock) * 1000)
    tried = Attempt(delivery=delivery, at=started, duration_ms=duration, status=status, problem=problem[:300])
    _note(delivery, tried, pause)
    return tried


def _note(delivery: Delivery, tried: Attempt, pause: float | None) -> None:
    """Store the outcome of a try, and when the next is due."""
    problem = tried.problem
    delivery.attempts += 1
    delivery.claimed_until = 0
    if not problem:
        delivery.state = Delivery.DELIVERED
    elif delivery.alert.event == TEST or delivery.attempts > len(PAUSES):
        delivery.state = Delivery.GIVEN_UP
    else:
        usual = PAUSES[delivery.attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
        delivery.due_at = now_ms() + int(max(usual, min(pause or 0.0, _LONGEST_PAUSE)) * 1000)
    tried.save()
    delivery.save(update_fields=["attempts", "claimed_until", "state", "due_at"])
    if delivery.state == Delivery.GIVEN_UP and delivery.alert.event != TEST:
        log.warning("webhook given up", target=delivery.target.name, alert=str(delivery.alert_id), problem=problem)


def _send(delivery: Delivery, now: int) -> tuple[int | None, str, float | None]:
    """Send the webhook: the status, the problem ("" for none), and the pause that the target asks for."""
    target, body = delivery.target, delivery.alert.body.encode()
    try:
        secret = target.secret
    except Locked:
        return None, "the secret cannot be decrypted: enter it again", None
    headers = {
        "Content-Type": "application/json",
        "X-Spot-Id": str(delivery.alert_id),
        HEADER: signature(secret.reveal().encode(), now // 1000, body),
    }
    try:
        addresses = reachable.resolved(target.url, settings.SPOT_WEBHOOK_NETWORKS)
        receipt = client.post(target.url, body, headers, addresses=addresses, seconds=SECONDS)
    except ProviderError as error:
        return None, error.message, None
    if 200 <= receipt.status < 300:
        return receipt.status, "", None
    redirect = "a redirect, which is not followed" if 300 <= receipt.status < 400 else "refused"
    return receipt.status, redirect, receipt.retry_after


#: The event of a webhook that a test button sends.
TEST = "test"


def send_test(target: Target) -> Attempt:
    """Send a test to a target now, once."""
    alert = Alert(id=uuid.uuid4(), rule_name="Test", event=TEST, fired_at=now_ms())
    body = {"id": str(alert.id), "type": "test", "event": TEST, "fired_at": alert.fired_at, "target": target.name}
    alert.body = dumps(body).decode()
    alert.save(force_insert=True)
    delivery = Delivery(alert=alert, target=target, due_at=alert.fired_at, claimed_until=alert.fired_at + _CLAIM_MS)
    delivery.save()
    return attempt(delivery)
