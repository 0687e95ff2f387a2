"""The ticker tape as a visitor uses it: stopping it, walking it, and choosing its coins."""

from __future__ import annotations

import json
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


def test_coins_are_chosen_and_put_in_order_and_stay_so(dashboard: Page) -> None:
    usual = shown(dashboard)
    dashboard.get_by_role("button", name="Edit the ticker's coins").click()
    dialog = dashboard.get_by_role("dialog", name="Coins of the ticker")
    expect(dialog).to_be_visible()
    assert chosen(dashboard) == usual
    dialog.get_by_label("Search a coin to add").fill("pepe")
    dialog.get_by_role("button", name="Add Pepe", exact=True).click()
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
    dashboard.get_by_role("button", name="Edit the ticker's coins").click()
    dashboard.get_by_role("button", name="Back to the usual coins").click()
    wait_for_coins(dashboard, usual)


GONE = ".tape-note"


def open_with_tape(page: Page, site: str, *coins: str) -> None:
    page.add_init_script(
        f"localStorage.getItem('spot:tape') ?? localStorage.setItem('spot:tape', '{json.dumps(coins)}')"
    )
    page.goto(f"{site}/")


def test_a_coin_that_is_gone_takes_no_other_away_and_can_be_removed(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    open_with_tape(page, live_site.url, "bitcoin", "renamed-coin", "ethereum")
    wait_for_coins(page, ["bitcoin", "ethereum"])
    expect(page.locator(GONE)).to_contain_text("1 coin is no longer listed: renamed-coin.")
    expect(page.locator(".badge")).to_have_text("Demo")
    page.get_by_role("button", name="Edit the ticker's coins").click()
    rows = page.locator(".chooser-rows li")
    expect(rows.nth(0)).to_contain_text("Bitcoin")
    expect(rows.nth(1)).to_contain_text("no longer listed")
    page.keyboard.press("Escape")
    page.locator(GONE).get_by_role("button", name="Remove").click()
    expect(page.locator(GONE)).to_be_hidden()
    page.reload()
    wait_for_coins(page, ["bitcoin", "ethereum"])
    assert page.evaluate("localStorage.getItem('spot:tape')") == '["bitcoin","ethereum"]'


def test_a_list_of_which_nothing_is_left_leads_back_to_the_usual_coins(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    open_with_tape(page, live_site.url, "renamed-coin", "delisted-coin")
    page.locator(GONE).get_by_role("button", name="Back to the usual coins").click()
    expect(page.locator(LIST)).to_have_count(20)
    expect(page.locator(GONE)).to_be_hidden()


def test_every_coin_of_the_list_is_found_and_what_is_not_is_said(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Edit the ticker's coins").click()
    dialog = dashboard.get_by_role("dialog", name="Coins of the ticker")
    search = dialog.get_by_label("Search a coin to add")
    search.fill("nosuchcoinatall")
    expect(dialog.get_by_text("No coin found for")).to_be_visible()
    search.fill("spell-token")  # below the coins that the market table reaches
    dialog.get_by_role("button", name="Add Spell", exact=True).click()
    expect(dialog.get_by_text("No coin found for")).to_be_hidden()
    dialog.get_by_role("button", name="Remove Ethereum", exact=True).click()
    expect(dialog.get_by_role("button", name="Remove Tether", exact=True)).to_be_focused()
    dashboard.keyboard.press("Escape")
    expect(dashboard.locator(f"{LIST}[data-coin=spell-token]")).to_have_count(1)


def test_a_window_that_is_closed_before_its_search_is_connected_leaves_no_error(dashboard: Page, watch: Watch) -> None:
    """`watch` fails on anything that the console reports."""
    before = len(watch.sockets)
    dashboard.evaluate("""() => {
      document.querySelector(".tape-choose").click();
      document.querySelector(".chooser").close();
    }""")
    dashboard.wait_for_function("() => !document.querySelector('.chooser')")
    while not (len(watch.sockets) > before and watch.sockets[-1].is_closed()):
        dashboard.wait_for_timeout(100)


def test_a_pause_of_the_ticker_outlives_a_reload(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause the ticker").click()
    dashboard.reload()
    expect(dashboard.get_by_role("button", name="Play the ticker")).to_be_visible()
    dashboard.wait_for_function(PAUSED)


OLD_ROW = """([panel, changes]) => {
  const host = document.querySelector(panel);
  const feed = host.feeds[0];
  const [key] = feed.view.keys;
  feed.view.rows.set(key, { ...feed.view.rows.get(key), ...changes });
  host.redraw();
}"""


def test_a_coin_whose_price_has_stopped_shows_its_age_instead_of_a_change(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()  # so that nothing but the test changes a row
    day = 24 * 3600 * 1000
    dashboard.evaluate(
        "([source, day]) => (0, eval)(source)(['spot-ticker', { stale: true, as_of: Date.now() - 30.5 * day }])",
        [OLD_ROW, day],
    )
    item = dashboard.locator(LIST).first
    expect(item.locator(".change")).to_have_text("30 d old")
    expect(item.locator(".change")).to_have_attribute("data-way", "none")
    expect(item).to_have_attribute("title", re.compile(r"Price of .*, 30 d old$"))


def test_the_words_about_the_source_leave_the_coins_their_place(page: Page, live_site: LiveSite, watch: Watch) -> None:
    for width in (390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{live_site.url}/")
        expect(page.locator(LIST).first).to_be_visible()
        # In one step, or the next frame may bring its own words before the widths are read.
        share = page.evaluate("""() => {
          const ticker = document.querySelector("spot-ticker");
          const streams = [{ label: "CoinMarketCap", coins: 200, as_of: Date.now() }];
          ticker.feeds[0].head = { ...ticker.feeds[0].head, source_label: "A source with a very long name", streams };
          ticker.redraw();
          return ticker.querySelector(".tape-rail").clientWidth / ticker.clientWidth;
        }""")
        assert share > 0.6, width
