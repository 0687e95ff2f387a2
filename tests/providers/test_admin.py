import logging
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

import providers
from providers.budget import Budget
from providers.models import ApiKey, ProviderSettings
from providers.vault import Secret
from tests.live import NOWHERE
from tests.providers.conftest import KEY, Reply, Upstream
from tests.providers.pages import KEYS, PROVIDERS, page, post, row, text, told
from tests.providers.test_models import made

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def typed(**changes: object) -> dict[str, object]:
    return {"plan": "coingecko demo", "secret": KEY, "label": "", "enabled": "on", **changes}


# --- keys -----------------------------------------------------------------------------------------------------------
def test_a_key_is_entered_once_and_shown_nowhere(admin_client: Client, caplog, capsys) -> None:
    caplog.set_level(logging.DEBUG)
    html = post(admin_client, KEYS.format("add"), **typed(label="ours"))
    key = ApiKey.objects.get()
    assert key.secret == Secret(KEY)
    html += page(admin_client, KEYS.format("changelist"))
    html += page(admin_client, KEYS.format("change"), key.pk)
    html += page(admin_client, KEYS.format("history"), key.pk)
    html += page(admin_client, KEYS.format("delete"), key.pk)
    html += page(admin_client, PROVIDERS.format("changelist"))
    html += page(admin_client, PROVIDERS.format("change"), row().pk)
    html += page(admin_client, "admin:index")
    entries = "".join(f"{entry} {entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert "••••3210" in html
    for hidden in (KEY, KEY[:-4], KEY[4:-4], key.token):
        assert hidden not in "".join([html, entries, caplog.text, *capsys.readouterr()])


def test_a_key_that_is_refused_is_not_shown_again_either(admin_client: Client) -> None:
    html = post(admin_client, KEYS.format("add"), **typed(secret=f"{KEY} {KEY}"))
    assert told(html)[-1].startswith("A key has only letters")
    assert KEY not in html
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secret": ""}, "Paste the key."),
        ({"secret": "CG-x"}, "A key has between 8 and 200 characters, this has 4."),
        ({"plan": "coingecko gold"}, "Select a valid choice. coingecko gold is not one of the available choices."),
        (
            {"plan": "coingecko keyless"},
            "Select a valid choice. coingecko keyless is not one of the available choices.",
        ),
        ({"plan": ""}, "This field is required."),
        ({"per_minute": 1}, "At least 2, because a fetch of the market is two calls; or 0."),
    ],
)
def test_what_is_wrong_with_a_key_is_said_beside_it(admin_client: Client, changes: dict, said: str) -> None:
    assert any(one.startswith(said) for one in told(post(admin_client, KEYS.format("add"), **typed(**changes))))
    assert not ApiKey.objects.exists()


def test_only_plans_and_providers_that_take_a_key_are_offered(admin_client: Client) -> None:
    html = page(admin_client, KEYS.format("add"))
    offered = re.findall(r'<option value="(\w+ \w+)"', html)
    assert {"coingecko demo", "coingecko pro"} <= set(offered)
    assert all(providers.get(name).plan(plan).header for name, plan in (one.split() for one in offered))
    assert '<optgroup label="CoinGecko">' in html
    assert "Sandbox" not in html


def test_a_change_without_a_new_key_keeps_the_old_one(admin_client: Client) -> None:
    made().save()
    key = ApiKey.objects.get()
    html = page(admin_client, KEYS.format("change"), key.pk)
    assert "Current key: ••••3210. Leave empty to keep it." in html
    post(admin_client, KEYS.format("change"), key.pk, **typed(secret="", plan="coingecko pro"))
    key.refresh_from_db()
    assert (key.secret, key.plan) == (Secret(KEY), "pro")
    post(admin_client, KEYS.format("change"), key.pk, **typed(secret="CG-another-0123456789", plan="coingecko pro"))
    key.refresh_from_db()
    assert (key.secret, key.masked) == (Secret("CG-another-0123456789"), "••••6789")


def test_a_key_of_unusual_form_is_taken_with_a_word_about_it(admin_client: Client) -> None:
    html = post(admin_client, KEYS.format("add"), **typed(secret="something-else-entirely"))
    assert "CoinGecko keys usually begin with CG-, this does not." in told(html)
    assert ApiKey.objects.exists()


def test_the_list_says_in_which_order_keys_are_used_and_which_cannot_be_read(admin_client: Client) -> None:
    made("CG-old-0123456789abcd").save()
    made().save()
    made("CG-off-0123456789abcd").save()
    ApiKey.objects.order_by("pk").last().delete()
    off = made("CG-off-0123456789abcd")
    off.enabled = False
    off.save()

    def column(name: str) -> list[str]:
        html = page(admin_client, KEYS.format("changelist"))
        return [text(cell) for cell in re.findall(rf"field-{name}[^>]*>(.*?)</td>", html)]

    assert column("turn") == ["not in use", "1st", "2nd"]
    assert column("state") == ["○ switched off", "✓ ready", "✓ ready"]
    ApiKey.objects.update(token="written with another secret")
    assert column("turn") == ["not in use"] * 3
    assert column("state") == ["✕ cannot be decrypted enter it again"] * 3


