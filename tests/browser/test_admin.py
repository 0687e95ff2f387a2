"""The admin as an operator meets it, under the site's own content security policy."""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.sync_api import Page, expect
from websockets.sync.client import connect

from providers.sandbox import Sandbox
from tests.browser.conftest import Watch
from tests.live import ADMINISTRATOR, LiveSite, SandboxControl, wait_until

pytestmark = pytest.mark.flow

KEY = "CG-a-key-that-nobody-has-1234"


@pytest.fixture
def admin(live_site: LiveSite, page: Page, watch: Watch) -> Page:
    """The admin's first page, logged in as the administrator that the environment named."""
    page.goto(f"{live_site.url}/admin/")
    page.fill("#id_username", ADMINISTRATOR[0])
    page.fill("#id_password", ADMINISTRATOR[1])
    page.click("input[type=submit]")
    expect(page.locator("#user-tools")).to_be_visible()
    return page


def sandbox_page(admin: Page, live_site: LiveSite) -> None:
    """The page of the provider that the site is served from."""
    admin.goto(f"{live_site.url}/admin/providers/providersettings/")
    admin.get_by_role("link", name="Sandbox").click()
    expect(admin.get_by_role("heading", name="Now")).to_be_visible()


def test_every_page_of_ours_opens_without_a_complaint(admin: Page, watch: Watch) -> None:
    links = admin.locator("#content-main a").evaluate_all("all => all.map(one => one.href)")
    assert any("/providers/" in link for link in links)
    for link in sorted(set(links)):
        answer = admin.goto(link)
        assert answer is not None
        assert answer.ok, link
    assert watch.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_provider_has_its_page_in_both_schemes(
    admin: Page, live_site: LiveSite, watch: Watch, scheme: str
) -> None:
    admin.emulate_media(color_scheme=scheme)
    links = admin.locator(".overview tbody th a").evaluate_all("all => all.map(one => one.href)")
    assert len(links) >= 2
    for link in links:
        admin.goto(link)
        expect(admin.get_by_text("Health", exact=True)).to_be_visible()
        wide = admin.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, link
    back = admin.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", back)[:3])) > 380
    assert light is (scheme == "light")
    assert watch.complaints == []


def test_the_usage_chart_is_drawn_with_colours_of_ours(admin: Page, live_site: LiveSite, watch: Watch) -> None:
    admin.goto(f"{live_site.url}/admin/providers/providersettings/")
    admin.get_by_role("link", name="CoinGecko").click()
    line = admin.locator(".chart .used")
    expect(line).to_have_count(1)
    assert line.evaluate("one => getComputedStyle(one).fill") == "none"
    assert admin.get_by_role("img", name=re.compile("Calls a day")).count() == 1
    admin.get_by_text("The same as a table").click()
    expect(admin.locator(".usage .days tbody tr")).to_have_count(31)


def test_the_health_of_the_provider_in_use_is_told_by_word_and_mark(admin: Page, live_site: LiveSite) -> None:
    sandbox_page(admin, live_site)
    expect(admin.locator(".facts .state").first).to_have_text(re.compile(r"✓\s+ready"))
    expect(admin.locator(".facts")).to_contain_text("ms")  # how long the last fetch took


def test_the_connection_is_tested_with_a_button(admin: Page, live_site: LiveSite) -> None:
    sandbox_page(admin, live_site)
    admin.get_by_role("button", name="Test the connection").click()
    expect(admin.locator(".messagelist .success")).to_contain_text("Sandbox: accepted")


def test_what_is_saved_reaches_the_workers_within_seconds(admin: Page, live_site: LiveSite) -> None:
    with Sandbox(seed=5) as elsewhere, connect(live_site.socket("market?per_page=1")):  # somebody who wants prices
        sandbox_page(admin, live_site)
        admin.fill("#id_base_url", elsewhere.url)
        admin.click("input[name=_continue]")
        expect(admin.locator(".messagelist .success")).to_be_visible()
        try:
            wait_until(SandboxControl(elsewhere.url).requests, what="a fetch at the new address")
        finally:
            admin.fill("#id_base_url", "")
            admin.click("input[name=_continue]")
            expect(admin.locator(".messagelist .success")).to_be_visible()


def test_a_coin_is_searched_by_symbol_and_chosen(admin: Page, live_site: LiveSite, watch: Watch) -> None:
    with sqlite3.connect(live_site.home / "spot.sqlite3", timeout=20) as database:
        database.execute("INSERT INTO providers_asset (id, symbol, name) VALUES ('sought', 'SOUGHT', 'The one')")
        columns = "provider, foreign_id, symbol, name, matched"
        alias = database.execute(
            f"INSERT INTO providers_assetalias ({columns}) VALUES ('x', '1', 'S', 'N', '')"
        ).lastrowid
    admin.goto(f"{live_site.url}/admin/providers/assetalias/{alias}/change/")
    admin.locator(".field-asset .select2-selection").click()
    admin.locator(".select2-search__field").fill("sought")
    admin.locator(".select2-results__option", has_text="The one").click()
    admin.click("input[name=_save]")
    expect(admin.locator("#result_list")).to_contain_text("chosen by hand")
    assert watch.complaints == []


def test_a_key_is_written_once_and_never_shown_again(admin: Page, live_site: LiveSite, watch: Watch) -> None:
    admin.goto(f"{live_site.url}/admin/providers/apikey/add/")
    admin.locator("#id_plan").select_option(label="CoinGecko demo")
    admin.fill("#id_secret", KEY)
    admin.click("input[name=_save]")
    expect(admin.locator(".success")).to_be_visible()
    assert KEY not in admin.content()
    assert KEY[-4:] in admin.content()
    admin.locator("#result_list tbody a").first.click()
    assert KEY not in admin.content()
    admin.click(".deletelink")
    admin.click("input[type=submit]")
    expect(admin.locator(".success")).to_be_visible()
    assert watch.complaints == []
