"""Who is asking: a network, and the plan that the settings give everybody."""

from dataclasses import fields

import pytest

from spot.clients import models
from spot.clients.models import ClientPlan
from spot.clients.plans import Plan, anonymous, network


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


def test_the_plan_follows_the_settings_at_each_request(settings) -> None:
    settings.SPOT_REQUESTS_PER_MINUTE = 7
    before = anonymous("192.0.2.7")
    settings.SPOT_REQUESTS_PER_MINUTE, settings.SPOT_MESSAGES_PER_SECOND = 8, 2.5
    after = anonymous("192.0.2.7")
    assert (before.id, before.plan.requests_per_minute) == ("192.0.2.7", 7)
    assert (after.plan.requests_per_minute, after.plan.messages_per_second) == (8, 2.5)
    assert anonymous("2001:db8::1").id == anonymous("2001:db8::2").id


def test_a_plan_without_numbers_has_every_limit_of_the_settings(monkeypatch) -> None:
    own = {"messages_out_per_second", "credits_per_month", "channels"}  # no setting gives these
    usual = {field.name: number for number, field in enumerate(fields(Plan), 1) if field.name not in own}
    monkeypatch.setattr(models, "default_plan", lambda: Plan(**usual))
    assert ClientPlan(name="empty").plan == Plan(**usual)
