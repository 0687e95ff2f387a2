"""A canary key is entered, used, refused and echoed, and then looked for in all that the admin shows and keeps."""

import logging
import re
from collections.abc import Iterator
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.serializers import serialize
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter
from redis import Redis

from providers.models import ApiKey
from tests.providers.conftest import KEY, Reply, Upstream
from tests.providers.pages import KEYS, PROVIDERS, post, row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
OTHER = "CG-second-canary-1a2b3c4d5e"
PARTS = [KEY, KEY[:-4], KEY[4:-4], OTHER, OTHER[:-4], OTHER[4:-4]]


@pytest.fixture
def stand_in(upstream: Upstream, settings) -> Upstream:
    settings.COINGECKO_BASE_URL = upstream.url
    return upstream


def crawled(client: Client) -> Iterator[tuple[str, str]]:
    """Every page of the admin that a link leads to, with its HTML; filtered and sorted lists in one way at a time."""
    waiting, seen = [reverse("admin:index")], set()
    while waiting and len(seen) < 200:
        address = waiting.pop()
        if address in seen or "logout" in address or address.count("=") > 1 or re.search(r"[?&](o|_facets)=", address):
            continue
        seen.add(address)
        response = client.get(address, follow=True)
        assert response.status_code == 200, address
        html = response.content.decode()
        yield address, html
        found = (unescape(one).split("#")[0] for one in re.findall(r'href="([^"]+)"', html))
        base = address.split("?")[0]
        waiting += [base + one if one.startswith("?") else one for one in found if one.startswith(("/admin/", "?"))]


def test_no_page_log_history_or_store_shows_a_key(
    admin_client: Client, stand_in: Upstream, redis: Redis, caplog, capsys
) -> None:
    caplog.set_level(logging.DEBUG)
    said = post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="ours", enabled="on")
    key = ApiKey.objects.get()
    stand_in.replies["/ping"] = [
        Reply({"gecko_says": f"hello {KEY}"}),
        Reply({"status": {"error_code": 10002, "error_message": f"{KEY} is no key"}}, 401),
        Reply({"error": KEY}, 500),
    ]
    for name, view, one in ((KEYS, "test", key), (PROVIDERS, "test", row()), (KEYS, "test", key)):
        said += post(admin_client, name.format(view), one.pk)
    change = {"plan": "coingecko pro", "label": "", "enabled": "on", "per_month": 1000}
    said += post(admin_client, KEYS.format("change"), key.pk, secret=OTHER, **change)
    said += post(admin_client, KEYS.format("change"), key.pk, secret=f"{OTHER} {OTHER}", **change)
    pages = dict(crawled(admin_client))
    assert reverse(KEYS.format("history"), args=[key.pk]) in pages
    assert reverse(PROVIDERS.format("change"), args=[row().pk]) in pages
    assert reverse("admin:admin_logentry_changelist") in pages
    history = pages[reverse(KEYS.format("history"), args=[key.pk])]
    assert "Provider and plan: demo → pro. Key: changed. Label: ours → empty." in history
    kept = [serialize("json", model.objects.all()) for model in (LogEntry, Session, ApiKey)]
    stored = [f"{name!r} {redis.dump(name)!r}" for name in redis.keys("*")]
    shown = "".join([said, *pages.values(), *kept, *stored, caplog.text, *capsys.readouterr()])
    for part in PARTS:
        assert part not in shown
    key.refresh_from_db()
    for address, html in pages.items():
        assert key.token not in html, address


def test_the_history_of_a_key_says_which_fields_changed_and_no_value(admin_client: Client) -> None:
    post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="", enabled="on")
    key = ApiKey.objects.get()
    post(admin_client, KEYS.format("change"), key.pk, plan="coingecko demo", secret=OTHER, label="new name", enabled="")
    newest = LogEntry.objects.order_by("-pk").first()
    assert newest.get_change_message() == "Changed. Key: changed. Label: empty → new name. Enabled: yes → no."
    assert newest.object_repr == "CoinGecko demo key ••••4d5e"


@pytest.mark.parametrize(
    "broken", ["providers.models.ApiKey.save", "providers.models.ApiKey.clean", "providers.vault.lock"]
)
def test_an_error_in_the_middle_of_it_reports_no_key(
    admin_client: Client, monkeypatch, settings, caplog, broken: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("in the middle")

    monkeypatch.setattr(broken, fail)
    admin_client.raise_request_exception = False
    typed = {"plan": "coingecko demo", "secret": KEY, "label": "", "enabled": "on"}
    response = admin_client.post(reverse(KEYS.format("add")), typed)
    assert response.status_code == 500
    reporter = ExceptionReporter(response.wsgi_request, *response.exc_info)
    everything = response.content.decode() + reporter.get_traceback_html() + reporter.get_traceback_text() + caplog.text
    assert "in the middle" in everything
    assert KEY not in everything
