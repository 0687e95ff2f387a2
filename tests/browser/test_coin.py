"""The page of one coin."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite


@pytest.fixture
def bitcoin(page: Page, live_site: LiveSite, watch: Watch) -> Page:
    """Bitcoin's page, with its candles drawn."""
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".chart-legend")).to_contain_text("O")
    return page


def painted(page: Page) -> int:
    """How many pixels of the chart have any colour."""
    return page.locator(".chart canvas").evaluate_all("""canvases => canvases.reduce((sum, canvas) => {
        if (!canvas.width || !canvas.height) return sum;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let n = 3; n < data.length; n += 4) sum += data[n] > 0;
        return sum;
    }, 0)""")


def test_candles_and_volume_are_drawn(bitcoin: Page) -> None:
    bitcoin.wait_for_function("() => document.querySelectorAll('.chart canvas').length > 4")
    assert painted(bitcoin) > 10_000
    expect(bitcoin.locator(".chart-legend")).to_contain_text(re.compile(r"O\$[\d,.]+\s*H\$[\d,.]+\s*L\$[\d,.]+\s*C\$"))


def test_the_chart_says_what_its_volume_means_and_how_long_a_candle_is(bitcoin: Page) -> None:
    expect(bitcoin.locator("spot-candles")).to_contain_text("Volume: rolling 24-hour total")
    expect(bitcoin.locator("spot-candles")).to_contain_text("4-hour candles")
    bitcoin.get_by_role("button", name="1 D").click()
    expect(bitcoin.locator("spot-candles")).to_contain_text("30-minute candles")
    expect(bitcoin).to_have_url(re.compile("days=1$"))


def test_the_charts_makers_are_named_and_linked(bitcoin: Page) -> None:
    link = bitcoin.get_by_role("link", name="TradingView")
    expect(link).to_have_attribute("href", "https://www.tradingview.com/")
    expect(bitcoin.locator("spot-candles")).to_contain_text("© TradingView, Inc.")


def test_the_price_is_the_coins_and_moves(bitcoin: Page) -> None:
    expect(bitcoin.get_by_role("heading", level=1)).to_contain_text("Bitcoin")
    expect(bitcoin).to_have_title(re.compile(r"^BTC \$[\d,.]+ · Spot$"))
    price = bitcoin.locator(".quote-price").inner_text()
    expect(bitcoin.locator(".quote-price")).not_to_have_text(price)


def shown_candles(page: Page) -> tuple[int, int]:
    """How many candles are in view, and how many there are."""
    label = page.locator(".chart").get_attribute("aria-label") or ""
    found = re.search(r"(\d+) of (\d+) candles in view", label)
    assert found, label
    return int(found[1]), int(found[2])


def downloaded(page: Page, folder: Path) -> tuple[str, list[dict[str, str]]]:
    """The name and the rows of the file that the CSV button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    file = folder / "candles.csv"
    download.value.save_as(file)
    assert file.read_bytes().decode("utf-8").isascii()
    with file.open(newline="") as text:
        return download.value.suggested_filename, list(csv.DictReader(text))


def rewritten(page: Page, feed: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Let `change` alter every frame of the feed that the server sends, in place."""

    def follow(route: WebSocketRoute) -> None:
        def altered(text: str | bytes) -> None:
            frame = json.loads(text)
            change(frame)
            route.send(json.dumps(frame))

        route.connect_to_server().on_message(altered)

    page.route_web_socket(re.compile(rf"/ws/{feed}\?"), follow)


