"""What a change in the admin asks for, what it is told to do to the site, and what the history keeps of it."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from structlog.testing import capture_logs

from providers.models import ApiKey, Chain, ProviderSettings
from tests.providers.conftest import KEY
from tests.providers.pages import KEYS, ORDERS, PROVIDERS, page, post, row, text, told
from tests.providers.test_models import made

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
CHANGE = PROVIDERS.format("change")
ELSEWHERE = "https://elsewhere.example/v3"


@pytest.fixture(autouse=True)
def one_keyed(settings) -> None:
    """A second provider that needs no key would take over for any other."""
    settings.COINMARKETCAP_BASE_URL = "http://127.0.0.1:9"


def said() -> str:
    """The newest line of the history."""
    newest = LogEntry.objects.order_by("-pk").first()
    assert newest is not None
    return newest.get_change_message()


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "CG-some-other-key-1234", KEY[:-1]])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_new_address_without_the_key_is_refused(admin_client: Client, typed: str, enabled: bool) -> None:
    made().save()
    ApiKey.objects.update(enabled=enabled)  # one that is switched off would be sent there later
    html = post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE, key_again=typed)
    assert told(html)[-1] == "Enter a key of this provider again: keys go to the new Base URL."
    assert row().base_url == ""
    assert not typed or typed not in html


def test_the_environments_key_is_guarded_as_well(admin_client: Client, settings) -> None:
    settings.COINGECKO_API_KEY = KEY
    post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE)
    assert row().base_url == ""
    post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE, key_again=KEY)
    assert row().base_url == ELSEWHERE


def test_a_streams_address_asks_for_the_key_too(admin_client: Client, settings) -> None:
    settings.COINAPI_API_KEY = "coinapi-0123456789"
    stream = {"enabled": "on", "stream_url": "wss://elsewhere.example/v1"}
    assert "go to the new Stream URL." in told(post(admin_client, CHANGE, row("coinapi").pk, **stream))[-1]
    assert row("coinapi").stream_url == ""


def test_whoever_has_the_key_may_change_the_address_and_back_without_it(admin_client: Client) -> None:
    made().save()
    html = post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE, key_again=KEY)
    assert row().base_url == ELSEWHERE
    assert KEY not in html
    assert said() == f"Changed. Base URL: empty → {ELSEWHERE}."
    post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE, per_minute=4)  # the address stays
    assert row().per_minute == 4
    post(admin_client, CHANGE, row().pk, enabled="on", base_url="")
    assert row().base_url == ""


def test_without_a_key_an_address_is_just_an_address(admin_client: Client) -> None:
    post(admin_client, CHANGE, row().pk, enabled="on", base_url=ELSEWHERE)
    assert row().base_url == ELSEWHERE


# --- history ----------------------------------------------------------------------------------------------------------


def test_the_history_has_the_old_and_the_new_value_with_the_zone(admin_client: Client) -> None:
    post(admin_client, CHANGE, row().pk, base_url="", per_minute=1000, beyond="on")
    assert said() == "Changed. Enabled: yes → no. Calls per minute: empty → 1,000."
    html = page(admin_client, PROVIDERS.format("history"), row().pk)
    assert "Enabled: yes → no." in html
    assert " UTC</th>" in html
    post(admin_client, ORDERS.format("change"), Chain.objects.get(kind="markets").pk, place_1="coingecko")
    assert said() == "Changed. Order: all, in Spot's own order → coingecko."


def test_a_key_that_is_added_is_noted_with_what_was_typed_but_the_key(admin_client: Client) -> None:
    post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="ours", enabled="on")
    assert said() == "Added. Provider and plan: demo. Label: ours. Enabled: yes."


# --- pace -------------------------------------------------------------------------------------------------------------


def test_a_key_that_makes_the_page_slower_is_told_when_it_is_entered(admin_client: Client) -> None:
    html = post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="", enabled="on")
    assert re.fullmatch(
        r"With the demo plan the market is fetched every \d+ min instead of every 60 s\.", told(html)[0]
    )
    html = post(admin_client, KEYS.format("delete"), ApiKey.objects.get().pk, post="yes")
    assert re.fullmatch(r"Without this key the market is fetched every 60 s instead of every \d+ min\.", told(html)[0])


def test_a_change_that_leaves_the_pace_alone_says_nothing_of_it(admin_client: Client) -> None:
    assert len(told(post(admin_client, CHANGE, row().pk, enabled="on", stream_coins=""))) == 1


# --- failover ---------------------------------------------------------------------------------------------------------


def test_an_order_that_ends_failover_says_so_at_once_and_in_the_list(admin_client: Client) -> None:
    change, pk = ORDERS.format("change"), Chain.objects.get(kind="markets").pk
    html = post(admin_client, change, pk, place_1="coingecko")
    warning = "Only CoinGecko is used. If it fails, no other provider takes over, because the order names no other."
    assert f"Markets: {warning}" in told(html)
    assert warning in text(page(admin_client, ORDERS.format("changelist")))
    html = post(admin_client, change, pk, place_1="coingecko", place_2="coinmarketcap")
    assert warning not in text(html)


def test_the_switch_that_turns_the_last_one_off_says_so(admin_client: Client) -> None:
    Chain.objects.filter(kind="markets").update(order="coingecko")
    html = post(admin_client, CHANGE, row().pk)
    assert not row().enabled
    assert any(one.startswith("No provider serves") and "markets" in one for one in told(html))


def test_a_key_that_was_the_last_one_says_so_when_it_goes(admin_client: Client) -> None:
    ProviderSettings.objects.exclude(name="coinapi").update(enabled=False)
    post(admin_client, KEYS.format("add"), plan="coinapi free", secret="coinapi-0123456789", label="", enabled="on")
    html = post(admin_client, KEYS.format("delete"), ApiKey.objects.get().pk, post="yes")
    assert any(one.startswith("No provider serves candles") for one in told(html))


# --- the log of the process -------------------------------------------------------------------------------------------


def test_each_change_is_one_line_of_the_log_without_secrets(admin_client: Client) -> None:
    made().save()
    with capture_logs() as lines:
        post(admin_client, CHANGE, row().pk, enabled="on", per_minute="7")
        post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="spare", enabled="on")
    changed, added = [line for line in lines if line["event"] == "admin change"]
    assert (changed["user"], changed["action"], changed["model"]) == ("admin", "changed", "providers.providersettings")
    assert "→ 7" in changed["change"]
    assert (added["action"], added["model"]) == ("added", "providers.apikey")
    assert KEY not in str(lines)
    assert said() == added["change"]


def test_objects_deleted_together_are_a_line_each(admin_client: Client) -> None:
    groups = [Group.objects.create(name=name) for name in ("one", "two")]
    with capture_logs() as lines:
        chosen = {"action": "delete_selected", "_selected_action": [group.pk for group in groups], "post": "yes"}
        admin_client.post("/admin/auth/group/", chosen)
        Group.objects.create(name="three")
        last = {**chosen, "_selected_action": [Group.objects.get(name="three").pk]}
        admin_client.post("/admin/auth/group/", last)
    assert not Group.objects.filter(name__in=("one", "two", "three"))
    deleted = [(line["action"], line["model"], line["object"]) for line in lines if line["event"] == "admin change"]
    assert sorted(deleted) == [("deleted", "auth.group", name) for name in ("one", "three", "two")]


def test_a_changed_password_is_only_said_to_have_changed(admin_client: Client) -> None:
    user = User.objects.create_user("clerk", password="former long password")
    words = {"password1": "another long password", "password2": "another long password", "usable_password": "true"}
    with capture_logs() as lines:
        admin_client.post(f"/admin/auth/user/{user.pk}/password/", words)
    (line,) = [line for line in lines if line["event"] == "admin change"]
    assert (line["object"], line["change"]) == ("clerk", "Changed password.")
