"""The listings panel as a visitor meets it: without a source, before the first announcement, and with some."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from standins.cryptolisting import Cryptolisting
from tests.browser.conftest import Watch
from tests.live import LiveSite

PANEL = "spot-listings"
ROWS = f"{PANEL} tbody tr"


@pytest.fixture(scope="module")
def standin() -> Iterator[Cryptolisting]:
    with Cryptolisting(key="dsk_browser_test", every=0, pulse_seconds=0.5) as standin:
        yield standin


@pytest.fixture(scope="module")
def site(make_site: Callable[..., LiveSite], live_site: LiveSite, standin: Cryptolisting) -> LiveSite:
    """A site whose market is the shared one's, as if it were real, and whose announcements are the stand-in's."""
    return make_site(
        "worker",
        "beat",
        "web",
        "stream",
        SPOT_DEMO="off",
        COINGECKO_BASE_URL=live_site.sandbox.url,
        CRYPTOLISTING_API_KEY=standin.key,
        CRYPTOLISTING_STREAM_URL=standin.stream_url.rstrip("/"),
    )


def test_beside_a_simulated_market_the_panel_says_why_it_is_empty(dashboard: Page) -> None:
    message = dashboard.locator(f"{PANEL} .panel-message")
    expect(message).to_contain_text("No listings")
    expect(message).to_contain_text("nothing real is shown beside it")
    expect(dashboard.locator(".badge")).to_have_text("Demo")


def test_announcements_appear_as_they_come_and_markup_in_them_is_text(
    page: Page, site: LiveSite, standin: Cryptolisting
) -> None:
    watch = Watch(page)
    page.goto(f"{site.url}/")
    expect(page.locator(f"{PANEL} .listings-none")).to_have_text("Nothing announced yet.")
    standin.announce("Binance Will List <b>Alpha</b> (AAAX) <img src=x>", ticker="AAAX,BBBX")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(f"{ROWS} .col-title")).to_have_text("Binance Will List <b>Alpha</b> (AAAX) <img src=x>")
    expect(page.locator(f"{ROWS} .col-tickers")).to_have_text("AAAXBBBX")
    expect(page.locator(f"{ROWS} .col-type span")).to_have_attribute("data-way", "up")
    assert page.locator(f"{PANEL} img").count() == 0
    standin.announce("Upbit ends trading of Beta", ticker="BBBX", exchange="upbit", kind="spot_delisting")
    expect(page.locator(f"{ROWS} .col-exchange")).to_have_text(["Upbit", "Binance"])
    page.locator(PANEL).get_by_role("button", name="Binance").click()
    expect(page.locator(f"{ROWS} .col-exchange")).to_have_text(["Binance"])
    page.locator(PANEL).get_by_label("Show").select_option("delistings")
    expect(page.locator(f"{PANEL} .listings-none")).to_have_text("No announcement fits.")
    page.locator(PANEL).get_by_role("button", name="Upbit").click()
    expect(page.locator(f"{ROWS} .col-type span")).to_have_text(["Spot delisting"])
    expect(page).to_have_url(
        re.compile(r"news\.kind=delistings&news\.from=upbit|news\.from=upbit&news\.kind=delistings")
    )
    page.go_back()
    expect(page.locator(f"{PANEL} .listings-none")).to_have_text("No announcement fits.")
    page.locator(PANEL).get_by_role("button", name="Show everything").click()
    expect(page.locator(ROWS)).to_have_count(2)
    page.get_by_label("Search announcements").fill("ALPHA")
    expect(page.locator(f"{ROWS} .col-exchange")).to_have_text(["Binance"])
    page.reload()
    expect(page.locator(f"{ROWS} .col-exchange")).to_have_text(["Binance"])
    expect(page.locator(f"{ROWS} .listings-age")).to_have_text(re.compile(r"^\d+ (s|min) ago$"))
    page.get_by_label("Search announcements").fill("")
    expect(page.locator(ROWS)).to_have_count(2)
    page.locator(PANEL).get_by_role("button", name="Bithumb").click()
    expect(page.locator(f"{PANEL} .listings-none")).to_have_text("Nothing announced by this exchange yet.")
    expect(page.locator(f"{PANEL} .foot-source")).to_have_text("cryptolisting.ws")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(PANEL).get_by_role("button", name="All").click()
    expect(page.locator(ROWS)).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for number in range(9):
        standin.announce(f"Upbit lists number {number}", ticker=f"NR{number}", exchange="upbit")
    expect(page.locator(f"{PANEL} .pager-where")).to_contain_text("of 11 · page 1 of 2")
    page.locator(PANEL).get_by_role("button", name="Next page").click()
    expect(page.locator(ROWS)).to_have_count(3)
    expect(page).to_have_url(re.compile(r"news\.page=2"))
    assert watch.complaints == []