def test_csv_holds_the_shown_range_and_says_what_it_is(bitcoin: Page, tmp_path: Path) -> None:
    bitcoin.get_by_role("button", name=re.compile("^7 D")).click()
    expect(bitcoin.locator(".chart")).to_have_attribute("aria-label", re.compile("42 of 42 candles"))
    name, rows = downloaded(bitcoin, tmp_path)
    assert re.fullmatch(r"bitcoin-usd-4h-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv", name)
    assert len(rows) == 42
    assert all(float(row["high"]) >= float(row["low"]) > 0 for row in rows)
    for row in rows:
        moment = int(row["timestamp_ms"]) / 1000
        assert datetime.fromisoformat(row["time_utc"]).timestamp() == moment
        assert datetime.fromisoformat(row["time_local"]).timestamp() == moment
    assert {(row["source"], row["currency"], row["volume_basis"]) for row in rows} == {
        ("Sandbox", "usd", "rolling_24h")
    }
    assert datetime.fromisoformat(rows[0]["as_of_utc"]).year >= 2020
    assert [row["complete"] for row in rows] == ["true"] * 41 + ["false"]


def test_csv_holds_what_is_in_view_after_a_zoom_and_no_more(bitcoin: Page, tmp_path: Path) -> None:
    bitcoin.locator(".chart").focus()
    for key in ("+", "+", "Shift+ArrowLeft"):
        bitcoin.keyboard.press(key)
    expect(bitcoin.get_by_role("button", name="Show all")).to_be_visible()
    _, rows = downloaded(bitcoin, tmp_path)
    shown, there = shown_candles(bitcoin)
    assert len(rows) == shown < there
    assert rows[-1]["complete"] == "true"
    bitcoin.get_by_role("button", name="Show all").click()
    expect(bitcoin.get_by_role("button", name="Show all")).to_be_hidden()
    assert shown_candles(bitcoin) == (there, there)


def test_keys_that_come_faster_than_the_chart_is_drawn_all_count(bitcoin: Page) -> None:
    whole, _ = shown_candles(bitcoin)
    bitcoin.locator(".chart").evaluate("""chart => {
        for (const key of "+++") chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    }""")
    expect(bitcoin.locator(".chart")).to_have_attribute("aria-label", re.compile(rf": 6\d of {whole} candles"))


def test_keys_step_through_the_candles_and_their_values_are_announced(bitcoin: Page) -> None:
    chart, spoken = bitcoin.get_by_role("application"), bitcoin.locator("spot-candles .panel-body [role=status]")
    chart.focus()
    bitcoin.keyboard.press("End")
    expect(spoken).to_have_text(re.compile(r"still open: open \$[\d,.]+, high .*, low .*, close .*, Vol 24 h "))
    legend = bitcoin.locator(".chart-legend")
    last = legend.text_content() or ""
    bitcoin.keyboard.press("ArrowLeft")
    expect(spoken).not_to_contain_text("still open")
    expect(legend).not_to_have_text(last)
    before = legend.text_content() or ""
    bitcoin.keyboard.press("Home")
    expect(legend).not_to_have_text(before)
    assert legend.text_content() != last
    bitcoin.keyboard.press("Escape")
    expect(spoken).to_be_empty()
    expect(legend).to_contain_text("still open")


def test_the_legend_follows_the_pointer(bitcoin: Page) -> None:
    bitcoin.mouse.move(*place_on_chart(bitcoin, 0.3))
    expect(bitcoin.locator(".chart-legend")).not_to_contain_text("still open")
    earlier = bitcoin.locator(".chart-legend span").first.inner_text()
    bitcoin.mouse.move(*place_on_chart(bitcoin, 0.6))
    expect(bitcoin.locator(".chart-legend span").first).not_to_have_text(earlier)


def place_on_chart(page: Page, share: float) -> tuple[float, float]:
    """A point of the chart, that share of its width from the left."""
    page.locator(".chart").scroll_into_view_if_needed()
    box = page.locator(".chart").bounding_box()
    assert box
    return box["x"] + box["width"] * share, box["y"] + box["height"] * 0.4


