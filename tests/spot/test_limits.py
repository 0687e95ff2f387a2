"""What clients may use: admission by address and in all, the message bucket, and the table that names each limit."""

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from spot.codes import Refused
from spot.limits import LIMITS, Admission, MessageRate


def test_every_limit_is_a_setting_and_says_what_happens() -> None:
    for limit in LIMITS:
        assert hasattr(django_settings, limit.setting)
        assert limit.counts
        assert limit.breach


def test_admission_counts_in_and_out(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS, settings.SPOT_CONNECTIONS = 2, 3
    admission = Admission()
    admission.enter("a")
    admission.enter("a")
    with pytest.raises(Refused) as caught:
        admission.enter("a")
    assert caught.value.code == "too_many_connections"
    admission.enter("b")
    with pytest.raises(Refused) as caught:
        admission.enter("c")
    assert (caught.value.code, caught.value.fact.retry) == ("overloaded", True)
    admission.leave("a")
    admission.enter("a")
    assert len(admission) == 3


def test_a_refusal_is_not_counted(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS, settings.SPOT_CONNECTIONS = 1, 0
    admission = Admission()
    admission.enter("a")
    for _ in range(5):
        with pytest.raises(Refused):
            admission.enter("a")
    admission.leave("a")
    assert len(admission) == 0
    assert not admission._by_address


def test_zero_switches_a_limit_off(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = settings.SPOT_CONNECTIONS = 0
    admission = Admission()
    for _ in range(1000):
        admission.enter("a")
    assert len(admission) == 1000
    assert all(MessageRate(0).allow(1.0) for _ in range(1000))


@given(st.floats(0.5, 50), st.lists(st.floats(0.001, 2), min_size=1, max_size=60))
def test_no_stretch_of_time_holds_more_messages_than_the_rate_and_its_burst(rate, pauses) -> None:
    bucket, now, heard = MessageRate(rate), 100.0, []
    for pause in pauses:
        now += pause
        if bucket.allow(now):
            heard.append(now)
    for first, start in enumerate(heard):
        for last in range(first, len(heard)):
            assert last - first + 1 <= rate * 3 + (heard[last] - start) * rate + 1e-6


def test_a_burst_of_three_seconds_worth_is_heard_and_then_the_rate() -> None:
    bucket = MessageRate(10.0)
    assert sum(bucket.allow(5.0) for _ in range(100)) == 30
    assert bucket.refused == 70
    assert bucket.allow(5.11)
    assert bucket.refused == 0
    assert not bucket.allow(5.11)
