"""The market table: columns, filters, own coins, rows that hold still, and what can be taken out of it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite

COINS = "spot-market tbody tr"
NAMES = f"{COINS} .coin-name"
HEADS = "spot-market thead th"
CHIPS = "spot-market .chip bdi"
WHERE = "spot-market .pager-where"
MINUS = "\u2212"
NONE = "\u2013"  # the dash of what has no value, and of a range


def opened(page: Page, name: str) -> Page:
    page.locator("spot-market").get_by_role("button", name=name, exact=True).click()
    return page


def star(page: Page, coin: str) -> Locator:
    return page.locator(f"{COINS} [data-star='{coin}']")


def asked(watch: Watch, name: str) -> list[object]:
    """Every value of a parameter that the page has sent since it was opened."""
    messages = [json.loads(text) for text in watch.sent]
    return [message[name] for message in messages if name in message]


# --- filters ---------------------------------------------------------------------------------------------------------


def test_a_range_is_asked_of_the_server_and_stands_as_a_chip_and_in_the_address(dashboard: Page, watch: Watch) -> None:
    opened(dashboard, "Filters")
    dashboard.get_by_label("Market cap from").fill("$1B")
    dashboard.keyboard.press("Enter")
    expect(dashboard.locator(CHIPS)).to_have_text("Market cap ≥ $1.00B")
    expect(dashboard.locator(WHERE)).not_to_contain_text("of 500")
    assert json.loads(str(asked(watch, "filters")[-1])) == {"market_cap": {"gte": 1e9}}
    dashboard.get_by_label("24 h change from").fill("-1%")
    dashboard.get_by_label("24 h change up to").fill("1")
    dashboard.get_by_label("24 h change up to").blur()
    expect(dashboard.locator(CHIPS)).to_have_text(["Market cap ≥ $1.00B", f"24 h change {MINUS}1.00% to +1.00%"])
    expect(dashboard).to_have_url(re.compile(r"f\.cap=1000000000\.\.&f\.24h=-1\.\.1"))
    dashboard.reload()
    expect(dashboard.locator(CHIPS)).to_have_count(2)
    expect(dashboard.locator(WHERE)).not_to_contain_text("of 500")
    dashboard.get_by_role("button", name="Remove: Market cap ≥ $1.00B").click()
    expect(dashboard.locator(CHIPS)).to_have_count(1)
    dashboard.go_back()
    expect(dashboard.locator(CHIPS)).to_have_count(2)


def test_what_is_no_number_is_explained_where_it_stands_and_changes_nothing(dashboard: Page, watch: Watch) -> None:
    opened(dashboard, "Filters")
    low = dashboard.get_by_label("Market cap from")
    low.fill("much")
    low.press("Enter")
    expect(low).to_have_attribute("aria-invalid", "true")
    told = low.get_attribute("aria-describedby")
    expect(dashboard.locator(f"#{told}")).to_contain_text("“much” is not a number. Enter a number such as")
    expect(dashboard.locator(CHIPS)).to_have_count(0)
    assert asked(watch, "filters") == []
    low.fill("2m")
    dashboard.get_by_label("Market cap up to").fill("1m")
    low.press("Enter")
    expect(dashboard.locator(f"#{told}")).to_have_text("The highest is below the lowest.")
    dashboard.get_by_label("Market cap up to").fill("1b")
    low.press("Enter")
    expect(dashboard.locator(f"#{told}")).to_be_hidden()
    expect(dashboard.locator(CHIPS)).to_have_text("Market cap $2.00M to $1.00B")


def test_a_filter_that_the_server_refuses_is_told_beside_its_field_in_words(dashboard: Page) -> None:
    dashboard.evaluate(
        """document.querySelector("spot-market").feeds[0].update({filters: '{"market_cap":{"gte":"much"}}'})"""
    )
    expect(dashboard.locator("#filter-cap-error")).to_contain_text("Market cap must be a number")
    expect(dashboard.get_by_label("Market cap from")).to_be_focused()
    expect(dashboard.locator("spot-market .panel-problem")).to_contain_text("Code: bad_value")
    expect(dashboard.locator(COINS)).to_have_count(25)


def test_a_filter_of_the_address_that_cannot_be_read_is_named(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/?f.cap=much&f.price=1..")
    expect(page.get_by_text("cannot be read, and was left out: Market cap.")).to_be_visible()
    expect(page.locator(CHIPS)).to_have_text("Price ≥ $1")
    expect(page.locator(COINS)).to_have_count(25)


def test_an_empty_answer_says_why_and_everything_can_be_cleared_at_once(dashboard: Page) -> None:
    opened(dashboard, "Filters")
    dashboard.get_by_label("Market cap from").fill("900T")
    dashboard.keyboard.press("Enter")
    empty = dashboard.locator("spot-market .table-empty")
    expect(empty).to_contain_text("No coin matches")
    expect(empty).to_contain_text("Market cap ≥ $900.00T")
    empty.get_by_role("button", name="Clear filters").click()
    expect(dashboard.locator(COINS)).to_have_count(25)
    expect(dashboard).not_to_have_url(re.compile(r"f\."))
    expect(dashboard.get_by_label("Search coins")).to_be_focused()


def test_search_keeps_the_focus_and_the_caret_while_answers_come(dashboard: Page) -> None:
    field = dashboard.get_by_label("Search coins")
    field.press_sequentially("bitcin")
    expect(dashboard.locator("spot-market .table-empty")).to_be_visible()
    for _ in range(2):
        dashboard.keyboard.press("ArrowLeft")
    dashboard.keyboard.type("o")
    expect(dashboard.locator(NAMES).first).to_have_text("Bitcoin")
    assert field.evaluate("field => [field.value, field.selectionStart]") == ["bitcoin", 5]
    expect(field).to_be_focused()


def test_coins_with_one_symbol_are_told_apart_and_found_together(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/")
    expect(page.locator(COINS)).to_have_count(25)
    page.get_by_label("Rows of a page").select_option("500")
    expect(page.locator(COINS)).to_have_count(500)
    symbols = page.locator(f"{COINS} .coin-symbol").all_text_contents()
    twins = {symbol for symbol in symbols if symbols.count(symbol) > 1}
    assert twins, "the simulated market has coins that share a symbol"
    expect(page.locator(f"{COINS} .coin-id")).to_have_count(sum(symbols.count(symbol) for symbol in twins))
    symbol = min(twins)
    page.get_by_label("Search coins").fill(symbol)
    alike = page.locator(COINS).filter(has=page.locator(".coin-symbol", has_text=re.compile(f"^{re.escape(symbol)}$")))
    expect(alike).to_have_count(symbols.count(symbol))
    ids = alike.locator(".coin-id").all_text_contents()
    assert len(set(ids)) == len(ids) == symbols.count(symbol)


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_chosen_and_moved_and_stay_so(dashboard: Page, watch: Watch) -> None:
    opened(dashboard, "Columns")
    dashboard.get_by_label("Change over 30 days", exact=True).check()
    expect(dashboard.locator("th.col-30d")).to_be_visible()
    expect(dashboard.locator("td.col-30d .change").first).to_have_text(re.compile(r"\d%"))
    assert asked(watch, "price_change_percentage")[-1] == "1h,24h,7d,30d"
    dashboard.get_by_label("Line: last 7 days", exact=True).uncheck()
    expect(dashboard.locator("th.col-chart")).to_have_count(0)
    assert asked(watch, "sparkline")[-1] is False
    for _ in range(3):  # it came in behind the other windows
        dashboard.get_by_role("button", name="Change over 30 days: further left").click()
    expect(dashboard.get_by_role("button", name="Change over 30 days: further left")).to_be_focused()
    order = ["Rank", "Coin", "Price", "30 d", "1 h", "24 h", "7 d", "Market cap", "24 h volume"]
    expect(dashboard.locator(HEADS)).to_have_text(order)
    expect(dashboard.get_by_label("Price", exact=True)).to_be_disabled()
    dashboard.reload()
    expect(dashboard.locator(HEADS)).to_have_text(order)
    expect(dashboard.locator(COINS)).to_have_count(25)
    opened(dashboard, "Columns")
    dashboard.get_by_role("button", name="Usual columns").click()
    expect(dashboard.locator("th.col-chart")).to_be_visible()
    expect(dashboard.locator("th.col-30d")).to_have_count(0)


def test_a_sort_by_a_column_that_is_not_shown_is_told(dashboard: Page) -> None:
    dashboard.locator("th.col-1h").get_by_role("button").click()
    expect(dashboard.locator("th.col-1h")).to_have_attribute("aria-sort", "descending")
    opened(dashboard, "Columns")
    dashboard.get_by_label("Change over 1 hour", exact=True).uncheck()
    expect(dashboard.locator(CHIPS)).to_have_text("Sorted by Change over 1 hour")
    dashboard.get_by_role("button", name="Remove: Sorted by Change over 1 hour").click()
    expect(dashboard.locator(NAMES).first).to_have_text("Bitcoin")


def test_rows_can_be_tight_and_stay_so(dashboard: Page) -> None:
    height = "document.querySelector('spot-market tbody tr').offsetHeight"
    before = dashboard.evaluate(height)
    opened(dashboard, "Columns")
    dashboard.get_by_role("button", name="Compact").click()
    assert dashboard.evaluate(height) < before
    dashboard.reload()
    expect(dashboard.locator(COINS)).to_have_count(25)
    assert dashboard.evaluate(height) < before


def test_the_heading_stays_in_view_with_the_window_and_in_a_box_of_its_own(dashboard: Page) -> None:
    assert dashboard.locator("spot-market .table-scroll").get_attribute("data-wide") is None
    dashboard.locator(COINS).nth(20).scroll_into_view_if_needed()
    expect(dashboard.locator("th.col-price")).to_be_in_viewport(ratio=1)
    opened(dashboard, "Columns")
    for words in ("14 days", "30 days", "200 days", "1 year"):
        dashboard.get_by_label(f"Change over {words}", exact=True).check()
    dashboard.set_viewport_size({"width": 1000, "height": 900})
    box = dashboard.locator("spot-market .table-scroll[data-wide]")
    expect(box).to_have_attribute("role", "region")
    edge = box.bounding_box()
    top = dashboard.locator("th.col-price").bounding_box()
    box.evaluate("box => box.scrollTo(300, 400)")
    after = dashboard.locator("tbody .col-coin").nth(15).bounding_box()
    assert edge is not None
    assert top is not None
    assert after is not None
    assert after["x"] == pytest.approx(edge["x"], abs=1)
    moved = dashboard.locator("th.col-price").bounding_box()
    assert moved is not None
    assert moved["y"] == pytest.approx(top["y"], abs=1)
    assert dashboard.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_sorts_by_a_list_and_can_scroll_more_columns_beside_the_coin(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_site.url}/")
    expect(page.locator(HEADS)).to_have_text(["Rank", "Coin", "Price", "24 h"])
    assert page.locator("spot-market .table-scroll").get_attribute("data-wide") is None
    page.get_by_label("Sort", exact=True).select_option("market_cap asc")
    expect(page.locator(NAMES).first).not_to_have_text("Bitcoin")
    expect(page.locator(CHIPS)).to_have_text("Sorted by Market cap")
    opened(page, "Columns")
    page.get_by_label("Market cap", exact=True).check()
    expect(page.locator("spot-market .table-scroll[data-wide]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator("th.col-chart")).to_be_visible()


# --- own coins -------------------------------------------------------------------------------------------------------


def test_starred_coins_are_the_same_everywhere_and_outlive_a_reload(dashboard: Page) -> None:
    star(dashboard, "ethereum").click()
    expect(star(dashboard, "ethereum")).to_have_attribute("aria-pressed", "true")
    star(dashboard, "dogecoin").focus()
    dashboard.keyboard.press("Space")
    dashboard.get_by_role("button", name="My coins 2").click()
    expect(dashboard.locator(NAMES)).to_have_text(["Ethereum", "Dogecoin"])
    dashboard.reload()
    expect(dashboard.locator(NAMES)).to_have_text(["Ethereum", "Dogecoin"])
    mover = dashboard.locator("spot-movers .star").first
    mover.click()
    expect(dashboard.locator(COINS)).to_have_count(3)
    dashboard.locator(f"{COINS} a.coin").first.click()
    expect(dashboard.locator("spot-quote .star")).to_have_attribute("aria-pressed", "true")


def test_taking_the_star_away_takes_the_row_away_and_keeps_the_focus_in_the_table(dashboard: Page) -> None:
    for coin in ("bitcoin", "ethereum"):
        star(dashboard, coin).click()
    dashboard.get_by_role("button", name="My coins 2").click()
    expect(dashboard.locator(NAMES)).to_have_text(["Bitcoin", "Ethereum"])
    star(dashboard, "bitcoin").press("Enter")
    expect(dashboard.locator(NAMES)).to_have_text(["Ethereum"])
    expect(star(dashboard, "ethereum")).to_be_focused()
    dashboard.keyboard.press("Enter")
    expect(dashboard.get_by_text("You have no coins of your own yet")).to_be_visible()


def test_own_coins_that_the_market_lacks_are_shown_and_what_cannot_be_is_counted(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    own = ["BITCOIN", "dogecoin", "spell-token", "renamed-coin"]
    page.add_init_script(f"localStorage.setItem('spot:watchlist', JSON.stringify({own}))")
    page.goto(f"{live_site.url}/?mine=1")
    expect(page.locator(NAMES)).to_have_text(["Bitcoin", "Dogecoin", "Spell"])
    expect(page.locator(WHERE)).to_have_text(f"1{NONE}3 of 3 · page 1 of 1")
    expect(star(page, "spell-token")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".market-lacking")).to_have_text("1 coin is no longer listed: renamed-coin.")
    page.locator("th.col-price").get_by_role("button").click()
    expect(page.locator(NAMES)).to_have_text(["Bitcoin", "Dogecoin", "Spell"])
    page.locator("th.col-price").get_by_role("button").click()
    expect(page.locator(NAMES)).to_have_text(["Spell", "Dogecoin", "Bitcoin"])
    page.get_by_role("button", name="Remove what is not listed").click()
    expect(page.locator(".market-lacking")).to_have_text("")
    expect(page.get_by_role("button", name="My coins 3")).to_be_visible()


def test_the_rank_is_the_coins_own_whatever_the_order(dashboard: Page) -> None:
    dashboard.locator("th.col-7d").get_by_role("button").click()
    expect(dashboard.locator("th.col-7d")).to_have_attribute("aria-sort", "descending")
    expect(dashboard.locator("td.col-rank").first).not_to_have_text("1")
    dashboard.locator("th.col-rank").get_by_role("button").click()
    expect(dashboard.locator("th.col-rank")).to_have_attribute("aria-sort", "ascending")
    expect(dashboard.locator("td.col-rank").first).to_have_text("1")


def test_enter_in_the_search_opens_the_first_hit_and_back_is_where_one_was(dashboard: Page) -> None:
    field = dashboard.get_by_label("Search coins")
    field.fill("litecoin")
    field.press("Enter")
    expect(dashboard).to_have_url(re.compile("/coin/litecoin/$"))
    expect(dashboard.get_by_role("link", name=re.compile("Market$"))).to_have_attribute("href", "/?q=litecoin")
    dashboard.get_by_role("link", name=re.compile("Market$")).click()
    expect(dashboard.locator(NAMES).first).to_have_text("Litecoin")


def test_back_from_a_coin_shows_the_row_that_was_opened(dashboard: Page) -> None:
    row = dashboard.locator(COINS).nth(22)
    row.scroll_into_view_if_needed()
    top = dashboard.evaluate("scrollY")
    assert top > 0
    row.locator("a.coin").click()
    expect(dashboard.locator(".quote-price")).to_contain_text("$")
    dashboard.go_back()
    dashboard.wait_for_function("top => Math.abs(scrollY - top) < 3", arg=top)


def test_own_coins_leave_the_browser_and_come_back_as_a_file(dashboard: Page, tmp_path: Path) -> None:
    for coin in ("bitcoin", "ethereum"):
        star(dashboard, coin).click()
    dashboard.get_by_role("button", name="My coins 2").click()
    with dashboard.expect_download() as saving:
        dashboard.get_by_role("button", name="Save the list").click()
    assert saving.value.suggested_filename == "spot-my-coins.txt"
    assert saving.value.path().read_text() == "bitcoin\nethereum\n"
    brought = tmp_path / "coins.txt"
    brought.write_text("ethereum\ndogecoin\n<b>no id</b>\n")
    with dashboard.expect_file_chooser() as choosing:
        dashboard.get_by_role("button", name="Add from a file").click()
    choosing.value.set_files(brought)
    expect(dashboard.locator(NAMES)).to_have_text(["Bitcoin", "Ethereum", "Dogecoin"])


# --- rows ------------------------------------------------------------------------------------------------------------


# Turns the rows of a panel's feed round, and waits until that has been drawn.
REVERSED = """([panel, path]) => {
  const feed = document.querySelector(panel).feeds.find((one) => one.path === path);
  feed.view.keys.reverse();
  feed.dispatchEvent(new CustomEvent("frame", { detail: { changes: new Map() } }));
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def test_rows_hold_still_under_the_pointer_and_move_when_it_leaves(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()  # so that nothing but the test moves the rows
    dashboard.locator(COINS).nth(2).hover()
    dashboard.evaluate(REVERSED, ["spot-market", "market"])
    expect(dashboard.locator("spot-market .market-held")).to_contain_text("24 places wait to change")
    expect(dashboard.locator(NAMES).first).to_have_text("Bitcoin")
    dashboard.locator("spot-market h2").hover()
    expect(dashboard.locator(NAMES).first).not_to_have_text("Bitcoin")
    expect(dashboard.locator("spot-market .market-held")).to_be_empty()


def test_rows_hold_still_around_the_focus(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()
    star(dashboard, "ethereum").focus()
    dashboard.evaluate(REVERSED, ["spot-market", "market"])
    expect(dashboard.locator("spot-market .market-held")).to_contain_text("places wait")
    expect(dashboard.locator(NAMES).first).to_have_text("Bitcoin")
    dashboard.get_by_label("Search coins").focus()
    expect(dashboard.locator(NAMES).first).not_to_have_text("Bitcoin")


def test_a_price_that_moves_lights_up_by_its_direction_at_most_once_a_second(dashboard: Page) -> None:
    dashboard.evaluate("""() => {
      window.flashes = [];
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (frames, options) {
        const [{ backgroundColor }] = frames;
        if (this.closest("spot-market td.col-price")) window.flashes.push([this, performance.now(), backgroundColor]);
        return animate.call(this, frames, options);
      };
    }""")
    dashboard.locator(COINS).first.scroll_into_view_if_needed()
    dashboard.wait_for_function("() => window.flashes.length > 30")
    assert set(dashboard.evaluate("window.flashes.map(([, , colour]) => colour)")) <= {
        "var(--flash-up)", "var(--flash-down)",
    }  # fmt: skip
    assert dashboard.evaluate("""window.flashes.every(([cell, at], index) =>
      !window.flashes.slice(0, index).some(([other, before]) => other === cell && at - before < 1000))""")


def test_lines_of_the_week_say_what_they_show_and_ask_for_nothing(dashboard: Page, watch: Watch) -> None:
    requests = watch.page_requests()
    line = dashboard.locator("td.col-chart svg").first
    expect(line).to_have_attribute("aria-label", re.compile(r"^7 days: from \$.+ to \$.+, lowest \$.+, highest \$"))
    expect(line.locator("polyline")).to_have_attribute("points", re.compile(r"^0\.0,"))
    last = dashboard.locator("td.col-chart svg").last
    last.scroll_into_view_if_needed()
    expect(last.locator("polyline")).to_have_attribute("points", re.compile(r"^0\.0,"))
    assert watch.page_requests() == requests


def test_missing_values_come_last_and_say_why_they_are_missing(page: Page, live_site: LiveSite, watch: Watch) -> None:
    live_site.sandbox.fault("/coins/markets", "nulls", every=2)
    page.goto(f"{live_site.url}/?sort=market_cap&order=asc&rows=100&page=3")
    missing = page.locator("td.col-cap .number", has_text=NONE).first
    expect(missing).to_have_attribute("title", "The source gives no market cap")
    page.wait_for_function(
        """none => {
          const caps = [...document.querySelectorAll("spot-market td.col-cap")].map((cell) => cell.textContent);
          const first = caps.indexOf(none);
          return caps.length === 100 && first > 0 && caps.slice(first).every((cap) => cap === none);
        }""",
        arg=NONE,
    )


# --- pages, and out --------------------------------------------------------------------------------------------------


def test_a_page_past_the_end_is_the_last_one(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/?page=999&rows=100")
    expect(page.locator(WHERE)).to_have_text(f"401{NONE}500 of 500 · page 5 of 5")
    forward = page.get_by_role("button", name="Next page")
    expect(forward).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="First page").click()
    expect(page.locator(WHERE)).to_contain_text("page 1 of 5")


def test_five_hundred_rows_can_be_seen_at_once(dashboard: Page) -> None:
    dashboard.get_by_label("Rows of a page").select_option("500")
    expect(dashboard.locator(COINS)).to_have_count(500)
    drawn = dashboard.locator("td.col-chart polyline[points]").count()
    assert 0 < drawn < 500


def test_the_rows_are_copied_with_all_their_digits(dashboard: Page) -> None:
    dashboard.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dashboard.get_by_label("Search coins").fill("shiba-inu")
    expect(dashboard.locator(NAMES).first).to_have_text("Shiba Inu")
    opened(dashboard, "Copy")
    expect(dashboard.get_by_text(re.compile(r"^Copied \d+ rows?$"))).to_be_visible()
    text = dashboard.evaluate("navigator.clipboard.readText()")
    heads, first = (line.split("\t") for line in text.splitlines()[:2])
    row = dict(zip(heads, first, strict=True))
    assert row["Id"] == "shiba-inu"
    assert re.fullmatch(r"0\.0000\d+", row["Price"]), row["Price"]
    expect(dashboard.locator("td.col-price").first).to_contain_text(re.compile(r"\$0\.0[₀-₉]\d+"))


def test_the_whole_search_is_saved_as_csv(dashboard: Page) -> None:
    opened(dashboard, "Filters")
    dashboard.get_by_label("Market cap from").fill("1B")
    dashboard.keyboard.press("Enter")
    expect(dashboard.locator(WHERE)).not_to_contain_text("of 500")
    total = int(re.search(r"of (\d+)", dashboard.locator(WHERE).inner_text()).group(1))  # type: ignore[union-attr]
    with dashboard.expect_download() as saving:
        opened(dashboard, "CSV")
    assert re.fullmatch(r"market-usd-sandbox-\d{8}T\d{6}Z\.csv", saving.value.suggested_filename)
    rows = list(csv.DictReader(io.StringIO(saving.value.path().read_text())))
    assert abs(len(rows) - total) <= 3  # a coin may have crossed the line in the meantime
    assert all(float(row["Market Cap"]) >= 1e9 for row in rows)