def test_the_wheel_scrolls_the_page_until_the_visitor_is_in_the_chart(bitcoin: Page) -> None:
    bitcoin.set_viewport_size({"width": 1000, "height": 500})
    bitcoin.evaluate("scrollTo(0, 200)")
    x, y = place_on_chart(bitcoin, 0.5)
    start, every = bitcoin.evaluate("scrollY"), shown_candles(bitcoin)
    bitcoin.mouse.move(x, y)
    bitcoin.mouse.wheel(0, -60)
    bitcoin.wait_for_function("start => scrollY < start", arg=start)
    assert shown_candles(bitcoin) == every
    bitcoin.mouse.move(*place_on_chart(bitcoin, 0.5))
    bitcoin.mouse.down()
    bitcoin.mouse.up()
    start = bitcoin.evaluate("scrollY")
    bitcoin.mouse.wheel(0, -240)
    expect(bitcoin.get_by_role("button", name="Show all")).to_be_visible()
    assert bitcoin.evaluate("scrollY") == start


def swipe(page: Page, across: int, down: int) -> None:
    """Move a finger over the chart, by that many pixels."""
    touch = page.context.new_cdp_session(page)
    x, y = place_on_chart(page, 0.3)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": left, "y": top} for left, top in points]}
        )

    send("touchStart", (x, y))
    for step in range(1, 11):
        send("touchMove", (x + across * step / 10, y + down * step / 10))
    send("touchEnd")
    touch.detach()


#: Whether the page has stood where it is for some drawings.
AT_REST = """() => {
  if (scrollY !== window.stoodAt) { window.stood = 0; window.since = performance.now(); }
  window.stood += 1;
  window.stoodAt = scrollY;
  return window.stood > 20 && performance.now() - window.since > 500;
}"""


def test_a_finger_that_moves_down_scrolls_the_page_and_one_that_moves_sideways_the_chart(bitcoin: Page) -> None:
    bitcoin.set_viewport_size({"width": 390, "height": 700})
    chart = bitcoin.locator(".chart")
    chart.focus()
    for _ in range(3):
        bitcoin.keyboard.press("+")
    expect(bitcoin.get_by_role("button", name="Show all")).to_be_visible()
    chart.evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    start, view = bitcoin.evaluate("scrollY"), str(chart.get_attribute("aria-label"))
    swipe(bitcoin, 0, 150)
    bitcoin.wait_for_function("start => scrollY < start - 60", arg=start)
    expect(chart).to_have_attribute("aria-label", view)
    bitcoin.wait_for_function(AT_REST)
    start = bitcoin.evaluate("scrollY")
    swipe(bitcoin, 120, 0)
    expect(chart).not_to_have_attribute("aria-label", view)
    assert abs(bitcoin.evaluate("scrollY") - start) < 30


