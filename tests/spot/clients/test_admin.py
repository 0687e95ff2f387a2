"""The operator's pages of clients: a key is shown once, and its changes reach the books of web processes."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from channels.layers import get_channel_layer
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.serializers import serialize
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from spot.clients import keys, records, usage
from spot.clients.book import CHANGED, GROUP, Book
from spot.clients.models import ClientKey, ClientPlan, ClientUsage
from spot.clients.plans import default_plan
from spot.snapshots import now_ms
from tests.providers.pages import page, post, text, told

KEYS, PLANS = "admin:clients_clientkey_{}", "admin:clients_clientplan_{}"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def plan() -> ClientPlan:
    return ClientPlan.objects.get_or_create(name="basic", defaults={"connections": 1, "subscriptions": 15})[0]


def added(client: Client, plan: ClientPlan, **fields: str) -> str:
    """The text of a key that the operator adds."""
    html = post(client, KEYS.format("add"), name="Acme", plan=plan.pk, **fields)
    return shown(html)


def shown(html: str) -> str:
    found = re.search(r"<code>(spot_\w+)</code>", html)
    assert found, told(html)
    return found[1]


def book() -> Book:
    filled = Book()
    filled.fill(records.read())
    return filled


def test_migrate_makes_plans_from_the_published_table_and_one_for_everybody() -> None:
    names = dict(ClientPlan.objects.values_list("name", "connections"))
    if "vip" in names:  # a test that flushed the database has taken them
        assert names == {"anonymous": None, "basic": 1, "advanced": 3, "premium": 6, "vip": 12}
        assert ClientPlan.objects.get(name="vip").plan.messages_out_per_second == 12
        assert ClientPlan.objects.get(name="anonymous").plan == default_plan()
    contents = records.read()
    assert (contents.is_open, contents.anonymous) == (True, None)


def test_a_key_is_shown_once_and_the_database_has_its_hash(admin_client: Client, plan: ClientPlan) -> None:
    response = admin_client.post(
        reverse(KEYS.format("add")), {"name": "Acme", "plan": plan.pk, "origins": "https://Acme.example:443/"}
    )
    secret = shown(response.content.decode())
    assert "no-store" in response["Cache-Control"]
    row = ClientKey.objects.get()
    assert (row.prefix, row.last_four) == (secret[:11], secret[-4:])
    assert row.origins == "https://acme.example"
    key = book().find(secret)
    assert key is not None
    assert (key.id, key.plan.connections) == (str(row.pk), 1)
    pages = [page(admin_client, KEYS.format("changelist")), page(admin_client, KEYS.format("change"), row.pk)]
    pages += [page(admin_client, KEYS.format("history"), row.pk), page(admin_client, "admin:index")]
    stored = serialize("json", [*ClientKey.objects.all(), *LogEntry.objects.all(), *Session.objects.all()])
    sessions = json.dumps([session.get_decoded() for session in Session.objects.all()])
    cookies = str(admin_client.cookies)
    assert not [text for text in (*pages, stored, sessions, cookies) if secret in text or secret[5:-4] in text]
    assert row.masked in unescape(pages[0])


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("origins", "acme.example", "'acme.example' is not an origin such as https://example.org."),
        ("networks", "192.0.2.0/24\n10.0.0.300", "'10.0.0.300' is not a network such as 192.0.2.0/24."),
        ("name", "", "This field is required."),
    ],
)
def test_a_form_that_cannot_be_says_which_field_is_wrong(admin_client, plan, field, value, problem) -> None:
    html = post(admin_client, KEYS.format("add"), **{"name": "Acme", "plan": plan.pk, field: value})
    assert problem in told(html)
    assert not ClientKey.objects.exists()


def test_rotating_leaves_a_day_and_replacing_none(admin_client: Client, plan: ClientPlan) -> None:
    first = added(admin_client, plan)
    row = ClientKey.objects.get()
    second = shown(post(admin_client, KEYS.format("rotate"), row.pk))
    now, filled = now_ms(), book()
    for secret in (first, second):
        key = filled.find(secret)
        assert key is not None
        assert key.problem(now) is None
    old = filled.find(first)
    assert old is not None
    assert old.expires is not None
    assert abs(old.expires - now - 86_400_000) < 60_000
    third = shown(post(admin_client, KEYS.format("replace"), row.pk))
    filled = book()
    assert (filled.find(first), filled.find(second)) == (None, None)
    assert filled.find(third) is not None
    history = text(page(admin_client, KEYS.format("history"), row.pk))
    assert "Replaced the key" in history
    assert not [secret for secret in (first, second, third) if secret in history]


def test_a_revoked_key_is_good_for_nobody_and_gets_no_new_one(admin_client: Client, plan: ClientPlan) -> None:
    secret = added(admin_client, plan)
    row = ClientKey.objects.get()
    html = post(admin_client, KEYS.format("revoke"), row.pk)
    assert "closed within five seconds" in " ".join(told(html))
    key = book().find(secret)
    assert key is not None
    refused = key.problem(now_ms())
    assert refused is not None
    assert refused.code == "key_revoked"
    assert "a revoked key gets no new one" in " ".join(told(post(admin_client, KEYS.format("rotate"), row.pk)))
    assert admin_client.post(reverse(KEYS.format("delete"), args=[row.pk]), {"post": "yes"}).status_code == 403


def test_a_plan_is_changed_by_fields_that_fall_back_to_the_settings(admin_client: Client, plan: ClientPlan) -> None:
    secret = added(admin_client, plan)
    fields = {"name": "basic", "enabled": "on", "messages_per_minute": "30", "channels": ["market"]}
    html = post(admin_client, PLANS.format("change"), plan.pk, **fields)
    assert "closed with code 4409" in " ".join(told(html))
    key = book().find(secret)
    assert key is not None
    assert (key.plan.messages_per_second, key.plan.channels) == (0.5, frozenset({"market"}))
    assert key.plan.connections == default_plan().connections
    post(admin_client, PLANS.format("change"), plan.pk, name="basic")
    key = book().find(secret)
    assert key is not None
    assert key.suspended


def test_everybody_without_a_key_can_be_shut_out_and_the_plan_stays(admin_client: Client) -> None:
    row = ClientPlan.objects.get_or_create(name="anonymous")[0]
    html = post(admin_client, PLANS.format("change"), row.pk, name="anonymous")
    said = " ".join(told(html))
    assert "Nobody is served without a key" in said
    assert "closed with code 4401" in said
    assert "4409" not in said
    assert records.read().is_open is False
    assert "Its name stays." in " ".join(told(post(admin_client, PLANS.format("change"), row.pk, name="other")))
    assert admin_client.post(reverse(PLANS.format("delete"), args=[row.pk]), {"post": "yes"}).status_code == 403
    post(admin_client, PLANS.format("change"), row.pk, name="anonymous", enabled="on", connections="2")
    contents = records.read()
    assert contents.is_open
    assert contents.anonymous is not None
    assert contents.anonymous.connections == 2


def test_changes_are_announced_once_they_are_in_force(
    plan: ClientPlan, django_capture_on_commit_callbacks, monkeypatch
) -> None:
    heard = []
    monkeypatch.setattr("spot.clients.records.nudges.announce", lambda *said: heard.append(said))
    with django_capture_on_commit_callbacks(execute=True):
        plan.connections = 3
        plan.save()
        assert not heard
    assert heard == [(GROUP, {"type": CHANGED})]
    with django_capture_on_commit_callbacks(execute=True):
        ClientPlan.objects.create(name="another").delete()
        ClientUsage.objects.create(key=made(plan), day=usage.today())
    assert len(heard) == 4


def test_an_announcement_reaches_the_group_of_desks() -> None:
    async def story() -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        await asyncio.to_thread(records.announce)
        async with asyncio.timeout(5):
            assert (await layer.receive(channel))["type"] == CHANGED
        await layer.flush()

    asyncio.run(story())


def made(plan: ClientPlan) -> ClientKey:
    row = ClientKey(name="Acme", plan=plan)
    row.give(keys.new())
    row.save()
    return row


def test_the_book_is_read_in_as_many_queries_however_many_keys_there_are(plan: ClientPlan) -> None:
    counts = []
    for _ in range(2):
        made(plan)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            records.read()
        counts.append(len(asked))
    assert counts == [4, 4]


def test_the_book_is_read_again_only_after_a_change(plan: ClientPlan, monkeypatch) -> None:
    monkeypatch.setattr(records.connection, "close", lambda: None)
    version, contents = records.read_if_changed(None)
    assert contents is not None
    assert records.read_if_changed(version) == (version, None)
    for change in (lambda: made(plan), plan.save, ClientKey.objects.get, lambda: ClientKey.objects.get().delete()):
        change()
        newest, contents = records.read_if_changed(version)
        assert (contents is None) == (newest == version) == (change == ClientKey.objects.get)
        version = newest


def test_usage_is_copied_by_day_and_shown_with_the_key(admin_client: Client, plan: ClientPlan, redis) -> None:
    row, today = made(plan), usage.today()
    yesterday = today - timedelta(days=1)
    for day, messages in ((today, 7), (yesterday, 5), (today - timedelta(days=3), 3)):
        counters = {"messages": messages, "millicredits": messages * 100, "bytes": 2_000_000, "last": now_ms()}
        redis.hset(f"spot:client:usage:{day}", mapping={f"{row.pk} {name}": n for name, n in counters.items()})
    redis.hset(f"spot:client:usage:{today}", "999 messages", 5)  # of a key that is gone
    with CaptureQueriesContext(connection) as asked:
        assert usage.keep(redis, today) == 3
    statements = len(asked)
    assert usage.keep(redis, today) == 0  # nothing has changed
    assert list(row.usage.values_list("messages", flat=True)) == [7, 5, 3]
    assert {name.decode()[-10:] for name in redis.keys("spot:client:usage:*")} == {str(today), str(yesterday)}
    redis.hset(f"spot:client:usage:{today}", f"{row.pk} messages", 1)  # Redis has lost what it counted
    for _ in range(20):
        redis.hset(f"spot:client:usage:{today}", f"{made(plan).pk} messages", 1)
    with CaptureQueriesContext(connection) as asked:
        assert usage.keep(redis, today) == 20
    assert len(asked) < statements  # however many keys there are
    row.refresh_from_db()
    assert row.usage.get(day=today).messages == 7
    assert row.last_used_at is not None
    assert timezone.now() - row.last_used_at < timedelta(minutes=1)
    html = text(page(admin_client, KEYS.format("change"), row.pk))
    assert "By day" in html
    assert f"{today.day} {today:%b %Y} 0 7 0 2.0" in html.replace("\xa0", " ").replace("1.9", "2.0")
    assert "7" in text(page(admin_client, "admin:clients_clientusage_changelist"))
    used = records.read().used[str(row.pk)]
    assert used[1] == 700


def test_credits_of_the_month_add_up_and_end_with_it(monkeypatch) -> None:
    counted = usage.Usage()
    counted.learn({"1": (5000, 700)})
    counted.send("1", 10, 100)
    assert counted.spent("1") == 6700
    later = datetime.combine(usage.today(), datetime.min.time(), UTC) + timedelta(days=40)
    monkeypatch.setattr(usage, "now_ms", lambda: int(later.timestamp() * 1000))
    counted.learn({})
    assert counted.spent("1") == 1000  # what is not in Redis yet


def test_the_first_page_has_clients_connections_and_queries(admin_client: Client, redis) -> None:
    for process, followers in (("a", 3), ("b", 4)):
        said = {"viewers": {}, "connections": followers, "clients": 2, "queries": [["market?search=<eth>", followers]]}
        redis.hset("spot:viewers", process, json.dumps({"at": now_ms(), **said}))
    html = page(admin_client, "admin:index")
    assert "market?search=&lt;eth&gt;" in html
    shown = text(html[html.index('id="clients"') :])
    assert "Clients Connections Keys used in the last hour 4 7 0" in shown
    assert "market?search=<eth> 7" in shown
