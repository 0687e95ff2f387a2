"""The movers: what they are asked for, what they leave out, and that they hold still."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, texts
from tests.browser.test_table import REVERSED, asked
from tests.live import LiveSite

MINUS = "\u2212"
LISTS = ("top-gainers", "top-losers", "most-active")


def changes(page: Page, path: str) -> list[float]:
    cells = texts(page, f".{path} .change > span:last-child")
    return [float(cell.rstrip("%").replace(",", "").replace(MINUS, "-")) for cell in cells]


def test_window_and_count_are_picked_and_stay_in_the_address(dashboard: Page, watch: Watch) -> None:
    dashboard.get_by_label("Window", exact=True).select_option("7d")
    dashboard.get_by_label("Rows of each list").select_option("25")
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
    dashboard.get_by_label("Rows of each list").select_option("50")
    expect(dashboard.locator(".most-active li")).to_have_count(50)
    assert dashboard.evaluate(height) == before
    expect(dashboard.locator(".movers-guard")).to_be_in_viewport(ratio=1)


def test_the_floor_of_volume_is_stated_and_can_be_changed(dashboard: Page, watch: Watch) -> None:
    floor = dashboard.get_by_label("Min. volume of gainers and losers in 24 h")
    assert floor.evaluate("list => list.selectedOptions[0].textContent") == "$50K"
    floor.select_option("100000000")
    dashboard.get_by_label("Min. cap", exact=True).select_option("1000000000")
    expect(dashboard).to_have_url(re.compile(r"movers\.volume=100000000&movers\.cap=1000000000"))
    assert asked(watch, "min_volume") == [1e8, 1e8]  # gainers and losers
    assert asked(watch, "min_market_cap") == [1e9] * 3
    dashboard.reload()
    expect(dashboard.locator(".top-gainers li")).to_have_count(5)
    assert floor.input_value() == "100000000"


def test_floors_are_round_sums_of_the_currency_at_hand(dashboard: Page, watch: Watch) -> None:
    dashboard.get_by_label("Min. cap", exact=True).select_option("1000000000")
    dashboard.get_by_label("Currency").select_option("btc")
    expect(dashboard.locator(".top-gainers .movers-value").first).to_contain_text("BTC")
    cap = dashboard.get_by_label("Min. cap", exact=True)
    expect(cap.locator("option:checked")).to_have_text(re.compile(r"^BTC\s[125]0K$"))
    volume = dashboard.get_by_label("Min. volume of gainers and losers in 24 h")
    expect(volume.locator("option:checked")).to_have_text(re.compile(r"^BTC\s0\.\d\d?$"))  # the server's own
    assert asked(watch, "min_market_cap")[-1] in (10_000, 20_000, 50_000)
    assert dashboard.url.endswith("movers.cap=1000000000&vs=btc")


def test_windows_that_few_coins_have_are_not_offered(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()  # so that nothing but the test changes a row
    dashboard.evaluate("""() => {
      const { rows } = document.querySelector("spot-heatmap").feeds[0].view;
      for (const [id, row] of [...rows].slice(10)) rows.set(id, { ...row, price_change_200d: null });
      document.querySelector("spot-movers").redraw();
    }""")
    window = dashboard.locator("spot-movers").get_by_label("Window", exact=True)
    expect(window.locator("option[value='200d']")).to_have_js_property("disabled", True)
    expect(window.locator("option[value='7d']")).to_have_js_property("disabled", False)


def test_no_row_of_a_list_is_cut_in_half(dashboard: Page) -> None:
    """Three lists where they have room, tabs where not: each row that is seen is seen whole."""
    dashboard.get_by_label("Currency").select_option("btc")
    expect(dashboard.locator(".top-gainers .movers-value").first).to_contain_text("BTC")
    cut = """() => [...document.querySelectorAll(".movers-list:not([hidden]) ol")].flatMap((list) => {
      const guard = document.querySelector(".movers-guard").getBoundingClientRect().top;
      const bottom = Math.min(list.getBoundingClientRect().bottom, guard);
      return [...list.children].filter((row) => {
        const box = row.getBoundingClientRect();
        return box.top < bottom - 1 && box.bottom > bottom + 1;
      }).map((row) => row.textContent);
    })"""
    for height, rows in ((900, "5"), (768, "5"), (900, "25"), (768, "50")):
        dashboard.set_viewport_size({"width": 1440, "height": height})
        dashboard.get_by_label("Rows of each list").select_option(rows)
        expect(dashboard.locator(".top-gainers li")).to_have_count(int(rows))
        assert dashboard.evaluate(cut) == [], (height, rows)


def test_longer_lists_are_tabs_that_keys_walk_and_the_next_visit_keeps(dashboard: Page) -> None:
    dashboard.get_by_label("Rows of each list").select_option("25")
    dashboard.get_by_role("tab", name="Gainers").focus()
    dashboard.keyboard.press("ArrowRight")
    expect(dashboard.get_by_role("tab", name="Losers")).to_be_focused()
    expect(dashboard.get_by_role("tabpanel", name="Losers")).to_be_visible()
    expect(dashboard.locator(".top-gainers")).to_be_hidden()
    dashboard.reload()
    expect(dashboard.get_by_role("tabpanel", name="Losers")).to_be_visible()


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
