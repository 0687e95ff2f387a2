"""What clients may use: admission by address and in all, the message bucket, and the table that names each limit."""

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from spot.clients import limits
from spot.clients.limits import Admission, Allowance, MessageRate
from spot.clients.plans import LIMITS, Client, Plan, anonymous
from spot.codes import Refused


def sockets() -> Admission:
    """Counts sockets, as the process does, from nothing."""
    return Admission(limits.admission._in_all, limits.admission._each, limits._CONNECTIONS)


def rate(messages_per_second: float) -> MessageRate:
    return MessageRate(Plan(0, messages_per_second, 0, 0, 0))


def test_every_limit_is_a_setting_and_says_what_happens() -> None:
    for limit in LIMITS:
        assert hasattr(django_settings, limit.setting)
        assert limit.counts
        assert limit.breach


def test_admission_counts_in_and_out(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS, settings.SPOT_CONNECTIONS = 2, 3
    admission = sockets()
    admission.enter(anonymous("a"))
    admission.enter(anonymous("a"))
    with pytest.raises(Refused) as caught:
        admission.enter(anonymous("a"))
    assert caught.value.code == "too_many_connections"
    admission.enter(anonymous("b"))
    with pytest.raises(Refused) as caught:
        admission.enter(anonymous("c"))
    assert (caught.value.code, caught.value.fact.retry) == ("overloaded", True)
    admission.leave(anonymous("a"))
    admission.enter(anonymous("a"))
    assert len(admission) == 3


def test_a_refusal_is_not_counted(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS, settings.SPOT_CONNECTIONS = 1, 0
    admission = sockets()
    admission.enter(anonymous("a"))
    for _ in range(5):
        with pytest.raises(Refused):
            admission.enter(anonymous("a"))
    admission.leave(anonymous("a"))
    assert len(admission) == 0
    assert not admission._by_client


def test_zero_switches_a_limit_off(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = settings.SPOT_CONNECTIONS = 0
    admission = sockets()
    for _ in range(1000):
        admission.enter(anonymous("a"))
    assert len(admission) == 1000
    assert all(rate(0).allow(1.0) for _ in range(1000))


@given(st.floats(0.5, 50), st.lists(st.floats(0.001, 2), min_size=1, max_size=60))
def test_no_stretch_of_time_holds_more_messages_than_the_rate_and_its_burst(number, pauses) -> None:
    bucket, now, heard = rate(number), 100.0, []
    for pause in pauses:
        now += pause
        if bucket.allow(now):
            heard.append(now)
    for first, start in enumerate(heard):
        for last in range(first, len(heard)):
            assert last - first + 1 <= number * 3 + (heard[last] - start) * number + 1e-6


def test_a_burst_of_three_seconds_worth_is_heard_and_then_the_rate() -> None:
    bucket = rate(10.0)
    assert sum(bucket.allow(5.0) for _ in range(100)) == 30
    assert bucket.refused == 70
    assert bucket.allow(5.11)
    assert bucket.refused == 0
    assert not bucket.allow(5.11)


def test_forty_addresses_of_one_network_get_what_one_gets(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 5
    admission, refused = sockets(), 0
    for number in range(40):
        try:
            admission.enter(anonymous(f"2001:db8::{number:x}"))
        except Refused:
            refused += 1
    assert (len(admission), refused) == (5, 35)
    admission.leave(anonymous("2001:db8::27"))  # any of them: it is one
    assert len(admission) == 4


def test_an_allowance_is_spent_at_once_and_comes_back_with_time() -> None:
    now = [1000.0]
    allowance = Allowance(lambda plan: plan.requests_per_minute, 60, 15, clock=lambda: now[0])
    first, second = (Client(name, name, Plan(0, 0, 0, 60, 0)) for name in "ab")
    assert allowance.balance(first) == (15, 15, 0)
    assert allowance.wait(first, 15) == 0
    allowance.take(first, 15)
    assert allowance.balance(first) == (15, 0, 15)
    assert (allowance.wait(first, 1), allowance.wait(first, 7), allowance.wait(second, 15)) == (1, 7, 0)
    now[0] += 7
    assert allowance.wait(first, 7) == 0
    unlimited = Client("a", "a", Plan(0, 0, 0, 0, 0))
    assert allowance.balance(unlimited) is None
    assert allowance.wait(unlimited, 1e9) == 0


def test_a_costly_message_takes_more_of_the_rate() -> None:
    bucket = rate(10.0)
    assert sum(bucket.allow(5.0, 5) for _ in range(100)) == 6
