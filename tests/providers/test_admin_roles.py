"""Who sees and does what in the admin."""

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from providers.models import ApiKey, Asset, AssetAlias, Chain
from providers.roles import OBSERVERS
from tests.providers.conftest import KEY, Reply, Upstream
from tests.providers.pages import ALIASES, KEYS, ORDERS, PROVIDERS, page, row, text
from tests.providers.test_models import made

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def observer(client: Client) -> Client:
    """Signed in as somebody who may only look."""
    user = User.objects.create_user("looker", is_staff=True)
    user.groups.add(Group.objects.get(name=OBSERVERS))
    client.force_login(user)
    return client


@pytest.fixture
def alias() -> AssetAlias:
    Asset.objects.create(id="uniswap", symbol="UNI", name="Uniswap")
    return AssetAlias.objects.create(provider="elsewhere", foreign_id="7", symbol="UNI", name="Uniswap")


@pytest.fixture
def stand_in(upstream: Upstream, settings) -> Upstream:
    settings.COINGECKO_BASE_URL = upstream.url
    upstream.replies["/ping"] = Reply({"gecko_says": "x"})
    return upstream


def addresses(alias: AssetAlias) -> list[str]:
    """Every page of ours that shows something."""
    made().save()
    key, order = ApiKey.objects.get(), Chain.objects.get(kind="markets")
    shown = [
        reverse(f"admin:providers_{model._meta.model_name}_changelist")
        for model in apps.get_app_config("providers").get_models()
    ]
    for name, one in ((KEYS, key), (PROVIDERS, row()), (ORDERS, order), (ALIASES, alias)):
        shown += [reverse(name.format(view), args=[one.pk]) for view in ("change", "history")]
    return [reverse("admin:index"), *shown]


def test_migrate_makes_a_group_that_may_view_each_model_of_ours_and_nothing_else() -> None:
    permissions = Group.objects.get(name=OBSERVERS).permissions
    ours = [config for config in apps.get_app_configs() if config.name.startswith(("providers", "spot"))]
    models = [model._meta.model_name for config in ours for model in config.get_models()]
    assert set(permissions.values_list("codename", flat=True)) == {f"view_{name}" for name in models}


def test_migrate_gives_back_what_is_missing_and_takes_nothing_away() -> None:
    group = Group.objects.get(name=OBSERVERS)
    group.permissions.set([Permission.objects.get(codename="change_providersettings")])
    call_command("migrate", verbosity=0)
    found = set(group.permissions.values_list("codename", flat=True))
    assert {"change_providersettings", "view_apikey", "view_chain"} <= found


def test_an_observer_sees_every_page_and_no_way_to_change_anything(observer: Client, alias: AssetAlias) -> None:
    for address in addresses(alias):
        response = observer.get(address)
        assert response.status_code == 200, address
        html = response.content.decode()
        assert KEY not in html
        buttons = [text(one) for one in re.findall(r"<button.*?</button>", html, re.DOTALL)]
        assert not [word for word in buttons if word.startswith(("Test", "Reset", "It is"))], address
        assert 'name="_save"' not in html, address
        assert 'name="action"' not in html, address
        assert "addlink" not in html, address


def test_what_an_observer_sees_is_what_an_operator_sees(observer: Client) -> None:
    made().save()
    html = text(page(observer, PROVIDERS.format("change"), row().pk))
    for said in (
        "✓ ready",
        "••••3210",
        "30 of 30 left",
        "10,000 of 10,000 left",
        "lasts the month",
        "Accrued",
        "Usage",
    ):
        assert said in html
    assert "••••3210" in page(observer, KEYS.format("change"), ApiKey.objects.get().pk)


@pytest.mark.parametrize(
    ("name", "view", "data"),
    [
        (PROVIDERS, "change", {"enabled": "", "base_url": "http://elsewhere"}),
        (PROVIDERS, "test", {}),
        (PROVIDERS, "reset", {}),
        (KEYS, "change", {"plan": "coingecko pro", "enabled": ""}),
        (KEYS, "test", {}),
        (KEYS, "delete", {"post": "yes"}),
        (ORDERS, "change", {"place_1": "coingecko"}),
        (ALIASES, "change", {"asset": "uniswap"}),
        (ALIASES, "choose", {"coin": "uniswap"}),
    ],
)
def test_what_an_observer_posts_is_refused(
    observer: Client, alias: AssetAlias, stand_in: Upstream, name: str, view: str, data: dict
) -> None:
    made().save()
    targets = {PROVIDERS: row(), KEYS: ApiKey.objects.get(), ORDERS: Chain.objects.get(kind="markets"), ALIASES: alias}
    response = observer.post(reverse(name.format(view), args=[targets[name].pk]), data)
    assert response.status_code == 403
    assert (row().enabled, row().base_url) == (True, "")
    assert ApiKey.objects.get().plan == "demo"
    assert Chain.objects.get(kind="markets").order == ""
    assert AssetAlias.objects.get(pk=alias.pk).asset is None
    assert stand_in.asked == []


@pytest.mark.parametrize(
    ("name", "action"), [(PROVIDERS, "test_connections"), (PROVIDERS, "reset_breakers"), (KEYS, "test_keys")]
)
def test_actions_on_lists_do_nothing_for_an_observer(
    observer: Client, stand_in: Upstream, name: str, action: str
) -> None:
    made().save()
    chosen = row().pk if name == PROVIDERS else ApiKey.objects.get().pk
    observer.post(reverse(name.format("changelist")), {"action": action, "_selected_action": [chosen]})
    assert stand_in.asked == []


def test_who_may_change_providers_may_test_them_and_nothing_else(client: Client, stand_in: Upstream) -> None:
    made().save()
    user = User.objects.create_user("helper", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=("view_providersettings", "change_providersettings"))
    )
    client.force_login(user)
    assert client.post(reverse(PROVIDERS.format("test"), args=[row().pk])).status_code == 302
    assert [asked.path for asked in stand_in.asked] == ["/api/v3/ping"]
    key = ApiKey.objects.get().pk
    assert client.post(reverse(KEYS.format("test"), args=[key])).status_code == 403
    assert client.get(reverse(KEYS.format("changelist"))).status_code == 403


def test_a_button_is_no_link(admin_client: Client, stand_in: Upstream) -> None:
    assert admin_client.get(reverse(PROVIDERS.format("test"), args=[row().pk])).status_code == 405
    assert stand_in.asked == []


def test_a_button_of_something_that_has_gone_leads_home(admin_client: Client) -> None:
    response = admin_client.post(reverse(KEYS.format("test"), args=[4711]), follow=True)
    assert "Perhaps it was deleted?" in response.content.decode()


def test_a_button_needs_the_pages_own_token(stand_in: Upstream, django_user_model) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(django_user_model.objects.create_superuser("root"))
    assert strict.post(reverse(PROVIDERS.format("test"), args=[row().pk])).status_code == 403
    assert stand_in.asked == []
