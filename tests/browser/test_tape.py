"""The ticker tape as a visitor uses it: stopping it, walking it, and choosing its coins."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite

STATE = "document.querySelector('.tape-track').getAnimations()[0]?.playState"
OFFSET = "-new DOMMatrix(getComputedStyle(document.querySelector('.tape-track')).transform).m41"
RUNNING = f"() => {STATE} === 'running'"
PAUSED = f"() => {STATE} === 'paused'"
LIST = ".tape-list:first-child .tape-item"


def shown(page: Page) -> list[str]:
    """The coins on the tape, in order."""
    return [str(coin) for coin in page.locator(LIST).evaluate_all("items => items.map(item => item.dataset.coin)")]


def chosen(page: Page) -> list[str]:
    """The coins in the window in which they are chosen."""
    return [
        str(coin) for coin in page.locator(".chooser-rows li").evaluate_all("rows => rows.map(row => row.dataset.coin)")
    ]


def wait_for_coins(page: Page, coins: list[str]) -> None:
    page.wait_for_function(
        """([items, coins]) => coins === String([...document.querySelectorAll(items)].map(one => one.dataset.coin))""",
        arg=[LIST, ",".join(coins)],
    )


def test_it_stops_for_the_pointer_for_the_focus_and_for_a_button(dashboard: Page) -> None:
    dashboard.wait_for_function(RUNNING)
    dashboard.locator(".tape-rail").hover()
    dashboard.wait_for_function(PAUSED)
    dashboard.mouse.move(5, 5)
    dashboard.wait_for_function(RUNNING)
    dashboard.locator(LIST).nth(1).focus()
    dashboard.wait_for_function(PAUSED)
    dashboard.get_by_role("button", name="Pause the ticker").focus()
    dashboard.wait_for_function(RUNNING)
    dashboard.keyboard.press("Enter")
    dashboard.wait_for_function(PAUSED)
    dashboard.mouse.move(5, 300)
    expect(dashboard.get_by_role("button", name="Play the ticker")).to_be_focused()
    assert dashboard.evaluate(STATE) == "paused"


def test_the_focus_goes_from_coin_to_coin_and_each_is_in_sight(dashboard: Page) -> None:
    dashboard.wait_for_function(RUNNING)
    rail = dashboard.locator(".tape-rail").bounding_box()
    assert rail is not None
    dashboard.locator(LIST).first.focus()
    for _ in range(8):
        dashboard.keyboard.press("Tab")
        box = dashboard.locator(":focus").bounding_box()
        assert box is not None
        assert rail["x"] - 1 <= box["x"] <= box["x"] + box["width"] <= rail["x"] + rail["width"] + 1
    assert dashboard.evaluate("document.querySelector('.tape-rail').scrollLeft") == 0


def test_the_wrap_is_seamless(dashboard: Page) -> None:
    """At any offset the rail is full, and after one list it looks as at the start."""
    dashboard.wait_for_function(RUNNING)
    measured = dashboard.evaluate("""() => {
      const [rail, track] = [document.querySelector(".tape-rail"), document.querySelector(".tape-track")];
      const widths = [...track.children].map((list) => list.getBoundingClientRect().width);
      const [first] = track.getAnimations()[0].effect.getKeyframes().slice(-1);
      const { duration } = track.getAnimations()[0].effect.getTiming();
      const shift = -new DOMMatrix(first.transform).m41;
      return { rail: rail.clientWidth, widths, shift, speed: shift / duration * 1000 };
    }""")
    assert max(measured["widths"]) - min(measured["widths"]) < 0.5
    assert abs(measured["shift"] - measured["widths"][0]) < 0.5
    assert sum(measured["widths"]) >= measured["shift"] + measured["rail"]
    assert abs(measured["speed"] - 40) < 0.5


def test_updates_do_not_start_it_again(dashboard: Page) -> None:
    dashboard.wait_for_function(f"() => {OFFSET} > 60")
    before = dashboard.evaluate(OFFSET)
    price = dashboard.locator(f"{LIST} .tape-price").first.text_content()
    dashboard.wait_for_function(
        "([items, price]) => document.querySelector(`${items} .tape-price`).textContent !== price", arg=[LIST, price]
    )
    assert dashboard.evaluate(OFFSET) > before


def test_a_wider_window_is_filled_too(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.set_viewport_size({"width": 600, "height": 800})
    page.add_init_script("localStorage.setItem('spot:tape', '[\"bitcoin\",\"ethereum\"]')")
    page.goto(f"{live_site.url}/")
    wait_for_coins(page, ["bitcoin", "ethereum"])
    page.set_viewport_size({"width": 1900, "height": 800})
    page.wait_for_function("""() => {
      const [rail, track] = [document.querySelector(".tape-rail"), document.querySelector(".tape-track")];
      return track.offsetWidth >= rail.clientWidth + track.firstChild.offsetWidth && rail.clientWidth > 1000;
    }""")


def test_an_item_names_pair_price_and_signed_change_and_opens_the_coin(dashboard: Page) -> None:
    item = dashboard.locator(LIST).first
    expect(item).to_have_text(re.compile(r"^B?BTC/USD\$[\d,.]+[▲▼]?[+\u2212]?\d+\.\d\d%$"))
    expect(item.locator(".disc")).to_be_attached()
    item.focus()
    dashboard.keyboard.press("Enter")
    expect(dashboard).to_have_url(re.compile("/coin/bitcoin/$"))


def test_with_reduced_motion_it_is_a_list_that_one_scrolls(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_site.url}/")
    expect(page.locator(LIST).first).to_be_visible()
    assert page.evaluate("document.querySelector('.tape-track').getAnimations().length") == 0
    assert page.locator(".tape-list:visible").count() == 1
    expect(page.get_by_role("button", name="Pause the ticker")).to_be_hidden()
    last = page.locator(LIST).last
    last.focus()
    expect(last).to_be_in_viewport(ratio=0.9)
    assert page.evaluate("document.querySelector('.tape-rail').scrollLeft") > 0


def test_coins_are_chosen_and_put_in_order_and_stay_so(dashboard: Page, watch: Watch) -> None:
    usual = shown(dashboard)
    dashboard.get_by_role("button", name="Choose the ticker's coins").click()
    dialog = dashboard.get_by_role("dialog", name="Coins of the ticker")
    expect(dialog).to_be_visible()
    assert chosen(dashboard) == usual
    requests = watch.page_requests()
    dialog.get_by_label("Search a coin to add").fill("pepe")
    dialog.get_by_role("button", name="Add Pepe", exact=True).click()
    assert watch.page_requests() == requests
    expect(dialog.get_by_role("status")).to_have_text(f"{len(usual) + 1} of at most 50 coins")
    dialog.get_by_role("button", name="Move Pepe forward").click()
    dashboard.keyboard.press("Enter")
    assert chosen(dashboard)[-3:] == ["pepe", *usual[-2:]]
    expect(dialog.get_by_role("button", name="Move Pepe forward")).to_be_focused()
    dialog.get_by_role("button", name="Remove Bitcoin", exact=True).click()
    wanted = [*usual[1:-2], "pepe", *usual[-2:]]
    wait_for_coins(dashboard, wanted)
    dashboard.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    dashboard.reload()
    wait_for_coins(dashboard, wanted)
    dashboard.get_by_role("button", name="Choose the ticker's coins").click()
    dashboard.get_by_role("button", name="Back to the usual coins").click()
    wait_for_coins(dashboard, usual)
