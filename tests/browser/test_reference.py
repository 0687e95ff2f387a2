"""The console of the reference: a query by a form, its code, its frames live."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite, wait_until
from tests.operating import Operator


def test_the_console_builds_a_query_and_shows_its_frames(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/")
    page.get_by_role("navigation", name="Site").get_by_role("link", name="API").click()
    page.get_by_role("navigation", name="Reference").get_by_role("link", name="Console").click()
    frames, frame = page.locator(".console-frames button"), page.locator(".console-frame code")
    expect(frames.first).to_contain_text(re.compile(r"rows.*kB"))
    page.get_by_role("button", name="Envelope").click()
    page.get_by_label("page_size").fill("2")
    expect(frame).to_contain_text('"page_size": 2')
    expect(frames.first).to_contain_text(re.compile(r"(snapshot|status).*data .* old"))
    page.get_by_label("per_page").fill("0")
    expect(page.get_by_role("alert")).to_have_text("per_page must be at least 1.")
    page.get_by_label("per_page").fill("100")
    page.get_by_text("Filters, search, sorting and pages").click()
    page.get_by_label("filters").fill('{"symbol": "BTC"}')
    expect(frame).to_contain_text('"total": 1')
    socket = parse_qs(urlsplit(watch.sockets[-1].url).query)
    query = {"per_page": ["100"], "page_size": ["2"], "filters": ['{"symbol": "BTC"}'], "envelope": ["1"]}
    assert socket == query
    page.get_by_role("button", name="Python").click()
    expect(page.locator(".console-code code")).to_contain_text("websockets.connect(")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".console-count")).to_contain_text("not shown")
    page.reload()  # the address has the question
    expect(frame).to_contain_text('"total": 1')
    assert json.loads(page.get_by_label("filters").input_value()) == {"symbol": "BTC"}


def test_a_key_goes_through_each_door_and_into_no_address(page: Page, live_site: LiveSite, watch: Watch) -> None:
    key, _page = Operator(live_site).new_key("console")
    headers = {"X-API-Key": key}
    wait_until(lambda: page.request.get(live_site.twin("market?page_size=1"), headers=headers).ok, 10, "the key")
    page.goto(f"{live_site.url}/docs/console/?page_size=1")
    kinds, state, code = (
        page.locator(".console-frames b"),
        page.locator("spot-console .badge"),
        page.locator(".console-code"),
    )
    page.get_by_label("Client key").fill(key)
    for transport, words, first in (
        ("Stream", "Connected", "welcome"),
        ("SSE", "Connected", "snapshot"),
        ("HTTP", re.compile(r"200 in \d+ ms"), "rows"),
        ("Feed socket", "Connected", "rows"),
    ):
        page.get_by_role("button", name=transport, exact=True).click()
        expect(state).to_have_text(words)
        expect(kinds.last).to_have_text(first)
    page.get_by_role("button", name="curl", exact=True).click()
    expect(code).to_contain_text("X-API-Key: $SPOT_KEY")
    page.get_by_role("button", name="HTTP", exact=True).click()
    page.get_by_label("Client key").fill("spot_wrong")
    expect(page.get_by_role("alert")).to_contain_text("No key of this site reads like this.")
    expect(state).to_have_text(re.compile("401"))
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    watch.forgive("401")
    addresses = [page.url, *watch.requests, *(socket.url for socket in watch.sockets)]
    assert sum("/ticket" in one for one in addresses) >= 3
    assert not [one for one in addresses if key in one]
    assert key not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