def test_an_error_report_does_not_hold_the_key(admin_client: Client, monkeypatch, settings) -> None:
    from django.views.debug import ExceptionReporter

    monkeypatch.setattr(ApiKey, "save", lambda *_args, **_kwargs: 1 / 0)
    admin_client.raise_request_exception = False
    response = admin_client.post(reverse(KEYS.format("add")), typed())
    assert response.status_code == 500
    report = ExceptionReporter(response.wsgi_request, *response.exc_info)
    assert f"'{KEY}'" not in str(report.filter.get_post_parameters(response.wsgi_request))


# --- trying a key ---------------------------------------------------------------------------------------------------
def test_keys(admin: Client) -> list[str]:
    chosen = [key.pk for key in ApiKey.objects.all()]
    return told(post(admin, KEYS.format("changelist"), action="test_keys", _selected_action=chosen))


test_keys.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def stand_in(upstream: Upstream, settings) -> Upstream:
    settings.COINGECKO_BASE_URL = upstream.url
    return upstream


def test_a_good_key_is_reported_as_accepted(admin_client: Client, stand_in: Upstream) -> None:
    made().save()
    stand_in.replies["/ping"] = Reply({"gecko_says": "(V3) To the Moon!"})
    assert test_keys(admin_client) == ["CoinGecko demo key ••••3210: accepted."]
    assert stand_in.asked[0].headers["x-cg-demo-api-key"] == KEY


def test_a_good_paid_key_is_reported_with_what_is_left_of_its_month(admin_client: Client, stand_in: Upstream) -> None:
    made(plan="pro").save()
    stand_in.replies["/key"] = Reply(
        {"plan": "Analyst", "monthly_call_credit": 500000, "current_remaining_monthly_calls": 7}
    )
    assert test_keys(admin_client) == [
        "CoinGecko pro key ••••3210: accepted: plan Analyst, 7 of 500000 calls left this month."
    ]


def test_a_refused_key_is_reported_in_the_providers_words_without_the_key(admin_client, stand_in) -> None:
    made().save()
    stand_in.replies["/ping"] = Reply({"status": {"error_code": 10002, "error_message": f"{KEY} is no key"}}, 401)
    assert test_keys(admin_client) == ["CoinGecko demo key ••••3210: 401: *** is no key."]


def test_a_key_that_is_not_in_use_is_the_one_that_is_tried(admin_client: Client, stand_in: Upstream) -> None:
    made().save()
    ApiKey.objects.update(enabled=False)
    stand_in.replies["/ping"] = Reply({"gecko_says": "x"})
    test_keys(admin_client)
    assert stand_in.asked[0].headers["x-cg-demo-api-key"] == KEY


def test_a_key_that_cannot_be_read_is_not_tried(admin_client: Client, stand_in: Upstream) -> None:
    made().save()
    ApiKey.objects.update(token="written with another secret")
    assert test_keys(admin_client) == ["CoinGecko demo key ••••3210: it cannot be decrypted; enter it again."]
    assert stand_in.asked == []


def test_a_test_that_redis_cannot_count_is_not_made(admin_client: Client, stand_in: Upstream, settings) -> None:
    made().save()
    settings.REDIS = NOWHERE
    assert "Redis, which has the budget, does not answer" in test_keys(admin_client)[0]
    assert stand_in.asked == []


# --- providers ------------------------------------------------------------------------------------------------------
def test_the_list_of_providers_tells_at_a_glance_how_they_are(admin_client: Client, redis, upstream, settings) -> None:
    from providers import fetching
    from providers.datasets import Dataset

    settings.COINGECKO_BASE_URL = upstream.url
    upstream.replies["/simple/supported_vs_currencies"] = Reply(["usd"])
    fetching.fetch(Dataset("currencies"))
    html = page(admin_client, PROVIDERS.format("changelist"))
    for said in (
        "CoinGecko",
        "Sandbox (simulated)",
        "4 of 5 left",
        "1 used, no limit",
        "✓ ready",
        "currencies: 1 call in",
    ):
        assert said in text(html)
    upstream.replies["/simple/supported_vs_currencies"] = Reply(
        {"error": "<b>slow down</b>"}, 429, {"Retry-After": "60"}
    )
    with pytest.raises(fetching.ProviderError):
        fetching.fetch(Dataset("currencies"))
    html = page(admin_client, PROVIDERS.format("changelist"))
    assert "‖ waiting until" in text(html)
    assert "&lt;b&gt;slow down" in html
    assert "<b>slow" not in html