def test_range_kind_and_scale_stand_in_the_address_and_ranges_are_walked_back(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.goto(f"{live_site.url}/coin/bitcoin/?days=90&chart=line&scale=log")
    notes = page.locator("spot-candles .chart-note").first
    expect(notes).to_contain_text("4-day candles")
    expect(page.get_by_role("button", name="Line")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Log")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name=re.compile("^90 D"))).to_have_text(re.compile("4 d$"))
    page.get_by_role("button", name="1 D", exact=True).click()
    expect(notes).to_contain_text("30-minute candles")
    expect(page.get_by_role("button", name=re.compile("^1 D"))).to_have_text(re.compile("30 min$"))
    page.go_back()
    expect(notes).to_contain_text("4-day candles")
    expect(page.get_by_role("button", name=re.compile("^90 D"))).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Candles").click()
    page.get_by_role("button", name="Log").click()
    expect(page).to_have_url(re.compile(r"/coin/bitcoin/\?days=90$"))


def test_everything_stays_in_view_when_the_window_has_another_size(bitcoin: Page) -> None:
    for width in (700, 1200):
        bitcoin.set_viewport_size({"width": width, "height": 800})
        bitcoin.wait_for_function("() => document.querySelector('.chart canvas').getBoundingClientRect().width > 0")
        expect(bitcoin.locator(".chart")).to_have_attribute("aria-label", re.compile(": 180 of 180 candles"))
        expect(bitcoin.get_by_role("button", name="Show all")).to_be_hidden()


def test_the_list_of_keys_has_those_of_the_chart(bitcoin: Page) -> None:
    bitcoin.keyboard.press("?")
    expect(bitcoin.get_by_role("dialog", name="Keyboard")).to_contain_text("Step through the candles")


def test_the_last_candle_is_said_to_be_open_and_until_when(bitcoin: Page) -> None:
    notes = bitcoin.locator("spot-candles .chart-note").first
    expect(notes).to_contain_text(re.compile(r"drawn hollow, is still open: it ends at .*:00:00 (GMT|CES?T)"))


def test_candles_that_are_missing_are_left_blank_and_counted(page: Page, live_site: LiveSite, watch: Watch) -> None:
    def cut(frame: dict[str, Any]) -> None:
        if frame["type"] == "snapshot":
            del frame["data"][50:70]
            del frame["data"][60]

    rewritten(page, "historical-ohlcv", cut)
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator("spot-candles .chart-note").first).to_contain_text("21 candles are missing and left blank")
    whole = painted_between(page, 0.05, 0.25)
    assert painted_between(page, 0.285, 0.36) < whole / 20
    page.get_by_role("button", name="Line").click()
    page.mouse.move(5, 5)
    expect(page.get_by_role("button", name="Line")).to_have_attribute("aria-pressed", "true")
    assert painted_between(page, 0.285, 0.36) < whole / 20
    watch.forgive("Canvas2D: Multiple readback")


def painted_between(page: Page, left: float, right: float) -> int:
    """How many strongly coloured pixels the prices' pane has between two shares of its width."""
    return int(
        page.evaluate(
            """([left, right]) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
                const area = ({ width, height }) => width * height;
                const canvas = [...document.querySelectorAll('.chart canvas')].sort((a, b) => area(b) - area(a))[0];
                const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                let sum = 0;
                for (let n = 0; n < data.length; n += 4) {
                    const x = (n / 4 % width) / width;
                    const [r, g, b] = [data[n], data[n + 1], data[n + 2]];
                    sum += x >= left && x < right && data[n + 3] > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60;
                }
                done(sum);
            })))""",
            [left, right],
        )
    )


@pytest.mark.parametrize(
    ("basis", "words", "pane"),
    [
        ("interval", "Volume: what was traded within each candle", "Vol"),
        ("none", "The source has no volume", None),
        ("something new", "the source does not say", "Vol"),
    ],
)
def test_each_kind_of_volume_has_its_own_words(
    page: Page, live_site: LiveSite, watch: Watch, basis: str, words: str, pane: str | None
) -> None:
    rewritten(page, "historical-ohlcv", lambda frame: frame.update(volume_basis=basis))
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator("spot-candles .chart-note").first).to_contain_text(words)
    legend = page.locator(".chart-legend")
    expect(legend.locator("b").last).to_have_text(pane or "C")
    expect(legend).not_to_contain_text("24 h")


def test_the_source_that_a_panel_names_changes_with_its_data(page: Page, live_site: LiveSite, watch: Watch) -> None:
    name = "First"

    def relabel(frame: dict[str, Any]) -> None:
        if frame["type"] in ("snapshot", "delta"):
            frame["source_label"] = name

    rewritten(page, "ticker-tape", relabel)
    page.goto(f"{live_site.url}/coin/bitcoin/")
    source = page.locator("spot-quote .foot-source")
    expect(source).to_have_text("First")
    name = "Second"
    expect(source).to_have_text("Second")


def test_a_price_that_is_disputed_is_told_beside_the_one_shown(page: Page, live_site: LiveSite, watch: Watch) -> None:
    other = {"id": "bitcoin", "source": "acme", "price": 110.0, "shown": 100.0, "percent": 10.0}
    rewritten(page, "ticker-tape", lambda frame: frame.update(disputed=[{**other, "id": "ethereum"}, other]))
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".quote-disputed")).to_have_text(re.compile(r"^acme streams \$110 \(\+10.00%\): too far"))


