"""The operator's pages: what a form says, what it shows, and who may press what."""

import logging
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from providers.roles import OBSERVERS
from spot.alerts import evaluation
from spot.alerts.models import Delivery, Rule, Standing, Target
from spot.alerts.readings import Newest
from tests.providers.pages import fact, page, post, text, told
from tests.spot.alerts.conftest import SECRET
from tests.webhook_target import Target as Listener

RULES, TARGETS = "admin:alerts_rule_{}", "admin:alerts_target_{}"
pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A superuser's client, without the cost of a hashed password."""
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def typed(**changes: object) -> dict[str, object]:
    usual = {
        "name": "high", "enabled": "on", "feed": "market", "parameters": "", "kind": "above", "field": "price",
        "value": "70000", "direction": "either", "hysteresis": "1", "confirm": "1", "cooldown_seconds": "300",
    }  # fmt: skip
    return usual | changes


def test_a_rule_is_entered(admin_client: Client, store, make_target) -> None:
    target = make_target("https://hooks.example/")
    html = post(admin_client, RULES.format("add"), **typed(targets=target.pk, parameters="per_page=10\nsearch=bit"))
    rule = Rule.objects.get()
    assert rule.parameters == {"per_page": "10", "search": "bit"}
    assert list(rule.targets.all()) == [target]
    assert "price ≥ 70,000" in text(html)
    html = page(admin_client, RULES.format("change"), rule.pk)
    assert "per_page=10\nsearch=bit</textarea>" in html
    assert fact(html, "State") == "‖ waiting for the first answer, which fires nothing"


def test_an_address_can_be_pasted(admin_client: Client, store) -> None:
    address = "http://localhost:8000/tzone_apis/services/spot/market?filters=%7B%22price%22%3A%7B%22gt%22%3A5%7D%7D&envelope=1"
    post(admin_client, RULES.format("add"), **typed(parameters=address))
    assert Rule.objects.get().parameters == {"filters": '{"price":{"gt":5}}'}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": "per_page=9999"}, "per_page must be"),
        ({"parameters": "colour=red"}, "'colour' is not a parameter of market."),
        ({"parameters": "nonsense"}, "'nonsense' is not a parameter: write name=value on each line."),
        ({"parameters": "sparkline=true"}, "sparkline must be false"),
        ({"parameters": 'filters={"weight": 3}'}, "filters: 'weight' is not a field of this feed."),
        ({"parameters": "vs_currency=xyz"}, "vs_currency: 'xyz' is not quoted."),
        ({"parameters": "http://x/spot/most-active?per_page=3"}, "This is an address of most-active"),
        ({"feed": "ticker-tape"}, "coin_ids is required"),
        ({"feed": "ticker-tape", "parameters": "coin_ids=bitcoin,nosuch"}, "coin_ids: no coin has the id 'nosuch'."),
        ({"feed": "nosuch"}, "Select a valid choice."),
        ({"field": ""}, "This condition compares a field. Fields: "),
        ({"field": "weight"}, "field: 'weight' is not a field of this feed."),
        ({"field": "name"}, "field must be a number: Row, price"),
        ({"value": ""}, "This condition needs a value."),
        ({"kind": "change", "window_seconds": ""}, "A change needs a window"),
        ({"kind": "change", "window_seconds": "5"}, "Ensure this value is greater than or equal to 60."),
        ({"kind": "change", "window_seconds": "60", "value": "-5"}, "A change needs a percentage above 0"),
        ({"hysteresis": "101"}, "Ensure this value is less than or equal to 100."),
        ({"confirm": "0"}, "Ensure this value is greater than or equal to 1."),
        ({"feed": "listings", "kind": "leaves"}, "Rows of listings are events"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field(admin_client: Client, store, changes: dict, said: str) -> None:
    lines = told(post(admin_client, RULES.format("add"), **typed(**changes)))
    assert any(line.startswith(said) for line in lines), lines
    assert not Rule.objects.exists()


def test_a_preview_shows_the_rows_and_saves_nothing(admin_client: Client, store) -> None:
    store(bitcoin=70_001, ethereum=3)
    html = post(admin_client, RULES.format("add"), **typed(_preview="1", parameters='filters={"price": {"gt": 5}}'))
    assert "What the view gives now: 1 of 1 rows are watched" in text(html)
    assert "70001" in html
    assert not Rule.objects.exists()
    assert told(html) == []


def test_a_preview_without_data_asks_for_them(admin_client: Client, redis) -> None:
    html = post(admin_client, RULES.format("add"), **typed(_preview="1"))
    assert "have not been fetched yet" in html
    assert redis.zrange("spot:wanted:markets", 0, -1) == [b"markets:usd"]


def test_a_rule_is_paused_and_begins_anew(admin_client: Client, store, make_rule) -> None:
    rule = make_rule()
    store(bitcoin=1)
    for due in evaluation.due():
        evaluation.evaluate(due, Newest())
    assert fact(page(admin_client, RULES.format("change"), rule.pk), "State") == "✓ watching"
    assert "High: paused." in told(post(admin_client, RULES.format("pause"), rule.pk))
    assert not Rule.objects.get().enabled
    assert not Standing.objects.exists()
    assert "resumed" in told(post(admin_client, RULES.format("resume"), rule.pk))[0]


def test_a_secret_that_spot_made_is_shown_once(admin_client: Client, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    fields = {"name": "hook", "url": "https://name.invalid/services/T0/token", "secret": "", "enabled": "on"}
    html = post(admin_client, TARGETS.format("add"), **fields)
    secret = re.findall(r"whsec_[\w-]{43}", html)[0]
    target = Target.objects.get()
    assert target.secret.reveal() == secret
    html = page(admin_client, TARGETS.format("changelist")) + page(admin_client, TARGETS.format("history"), target.pk)
    html += page(admin_client, TARGETS.format("change"), target.pk)
    entries = "".join(f"{entry.change_message} {entry.object_repr}" for entry in LogEntry.objects.all())
    assert secret not in html + entries + caplog.text
    assert target.token not in html
    assert "token" not in entries


def test_a_secret_of_ones_own_is_kept_and_shown_nowhere(admin_client: Client) -> None:
    fields = {"name": "hook", "url": "https://name.invalid/", "secret": SECRET, "enabled": "on"}
    html = post(admin_client, TARGETS.format("add"), **fields)
    target = Target.objects.get()
    html += page(admin_client, TARGETS.format("change"), target.pk)
    html += post(
        admin_client, TARGETS.format("change"), target.pk, **(fields | {"secret": "", "url": "https://b.invalid/"})
    )
    assert SECRET not in html
    target.refresh_from_db()
    assert (target.secret.reveal(), target.url) == (SECRET, "https://b.invalid/")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "hooks.example"}, "This is not a URL."),
        ({"url": "https://me:pw@hooks.example/"}, "Leave the user name and password out"),
        ({"secret": "short"}, "A secret has 16 to 200 characters, this has 5."),
        ({"secret": "with spaces in it, more"}, "A secret has only letters"),
    ],
)
def test_what_is_wrong_with_a_target_is_told(admin_client: Client, changes: dict, said: str) -> None:
    fields = {"name": "hook", "url": "https://name.invalid/", "secret": "", "enabled": "on"}
    assert told(post(admin_client, TARGETS.format("add"), **(fields | changes)))[-1].startswith(said)
    assert not Target.objects.exists()


