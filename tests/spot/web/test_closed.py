"""The site's own pages where nobody is served without a key: closed to visitors, open to staff who have signed in."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from spot.clients.book import book
from spot.clients.desk import Desk, judged
from spot.clients.plans import PAGE_SECONDS
from spot.clients.roster import roster
from spot.snapshots import now_ms
from tests.spot.asking import ask
from tests.spot.keyed import fill, plan_with
from tests.spot.sockets import Socket, put_market, run

TWIN = "/tzone_apis/services/spot/market"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def unread(monkeypatch) -> None:
    """The book is as the test fills it."""
    monkeypatch.setattr("spot.clients.records.read_if_changed", lambda version: (version, None))


async def staff(**fields) -> AsyncClient:
    """The browser of somebody who has signed in."""
    user = await User.objects.acreate(username="ann", is_staff=True, **fields)
    browser = AsyncClient(enforce_csrf_checks=True)
    await browser.aforce_login(user)
    return browser


async def bought(browser: AsyncClient, page: str = "/") -> str:
    """A ticket, as the script of a page gets it."""
    html = (await browser.get(page)).content.decode()
    place = re.search(r'<meta name="spot-ticket" content="([^"]+)" data-token="(\w+)">', html)
    assert place, html[:600]
    answer = await browser.post(place[1], headers={"X-CSRFToken": place[2]})
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    ticket: str = answer.json()["ticket"]
    return ticket


@pytest.mark.parametrize("path", ["/", "/coin/bitcoin/"])
def test_visitors_read_that_the_site_is_closed_and_where_to_sign_in(path: str) -> None:
    async def story() -> None:
        fill(is_open=False)
        answer = await AsyncClient().get(f"{path}?vs=eur")
        html = answer.content.decode()
        assert answer.status_code == 403
        assert "This site is closed to visitors." in html
        assert f'href="/admin/login/?next={path}%3Fvs%3Deur"' in html
        assert "<script type=" not in html
        assert "spot-ticket" not in html
        assert (await AsyncClient().get("/docs/console/")).status_code == 200

    run(story())


def test_no_page_asks_the_database_while_everybody_is_served() -> None:
    async def story() -> None:
        browser = await staff()
        for path in ("/", "/coin/bitcoin/", "/docs/console/"):
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert "spot-ticket" not in answer.content.decode()
            assert "Cookie" not in answer.get("Vary", "")

    with CaptureQueriesContext(connection) as asked:
        run(story())
    assert not [query for query in asked.captured_queries if 'FROM "django_session"' in query["sql"]]


@pytest.mark.parametrize("path", ["/", "/docs/console/"])
def test_staff_gets_tickets_with_the_limits_of_everybody(path: str) -> None:
    async def story() -> None:
        fill(is_open=False, anonymous=plan_with(requests_per_minute=40))
        await put_market(2)
        browser = await staff()
        async with Socket("market", f"ticket={await bought(browser, path)}", denying=True) as one:
            assert (await one.frame())["rows"]
            (followed,) = roster.connections
            assert followed.who.plan.requests_per_minute == 40
            Desk.current()._end(judged())
            assert await one.silent(0.05)
        ticket = await bought(browser, path)
        answer = await ask(f"{TWIN}?ticket={ticket}")
        assert (answer.status_code, answer["RateLimit-Limit"]) == (200, "10")
        assert (await ask(f"{TWIN}?ticket={ticket}")).json()["code"] == "bad_ticket"
        sold = await ask(f"/tzone_apis/services/spot/ticket?ticket={await bought(browser, path)}", method="POST")
        assert (sold.status_code, sold.json()["code"]) == (401, "key_required")

    run(story())


def test_a_ticket_takes_the_session_and_the_token_of_a_page() -> None:
    async def story() -> None:
        fill(is_open=False)
        browser = await staff()
        assert (await browser.post("/admin/ticket/")).status_code == 403
        answer = await AsyncClient().post("/admin/ticket/")
        assert (answer.status_code, answer.json()["code"]) == (401, "key_required")
        assert (await browser.get("/admin/ticket/")).status_code == 405
        await bought(browser)
        await User.objects.all().aupdate(is_staff=False)
        assert (await browser.get("/")).status_code == 403

    run(story())


def test_a_connection_of_a_page_ends_after_a_while_so_that_the_sign_in_is_checked_again(monkeypatch) -> None:
    async def story() -> None:
        fill(is_open=False)
        await put_market(1)
        async with Socket("market", f"ticket={await bought(await staff())}", denying=True) as one:
            assert (await one.frame())["rows"]
            Desk.current()._expire()
            assert await one.silent(0.05)
            later = now_ms() + PAGE_SECONDS * 1000
            monkeypatch.setattr("spot.clients.desk.now_ms", lambda: later)
            assert (await one.frame())["code"] == "plan_changed"
            assert await one.closed() == 4409
        assert not roster.of_pages
        assert not book.is_open

    run(story())