def test_numbers_have_all_their_digits_in_a_tooltip_and_missing_ones_a_reason(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    def blank(frame: dict[str, Any]) -> None:
        given = {"market_cap": None, "volume_24h": 1234567890123.5, "price_change_1y": None}
        if frame["type"] == "snapshot":
            frame["data"][0] |= given
        for fields in (frame.get("changed") or {}).values():
            fields |= {name: value for name, value in given.items() if name in fields}

    rewritten(page, "ticker-tape", blank)
    page.goto(f"{live_site.url}/coin/bitcoin/")
    facts = page.locator(".quote-facts div")
    expect(facts.filter(has_text="Market cap").locator("dd")).to_have_attribute("title", "The source does not say")
    expect(facts.filter(has_text="1 y").locator("[title]")).to_have_attribute("title", "The source does not say")
    volume = facts.filter(has_text="24 h volume").locator("dd")
    expect(volume).to_have_attribute("title", re.compile(r"^\$[\d,]{9,}"))


def test_times_are_those_of_the_zone_that_the_visitor_chose(
    page: Page, live_site: LiveSite, watch: Watch, tmp_path: Path
) -> None:
    page.add_init_script("localStorage.setItem('spot:timeZone', '\"Asia/Kathmandu\"')")
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".chart-legend")).to_contain_text(re.compile(r":45:00 GMT\+5:45, still open"))
    _, rows = downloaded(page, tmp_path)
    assert {row["time_local"][-6:] for row in rows} == {"+05:45"}
    assert {row["time_utc"][-1] for row in rows} == {"Z"}


def test_a_price_of_a_millionth_has_digits_in_text_and_axis(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/coin/pepe/")
    expect(page.locator(".quote-price")).to_have_text(re.compile("^\\$0\\.0[₀-₉]\\d+$"))
    expect(page.locator(".chart-legend")).to_contain_text(re.compile("C\\$0\\.0[₀-₉]\\d+"))


def test_an_unknown_coin_is_not_found_and_its_symbol_leads_to_the_coin(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".quote-price")).to_contain_text("$")  # by now the lists are known
    answer = page.goto(f"{live_site.url}/coin/BTC/")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no coin btc")
    assert page.locator(".badge").count() == 0
    page.get_by_role("link", name="Bitcoin").click()
    expect(page).to_have_url(re.compile("/coin/bitcoin/$"))
    watch.forgive("404")


def test_a_coin_that_turns_out_not_to_exist_is_no_lost_connection(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".quote-price")).to_contain_text("$")
    page.evaluate(
        """() => {
          const quote = document.querySelector("spot-quote");
          quote.setAttribute("coin", "nonesuch");
          quote.remove();
          quote.feeds = [];
          document.querySelector(".coin-page").prepend(quote);
        }"""
    )
    expect(page.locator("spot-quote .panel-message")).to_contain_text("No coin has the id 'nonesuch'.")
    expect(page.locator("spot-quote .panel-message")).not_to_contain_text("unknown_coin")
    expect(page.locator(".badge")).to_have_text("Demo")


def test_the_last_candle_follows_the_price_of_the_page(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".chart-note").first).to_contain_text("follows the price above")
    for _ in range(2):
        price = page.locator(".quote-price").inner_text()
        expect(page.locator(".chart-legend")).to_contain_text(f"C{price}")
        expect(page.locator(".quote-price")).not_to_have_text(price)


def test_what_cannot_be_a_coin_is_not_found(page: Page, live_site: LiveSite) -> None:
    for path in ("..%2f..", "a%20b", "%00", "x" * 101):
        response = page.request.get(f"{live_site.url}/coin/{path}/")
        assert response.status == 404, path


def test_the_coin_page_fits_a_phone(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.set_viewport_size({"width": 320, "height": 844})
    page.goto(f"{live_site.url}/coin/pepe/?vs=btc&days=365&scale=log")
    expect(page.locator(".chart-legend")).to_contain_text("O")
    expect(page.locator(".quote-price")).to_contain_text("BTC")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
