"""What clients may use: admission by address and in all, the message bucket, and the table that names each limit."""

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from spot.clients.limits import LIMITS, Admission, Allowance, MessageRate, network
from spot.codes import Refused


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


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:51000", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
        ("a proxy's name", "a proxy's name"),
    ],
)
def test_a_subscriber_is_counted_once_however_many_addresses_it_has(address, counted) -> None:
    assert network(address) == counted


def test_forty_addresses_of_one_network_get_what_one_gets(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 5
    admission, refused = Admission(), 0
    for number in range(40):
        try:
            admission.enter(f"2001:db8::{number:x}")
        except Refused:
            refused += 1
    assert (len(admission), refused) == (5, 35)
    admission.leave("2001:db8::27")  # any of them: it is one
    assert len(admission) == 4


def test_an_allowance_is_spent_at_once_and_comes_back_with_time(settings) -> None:
    settings.SPOT_REQUESTS_PER_MINUTE, now = 60, [1000.0]
    allowance = Allowance("SPOT_REQUESTS_PER_MINUTE", 60, 15, clock=lambda: now[0])
    assert allowance.balance("a") == (15, 15, 0)
    assert allowance.wait("a", 15) == 0
    allowance.take("a", 15)
    assert allowance.balance("a") == (15, 0, 15)
    assert (allowance.wait("a", 1), allowance.wait("a", 7), allowance.wait("b", 15)) == (1, 7, 0)
    now[0] += 7
    assert allowance.wait("a", 7) == 0
    settings.SPOT_REQUESTS_PER_MINUTE = 0
    assert allowance.balance("a") is None
    assert allowance.wait("a", 1e9) == 0


def test_a_costly_message_takes_more_of_the_rate() -> None:
    bucket = MessageRate(10.0)
    assert sum(bucket.allow(5.0, 5) for _ in range(100)) == 6
