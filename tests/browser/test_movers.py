"""The movers: what they are asked for, what they leave out, and that they hold still."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.test_table import REVERSED, asked
from tests.live import LiveSite

MINUS = "\u2212"
LISTS = ("top-gainers", "top-losers", "most-active")


def changes(page: Page, path: str) -> list[float]:
    texts = page.locator(f".{path} .change > span:last-child").all_inner_texts()
    return [float(text.rstrip("%").replace(",", "").replace(MINUS, "-")) for text in texts]


def test_window_and_count_are_picked_and_stay_in_the_address(dashboard: Page, watch: Watch) -> None:
    dashboard.get_by_label("Window", exact=True).select_option("7d")
    dashboard.get_by_label("Coins a list").select_option("25")
    for path in LISTS:
        expect(dashboard.locator(f".{path} li")).to_have_count(25)
    assert "7d" in asked(watch, "price_change_percentage")
    gains = changes(dashboard, "top-gainers")
    assert gains == sorted(gains, reverse=True)
    expect(dashboard).to_have_url(re.compile(r"movers=7d&movers\.rows=25"))
    dashboard.go_back()
    expect(dashboard.locator(".top-gainers li")).to_have_count(5)
    dashboard.go_forward()
    dashboard.reload()
    expect(dashboard.locator(".top-gainers li")).to_have_count(25)


def test_longer_lists_are_scrolled_beside_the_map_and_leave_the_guard_in_view(dashboard: Page) -> None:
    height = "document.querySelector('spot-heatmap').offsetHeight"
    before = dashboard.evaluate(height)
    dashboard.get_by_label("Coins a list").select_option("50")
    expect(dashboard.locator(".most-active li")).to_have_count(50)
    assert dashboard.evaluate(height) == before
    expect(dashboard.locator(".movers-guard")).to_be_in_viewport(ratio=1)


def test_the_floor_of_volume_is_stated_and_can_be_changed(dashboard: Page, watch: Watch) -> None:
    floor = dashboard.get_by_label("Least 24 h volume of gainers and losers")
    assert floor.evaluate("list => list.selectedOptions[0].textContent") == "$50.00K"
    floor.select_option("100000000")
    dashboard.get_by_label("Least market cap").select_option("1000000000")
    expect(dashboard).to_have_url(re.compile(r"movers\.volume=100000000&movers\.cap=1000000000"))
    assert asked(watch, "min_volume") == [1e8, 1e8]  # gainers and losers
    assert asked(watch, "min_market_cap") == [1e9] * 3
    dashboard.reload()
    expect(dashboard.locator(".top-gainers li")).to_have_count(5)
    assert floor.input_value() == "100000000"


def test_amounts_of_one_currency_do_not_become_those_of_another(dashboard: Page) -> None:
    dashboard.get_by_label("Least market cap").select_option("1000000000")
    expect(dashboard).to_have_url(re.compile(r"movers\.cap"))
    dashboard.get_by_label("Currency").select_option("btc")
    expect(dashboard.locator(".top-gainers .movers-value").first).to_contain_text("BTC")
    expect(dashboard).not_to_have_url(re.compile(r"movers\.cap"))
    assert dashboard.get_by_label("Least market cap").input_value() == ""


@pytest.mark.parametrize("path", LISTS)
def test_a_list_holds_still_under_the_focus(dashboard: Page, path: str) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()  # so that nothing but the test moves the rows
    link = dashboard.locator(f".{path} a.coin").nth(2)
    link.focus()
    first = dashboard.locator(f".{path} .coin-name").first.inner_text()
    dashboard.evaluate(REVERSED, ["spot-movers", path])
    expect(link).to_be_focused()
    expect(dashboard.locator(f".{path} .coin-name").first).to_have_text(first)
    dashboard.get_by_label("Search coins").focus()
    expect(dashboard.locator(f".{path} .coin-name").first).not_to_have_text(first)


def test_nonsense_in_the_address_shows_the_usual_movers(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/?movers=q&movers.rows=7&movers.volume=-5&movers.cap=1e9")
    for path in LISTS:
        expect(page.locator(f".{path} li")).to_have_count(5)
