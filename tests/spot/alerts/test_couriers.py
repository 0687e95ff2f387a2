"""Deliveries to a target on loopback, with every fault that one can have."""

import hashlib
import hmac
import json
import threading
import time
from datetime import timedelta

import pytest

from spot.alerts import couriers, evaluation
from spot.alerts.models import Alert, Attempt, Delivery
from spot.alerts.models import Target as Row
from spot.alerts.readings import Newest
from spot.snapshots import now_ms
from tests.spot.alerts.conftest import SECRET
from tests.webhook_target import Target

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback(settings, monkeypatch) -> None:
    settings.SPOT_WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setattr(couriers, "SECONDS", 0.5)


def queued(row: Row, **fields) -> Delivery:
    """A delivery that waits."""
    alert = Alert.objects.create(rule_name="high", event="above", key="bitcoin", fired_at=now_ms(), body='{"a":1}')
    return Delivery.objects.create(alert=alert, target=row, **fields)


def tried(row: Row, **fields) -> tuple[Delivery, Attempt]:
    """A delivery after its first try."""
    delivery = queued(row, **fields)
    claimed = couriers.claim(row.pk)
    assert claimed == delivery
    return claimed, couriers.attempt(claimed)


def verified(secret: str, header: str, body: bytes, now_s: float, tolerance_s: float = 300) -> bool:
    """The check of docs/alerts.md."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return abs(now_s - int(parts["t"])) <= tolerance_s and hmac.compare_digest(expected, parts["v1"])


def test_a_webhook_is_signed_and_carries_its_id(make_target) -> None:
    with Target("204") as listener:
        delivery, attempt = tried(make_target(listener))
    (request,) = listener.requests
    assert request.line == "POST /hook?secret=path HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-spot-id"] == str(delivery.alert_id)
    assert request.body == b'{"a":1}'
    assert verified(SECRET, request.headers["x-spot-signature"], request.body, time.time())
    assert not verified(SECRET, request.headers["x-spot-signature"], request.body + b" ", time.time())
    assert not verified("another", request.headers["x-spot-signature"], request.body, time.time())
    assert not verified(SECRET, request.headers["x-spot-signature"], request.body, time.time() + 400)
    assert (delivery.state, delivery.attempts, attempt.status, attempt.problem) == ("delivered", 1, 204, "")


@pytest.mark.parametrize(
    ("step", "status", "problem"),
    [
        ("500", 500, "refused"),
        ("404", 404, "refused"),
        ("302 http://169.254.169.254/latest", 302, "a redirect, which is not followed"),
        ("307 http://10.0.0.1/", 307, "a redirect, which is not followed"),
        ("huge redirect", 302, "a redirect, which is not followed"),
        ("hang", None, "127.0.0.1:{port}: the response timed out"),
        ("drip", None, "127.0.0.1:{port}: the response timed out"),
        ("reset", None, "127.0.0.1:{port}: the request failed"),
        ("silent close", None, "127.0.0.1:{port}: the request failed"),
    ],
)
def test_a_failure_is_noted_and_tried_again_later(make_target, step: str, status: int | None, problem: str) -> None:
    with Target(step) as listener:
        delivery, attempt = tried(make_target(listener))
    assert (attempt.status, attempt.problem) == (status, problem.format(port=listener.port))
    assert delivery.state == "waiting"
    assert 0.7 * 5000 < delivery.due_at - attempt.at < 1.3 * 5000 + attempt.duration_ms + 1000
    assert couriers.claim(delivery.target_id) is None
    assert len(listener.requests) == 1


def test_a_gigabyte_in_answer_is_a_success_that_nobody_reads(make_target) -> None:
    with Target("huge") as listener:
        delivery, attempt = tried(make_target(listener))
    assert (delivery.state, attempt.status) == ("delivered", 200)
    assert listener.sent < 20_000_000


def test_a_refused_connection_and_an_unknown_name_are_failures(make_target) -> None:
    with Target() as listener:
        pass
    assert "cannot connect" in tried(make_target(listener))[1].problem
    assert "cannot be resolved" in tried(make_target("https://name.invalid/", "b"))[1].problem


def test_an_address_that_is_not_allowed_hears_nothing(make_target, settings) -> None:
    settings.SPOT_WEBHOOK_NETWORKS = []
    with Target() as listener:
        _, attempt = tried(make_target(listener))
    assert attempt.problem == "not sent: 127.0.0.1 is the loopback; SPOT_WEBHOOK_NETWORKS can allow it"
    assert listener.requests == []


def test_500_and_then_200_is_delivered_with_the_same_id_and_a_new_signature(make_target) -> None:
    with Target("500", "200") as listener:
        delivery, _ = tried(make_target(listener))
        Delivery.objects.update(due_at=0)
        again = couriers.claim(delivery.target_id)
        assert again is not None
        couriers.attempt(again)
    first, second = listener.requests
    assert first.headers["x-spot-id"] == second.headers["x-spot-id"]
    assert (again.state, [one.status for one in again.log.all()]) == ("delivered", [200, 500])


def test_after_hours_of_failures_it_is_given_up(make_target) -> None:
    row = make_target("http://127.0.0.1:9/")
    delivery, _ = tried(row)
    waited = timedelta()
    while delivery.state == "waiting":
        waited += timedelta(milliseconds=delivery.due_at - now_ms())
        Delivery.objects.update(due_at=0)
        claimed = couriers.claim(row.pk)
        assert claimed is not None
        couriers.attempt(claimed)
        delivery = claimed
    assert (delivery.state, delivery.attempts) == ("given up", 9)
    assert timedelta(hours=6) < waited < timedelta(hours=10)


def test_a_delivery_is_claimed_once_and_again_after_its_worker_ended(make_target) -> None:
    row = make_target("http://127.0.0.1:9/")
    queued(row)
    assert couriers.claim(row.pk) is not None
    assert couriers.claim(row.pk) is None
    Delivery.objects.update(claimed_until=now_ms() - 1)
    assert couriers.claim(row.pk) is not None


def test_nothing_goes_to_a_target_that_is_off_or_served(make_target) -> None:
    off, served = make_target("http://127.0.0.1:9/", "off"), make_target("http://127.0.0.1:9/", "served")
    Row.objects.filter(pk=off.pk).update(enabled=False)
    queued(off)
    queued(served, claimed_until=now_ms() + 60_000)
    queued(served)
    assert couriers.start_due() == []


def test_a_secret_that_cannot_be_decrypted_is_told(make_target) -> None:
    row = make_target("http://127.0.0.1:9/")
    Row.objects.update(token="made with another key")
    assert tried(row)[1].problem == "the secret cannot be decrypted: enter it again"


def test_a_test_is_sent_at_once_and_never_again(make_target) -> None:
    with Target("500") as listener:
        row = make_target(listener)
        attempt = couriers.send_test(row)
    assert attempt.status == 500
    assert Delivery.objects.get().state == "given up"
    assert json.loads(listener.requests[0].body)["type"] == "test"


def in_turn(monkeypatch, *names: str) -> None:
    """Let these functions wait for each other: SQLite in memory, which tests have, locks tables among threads."""
    lock = threading.RLock()

    def guarded(function):
        def call(*args):
            with lock:
                return function(*args)

        return call

    for name in names:
        monkeypatch.setattr(couriers, name, guarded(getattr(couriers, name)))


@pytest.mark.django_db(transaction=True)
def test_a_slow_target_delays_no_other(make_target, make_rule, store, monkeypatch) -> None:
    monkeypatch.setattr(couriers, "SECONDS", 10.0)
    in_turn(monkeypatch, "claim", "_note", "start_due")
    with Target("hang") as slow, Target("200") as quick:
        make_rule(make_target(slow, "slow"), make_target(quick, "quick"))
        for price in (99, 101, 99, 101):
            store(bitcoin=price)
            for due in evaluation.due():
                evaluation.evaluate(due, Newest())
        threads = couriers.start_due()
        assert slow.arrived.acquire(timeout=20)
        assert quick.arrived.acquire(timeout=20)
        assert quick.arrived.acquire(timeout=20)  # the second, while the slow one has the first
        assert couriers.start_due() == []
        assert len(slow.requests) == 1
        slow.__exit__()
        for thread in threads:
            thread.join(20)
    states = set(Delivery.objects.values_list("target__name", "state"))
    assert states == {("slow", "waiting"), ("quick", "delivered")}
    ids = [request.headers["x-spot-id"] for request in quick.requests]
    assert len(set(ids)) == 2
