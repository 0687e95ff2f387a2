"""The admin as an operator meets it, under the site's own content security policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import ADMINISTRATOR, LiveSite

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


def test_every_page_of_ours_opens_without_a_complaint(admin: Page, watch: Watch) -> None:
    links = admin.locator("#content-main a").evaluate_all("all => all.map(one => one.href)")
    assert any("/providers/" in link for link in links)
    for link in sorted(set(links)):
        answer = admin.goto(link)
        assert answer is not None
        assert answer.ok, link
    assert watch.complaints == []


def test_a_key_is_written_once_and_never_shown_again(admin: Page, live_site: LiveSite, watch: Watch) -> None:
    admin.goto(f"{live_site.url}/admin/providers/apikey/add/")
    admin.locator("#id_provider").select_option(label="CoinGecko")
    admin.locator("#id_plan").select_option(label="demo (CoinGecko)")
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
