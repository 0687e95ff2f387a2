"""The dashboard as a visitor uses it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, texts
from tests.live import LiveSite, get

COINS = "spot-market tbody tr"
WHERE = ".pager-where"
MINUS = "\u2212"
NONE = "\u2013"  # the dash of what has no value, and of a range


def percentages(page: Page, column: str) -> list[float]:
    cells = texts(page, f"spot-market td.col-{column} .change > span:last-child")
    return [float(cell.rstrip("%").replace(",", "").replace(MINUS, "-")) for cell in cells if cell != NONE]


def test_the_market_moves_without_a_reload(dashboard: Page) -> None:
    prices = texts(dashboard, "spot-market td.col-price")
    dashboard.wait_for_function(
        """before => [...document.querySelectorAll("spot-market td.col-price")]
               .some((cell, index) => cell.innerText.trim() !== before[index])""",
        arg=prices,
    )


def test_search_is_asked_over_the_socket_and_answered_by_the_server(dashboard: Page, watch: Watch) -> None:
    requests = watch.page_requests()
    dashboard.get_by_label("Search coins").press_sequentially("bitcoin", delay=20)
    expect(dashboard.locator(WHERE)).not_to_contain_text("of 500")
    expect(dashboard.locator(f"{COINS} .coin-name").first).to_have_text("Bitcoin")
    assert all("bitcoin" in text.lower() for text in dashboard.locator(f"{COINS} a.coin").evaluate_all(
        "links => links.map(link => link.title)"))  # fmt: skip
    assert any(json.loads(text).get("search") == "bitcoin" for text in watch.sent)
    assert watch.page_requests() == requests
    expect(dashboard.get_by_label("Search coins")).to_be_focused()


def test_a_search_without_hits_says_so_and_can_be_cleared(dashboard: Page) -> None:
    dashboard.get_by_label("Search coins").fill("no coin is called this")
    expect(dashboard.get_by_text("No coin matches")).to_be_visible()
    dashboard.get_by_role("button", name="Clear the search").click()
    expect(dashboard.locator(COINS)).to_have_count(25)
    expect(dashboard).not_to_have_url(re.compile("q="))


def test_a_column_sorts_down_then_up_then_not(dashboard: Page) -> None:
    header = dashboard.locator("th.col-24h")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(dashboard.locator(f"{COINS} .coin-name").first).not_to_have_text("Bitcoin")
    down = percentages(dashboard, "24h")
    assert down == sorted(down, reverse=True)
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(dashboard.locator("td.col-24h .change").first).to_have_attribute("data-way", "down")
    up = percentages(dashboard, "24h")
    assert up == sorted(up)
    header.get_by_role("button").click()
    expect(header).not_to_have_attribute("aria-sort", re.compile(".*"))
    expect(dashboard.locator(f"{COINS} .coin-name").first).to_have_text("Bitcoin")


def test_pages_turn_over_the_socket_and_stay_in_the_address(dashboard: Page, watch: Watch) -> None:
    dashboard.locator("th.col-rank").get_by_role("button").click()  # the source's ranks are those of a moment ago
    expect(dashboard.locator("th.col-rank")).to_have_attribute("aria-sort", "ascending")
    requests = watch.page_requests()
    dashboard.get_by_role("button", name="Next page").click()
    expect(dashboard.locator(WHERE)).to_have_text(f"26{NONE}50 of 500 · page 2 of 20")
    expect(dashboard.locator("td.col-rank").first).to_have_text("26")
    assert watch.page_requests() == requests
    dashboard.reload()
    expect(dashboard.locator(WHERE)).to_have_text(f"26{NONE}50 of 500 · page 2 of 20")
    dashboard.get_by_label("Rows of a page").select_option("100")
    expect(dashboard.locator(WHERE)).to_have_text(f"1{NONE}100 of 500 · page 1 of 5")
    dashboard.go_back()
    expect(dashboard.locator(WHERE)).to_have_text(f"26{NONE}50 of 500 · page 2 of 20")


def test_an_address_with_nonsense_in_it_shows_the_market_all_the_same(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.goto(f"{live_site.url}/?page=-1&rows=1e9&sort=nonsense&order=%00&coins=x&size=y&colour=z&vs=..%2F..&movers=q")
    expect(page.locator(COINS)).to_have_count(25)
    expect(page.locator(".map")).to_have_attribute("data-tiles", "100")


def test_the_currency_changes_every_panel(dashboard: Page) -> None:
    dashboard.get_by_label("Currency").select_option("eur")
    expect(dashboard.locator("td.col-price").first).to_contain_text("€")
    expect(dashboard.locator(".tape-pair").first).to_contain_text("/EUR")
    expect(dashboard.locator(".top-gainers .movers-value").first).to_contain_text("€")
    dashboard.locator(f"{COINS} a.coin").first.click()
    expect(dashboard).to_have_url(re.compile(r"/coin/bitcoin/\?vs=eur$"))
    expect(dashboard.locator(".quote-price")).to_contain_text("€")


def test_a_currency_that_nobody_quotes_gives_way_to_dollars_and_is_told(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.add_init_script("localStorage.setItem('spot:currency', JSON.stringify('zzzz'))")
    page.goto(f"{live_site.url}/?vs=zzzz")
    expect(page.locator(COINS)).to_have_count(25)
    expect(page.locator("td.col-price").first).to_contain_text("$")
    expect(page.locator(".tape-item").first).to_be_visible()
    for path in ("top-gainers", "top-losers", "most-active"):
        expect(page.locator(f".{path} li")).to_have_count(5)
    expect(page.get_by_label("Notices")).to_contain_text("ZZZZ is not quoted here. Prices are shown in USD")
    expect(page.locator(".badge")).to_have_text("Demo")
    expect(page).not_to_have_url(re.compile("vs="))


def test_movers_are_what_their_titles_say(dashboard: Page) -> None:
    for path, way in (("top-gainers", "up"), ("top-losers", "down")):
        changes = dashboard.locator(f".{path} .change")
        expect(changes).to_have_count(5)
        assert set(changes.evaluate_all("cells => cells.map(cell => cell.dataset.way)")) == {way}
    expect(dashboard.locator(".most-active li")).to_have_count(5)
    floor = dashboard.get_by_label("Min. volume of gainers and losers in 24 h")
    expect(floor.locator("option:checked")).to_have_text("$50K")


def test_markup_in_a_coins_name_is_shown_as_text(page: Page, live_site: LiveSite, watch: Watch) -> None:
    live_site.sandbox.fault("/coins/markets", "markup", every=2)
    page.goto(f"{live_site.url}/")
    expect(page.locator(f"{COINS} .coin-symbol", has_text="<B>X</B>").first).to_be_visible()
    assert page.locator("main img, main script, main b").count() == 0


def test_with_reduced_motion_nothing_scrolls_or_flashes(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_site.url}/")
    expect(page.locator(".tape-item").first).to_be_visible()
    prices = texts(page, "spot-market td.col-price")
    page.wait_for_function(
        """before => [...document.querySelectorAll("spot-market td.col-price")]
               .some((cell, index) => cell.innerText.trim() !== before[index])""",
        arg=prices,
    )
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_demo_says_why_no_real_prices_are_shown(page: Page, live_site: LiveSite) -> None:
    _, facts = get(f"{live_site.url}/status.json")
    facts["simulated_because"] = "Acme refuses this site's access."
    page.route("**/status.json", lambda route: route.fulfill(json=facts))
    page.goto(live_site.url)
    expect(page.locator("[data-demo]")).to_contain_text("not the real market. Acme refuses this site's access.")


def test_a_demo_says_that_it_is_one(dashboard: Page) -> None:
    expect(dashboard.locator(".badge")).to_have_text("Demo")
    expect(dashboard.locator("[data-demo]")).to_contain_text("simulated prices, not the real market")


def test_a_phone_shows_all_without_scrolling_sideways(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_site.url}/")
    expect(page.locator(COINS)).to_have_count(25)
    expect(page.locator(".map")).to_have_attribute("data-tiles", "50")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for column in ("coin", "price", "24h"):
        box = page.locator(f"tbody .col-{column}").first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize(("width", "height", "rows"), [(1440, 900, 2), (1920, 1080, 15), (2560, 1440, 20)])
def test_the_first_screen_has_rows_of_the_table_and_fills_its_width(
    dashboard: Page, width: int, height: int, rows: int
) -> None:
    dashboard.set_viewport_size({"width": width, "height": height})
    expect(dashboard.locator(".map")).to_have_attribute("data-tiles", "100")
    expect(dashboard.locator(COINS).nth(rows)).to_be_visible()
    boxes = [row.bounding_box() for row in dashboard.locator(COINS).all()]
    assert sum(1 for box in boxes if box and box["y"] + box["height"] <= height) >= rows
    left, right = dashboard.evaluate(
        """() => {
          const edges = [...document.querySelectorAll(".panel")].map((panel) => panel.getBoundingClientRect());
          return [Math.min(...edges.map(({ left }) => left)), Math.max(...edges.map(({ right }) => right))];
        }"""
    )
    assert right - left > 0.95 * width
    assert dashboard.locator(".table-scroll[data-wide]").count() == 0


def test_nothing_moves_when_the_data_arrive(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.add_init_script("""
        window.shifts = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.shifts += entry.value;
        }).observe({ type: "layout-shift", buffered: true });
    """)
    page.goto(f"{live_site.url}/")
    expect(page.locator(COINS)).to_have_count(25)
    expect(page.locator(".map")).to_have_attribute("data-tiles", "100")
    expect(page.locator(".most-active li")).to_have_count(5)
    assert page.evaluate("window.shifts") < 0.05