def test_an_address_that_is_not_allowed_is_told_at_once(admin_client: Client) -> None:
    html = post(admin_client, TARGETS.format("add"), name="hook", url="http://127.0.0.1/", secret=SECRET, enabled="on")
    assert "Nothing can be sent there now: not sent: 127.0.0.1 is the loopback" in text(html)


def test_the_test_button_sends_one_and_tells_the_outcome(admin_client: Client, make_target, settings) -> None:
    settings.SPOT_WEBHOOK_NETWORKS = ["127.0.0.1"]
    with Listener("200", "500") as listener:
        target = make_target(listener)
        assert re.fullmatch(r"Hook: 200 after \d+ ms\.", told(post(admin_client, TARGETS.format("test"), target.pk))[0])
        assert told(post(admin_client, TARGETS.format("test"), target.pk))[0].startswith("Hook: 500: refused after")
    assert len(listener.requests) == 2
    html = text(page(admin_client, "admin:alerts_delivery_changelist"))
    assert "✓ delivered" in html
    assert "✕ given up" in html


def test_a_delivery_that_was_given_up_can_be_sent_again(admin_client: Client, store, make_rule, make_target) -> None:
    make_rule(make_target("https://hooks.example/T0/secret"))
    for price in (99, 101):
        store(bitcoin=price)
        for due in evaluation.due():
            evaluation.evaluate(due, Newest())
    Delivery.objects.update(state=Delivery.GIVEN_UP, attempts=9)
    delivery = Delivery.objects.get()
    html = page(admin_client, "admin:alerts_delivery_change", delivery.pk)
    assert "&quot;Price&quot;: 101" in html
    assert "/T0/secret" not in html
    post(admin_client, "admin:alerts_delivery_changelist", action="send_again", _selected_action=[delivery.pk])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Delivery.WAITING, 0)
    assert "bitcoin" in page(admin_client, "admin:alerts_alert_changelist")
    for name in ("alert", "delivery"):
        assert admin_client.get(reverse(f"admin:alerts_{name}_changelist"), {"o": "1.2"}).status_code == 200


def test_an_observer_sees_the_pages_and_changes_nothing(client: Client, store, make_rule, make_target) -> None:
    target = make_target("https://hooks.example/T0/secret-token")
    rule = make_rule(target)
    user = User.objects.create(username="watcher", is_staff=True)
    user.groups.add(Group.objects.get(name=OBSERVERS))
    client.force_login(user)
    for name in ("rule", "target", "alert", "delivery"):
        html = page(client, f"admin:alerts_{name}_changelist")
        assert "secret-token" not in html
    html = page(client, TARGETS.format("change"), target.pk) + page(client, RULES.format("change"), rule.pk)
    assert "https://hooks.example/…" in html
    assert "secret-token" not in html
    for word in ("_preview", "_save", "Send a test", "Pause"):
        assert word not in html
    for address in (
        reverse(TARGETS.format("test"), args=[target.pk]),
        reverse(RULES.format("pause"), args=[rule.pk]),
        reverse(RULES.format("add")),
    ):
        assert client.post(address, typed()).status_code == 403


def test_signing_secrets_are_encrypted_again_with_the_newest_key(make_target, settings, capsys) -> None:
    settings.SPOT_SECRET_KEYS = ["old"]
    make_target("https://hooks.example/")
    settings.SPOT_SECRET_KEYS = ["new", "old"]
    call_command("reencrypt_keys")
    settings.SPOT_SECRET_KEYS = ["new"]
    assert Target.objects.get().secret.reveal() == SECRET