def test_the_pages_stand_when_redis_does_not(admin_client: Client, settings) -> None:
    settings.REDIS = NOWHERE
    assert "? unknown Redis does not answer" in text(page(admin_client, PROVIDERS.format("changelist")))
    assert "? unknown Redis does not answer" in text(page(admin_client, PROVIDERS.format("change"), row().pk))


def test_limits_and_address_are_saved_and_wrong_ones_explained(admin_client: Client) -> None:
    change = PROVIDERS.format("change")
    html = post(admin_client, change, row().pk, enabled="on", base_url="coingecko.com", per_minute=1, per_month="")
    assert told(html)[-2:] == [
        "Give a full address, such as https://api.example.com/v3.",
        "At least 2, because a fetch of the market is two calls; or 0.",
    ]
    post(admin_client, change, row().pk, enabled="on", base_url="http://127.0.0.1:1/", per_minute=4, per_month=100)
    assert (row().base_url, row().per_minute, row().per_month) == ("http://127.0.0.1:1", 4, 100)


def test_an_address_without_encryption_is_taken_with_a_word_about_it(admin_client: Client) -> None:
    made().save()
    html = post(admin_client, PROVIDERS.format("change"), row().pk, enabled="on", base_url="http://x", key_again=KEY)
    assert told(html)[0] == "The key travels unencrypted to http://x: the address begins with http://."


def test_more_than_the_plan_is_documented_with_is_saved_only_when_it_is_meant(admin_client: Client) -> None:
    made().save()
    change, limits = PROVIDERS.format("change"), {"enabled": "on", "per_minute": 0, "per_month": 20_000}
    said = "The demo plan is documented with {}. Tick “Allow more than documented” if your contract says so."
    assert told(post(admin_client, change, row().pk, **limits))[-2:] == [
        said.format("30 a minute, this is no limit"),
        said.format("10,000 a month, this is 20,000 a month"),
    ]
    assert row().per_month is None
    post(admin_client, change, row().pk, **limits, beyond="on")
    assert (row().per_minute, row().per_month) == (0, 20_000)
    assert re.search(r'<input type="checkbox" name="beyond"[^>]* checked', page(admin_client, change, row().pk))
    assert "Documented: demo 10,000." in page(admin_client, change, row().pk)


def test_a_keys_own_limits_are_held_against_its_own_plan(admin_client: Client) -> None:
    html = post(admin_client, KEYS.format("add"), **typed(per_month=10_001))
    assert "The demo plan is documented with 10,000 a month, this is 10,001 a month." in html
    assert KEY not in html
    post(admin_client, KEYS.format("add"), **typed(per_month=10_001, plan="coingecko pro"))
    assert ApiKey.objects.get().per_month == 10_001


def test_providers_cannot_be_added_and_only_orphans_deleted(admin_client: Client) -> None:
    assert admin_client.get(reverse(PROVIDERS.format("add"))).status_code == 403
    assert admin_client.get(reverse(PROVIDERS.format("delete"), args=[row().pk])).status_code == 403
    orphan = ProviderSettings.objects.create(name="gone")
    assert "gone (no longer installed)" in page(admin_client, PROVIDERS.format("changelist"))
    assert page(admin_client, PROVIDERS.format("change"), orphan.pk)
    assert admin_client.get(reverse(PROVIDERS.format("delete"), args=[orphan.pk])).status_code == 200


def test_a_connection_is_tried_with_the_key_in_use(admin_client: Client, stand_in: Upstream) -> None:
    stand_in.replies["/ping"] = Reply({"gecko_says": "x"})
    html = post(admin_client, PROVIDERS.format("changelist"), action="test_connections", _selected_action=[row().pk])
    assert told(html) == ["CoinGecko: accepted."]


def test_a_test_breaks_a_rest_that_failures_led_to_and_not_one_that_was_asked_for(
    admin_client, stand_in, redis
) -> None:
    from providers import access
    from providers.errors import RateLimited, Unauthorized

    entry = access.of(row().provider)
    stand_in.replies["/ping"] = Reply({"gecko_says": "x"})
    do = {"action": "test_connections", "_selected_action": [row().pk]}
    Budget(redis).failed(entry, Unauthorized("x"))
    assert told(post(admin_client, PROVIDERS.format("changelist"), **do)) == ["CoinGecko: accepted."]
    Budget(redis).failed(entry, RateLimited("x", retry_after=50))
    assert "left alone for 50 s" in told(post(admin_client, PROVIDERS.format("changelist"), **do))[0]
    assert len(stand_in.asked) == 1


def test_the_pages_are_for_those_who_may(client: Client, django_user_model) -> None:
    for name in (KEYS, PROVIDERS):
        assert client.get(reverse(name.format("changelist"))).status_code == 302
    client.force_login(django_user_model.objects.create_user("helper", is_staff=True))
    for name in (KEYS, PROVIDERS):
        assert client.get(reverse(name.format("changelist"))).status_code == 403
