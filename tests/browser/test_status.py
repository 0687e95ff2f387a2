"""The page that says where the data come from and how old they are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite


def row(page: Page, text: str) -> Any:
    """The row of a table that has this text."""
    return page.locator("spot-status tr", has_text=text)


@pytest.fixture
def visited(page: Page, live_site: LiveSite, watch: Watch) -> Page:
    """The status page, with a dashboard open in another tab, so that something is looked at."""
    other = page.context.new_page()
    other.goto(f"{live_site.url}/")
    expect(other.locator("spot-market tbody tr")).to_have_count(25)
    page.goto(f"{live_site.url}/")
    page.get_by_role("contentinfo").get_by_role("link", name="Status of the data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    return page


def test_it_says_which_source_serves_what_and_the_age_counts_on(visited: Page) -> None:
    market = row(visited, "Market in USD")
    expect(market).to_contain_text("Fresh")
    expect(market).to_contain_text("Sandbox")
    expect(market.locator("time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d (GMT[+]\d|CES?T)"))
    expect(visited.locator(".status-verdict")).to_have_text("All is well, with simulated prices")
    lists = row(visited, "List of currencies").locator(".status-age")
    age = visited.locator(".status-read").inner_text()
    expect(visited.locator(".status-read")).not_to_have_text(age)
    expect(lists).to_have_text(re.compile(r"^\d+ (s|min|h) ago$"))
    assert visited.title() == "Status · Spot"


def test_a_frozen_source_is_seen_here_too(visited: Page, live_site: LiveSite) -> None:
    live_site.sandbox.fault("/coins/markets", "frozen")
    expect(row(visited, "Market in USD")).to_contain_text("Stale")
    expect(visited.locator(".status-verdict")).to_contain_text("not as fresh as usual")
    live_site.sandbox.heal()
    expect(row(visited, "Market in USD")).to_contain_text("Fresh")


def test_streams_changes_and_troubles_are_told_as_text(page: Page, live_site: LiveSite, watch: Watch) -> None:
    def facts(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        now = told["now"]
        told["streams"] = [{"label": "<b>Acme</b>", "brings": ["ticks"], "state": "live", "since": now, "heard": now}]
        told["changes"] = [{"at": now, "kind": "markets", "currency": "usd", "before": "Acme", "after": "Other"}]
        told["data"] = [
            {**told["data"][0], "kind": "candles", "currency": "usd", "count": 3, "state": "unavailable"}
            | {"reason": "Nobody answers.", "as_of": None, "fetched_at": None, "label": None}
        ]
        route.fulfill(response=answer, body=json.dumps(told))

    page.route("**/status.json", facts)
    page.goto(f"{live_site.url}/status/")
    expect(row(page, "<b>Acme</b>")).to_contain_text(re.compile(r"prices.*Connected"))
    expect(row(page, "Other")).to_contain_text(re.compile(r"Market in USD.*Acme.*Other"))
    expect(row(page, "Candles in USD, 3 charts")).to_contain_text(re.compile(r"Not available.*Nobody answers\."))


def test_a_server_that_does_not_answer_is_said_and_what_was_read_stays(visited: Page, watch: Watch) -> None:
    expect(row(visited, "Market in USD")).to_contain_text("Fresh")
    visited.route("**/status.json", lambda route: route.abort())
    expect(visited.locator(".status-verdict")).to_have_text("The server does not answer")
    expect(row(visited, "Market in USD")).to_be_visible()
    visited.unroute("**/status.json")
    watch.forgive("ERR_FAILED")
    expect(visited.locator(".status-verdict")).to_have_text("All is well, with simulated prices")


def test_a_pause_holds_everything_still(visited: Page) -> None:
    expect(row(visited, "Market in USD")).to_contain_text("Fresh")
    visited.keyboard.press("p")
    expect(visited.get_by_role("button", name="Resume updates")).to_be_visible()
    before = visited.locator("spot-status").inner_text()
    seconds = "new Promise((done) => setTimeout(done, 2500))"
    visited.evaluate(seconds)
    assert visited.locator("spot-status").inner_text() == before
    visited.get_by_role("button", name="Resume updates").click()
    expect(visited.locator(".status-read span")).to_have_text(re.compile(r", [01] s ago$"))


def test_it_fits_a_phone_and_every_cell_keeps_its_heading(visited: Page) -> None:
    visited.set_viewport_size({"width": 320, "height": 700})
    expect(row(visited, "Market in USD")).to_contain_text("Fresh")
    assert visited.evaluate("document.documentElement.scrollWidth") <= 320
    before = row(visited, "Market in USD").locator("td").nth(4)
    assert before.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Renewed every"'
