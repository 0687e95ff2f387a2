"""The market map as a visitor uses it: looking, pointing, walking, zooming, and reading it as a table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, WebSocketRoute, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite, wait_until

MINUS = "\u2212"
NONE = "\u2013"
MAP = ".map"
FOCUSED = ".tile-focused"
STABLE = ("tether", "usd-coin", "dai")


def tile(page: Page, coin: str) -> dict[str, Any]:
    """What is drawn for a coin: symbol, text, step of colour, and its box in the window."""
    found = page.evaluate("coin => document.querySelector('spot-heatmap').tile(coin)", coin)
    assert found is not None, f"{coin} has no tile"
    return dict(found)


def shown(page: Page) -> dict[str, dict[str, Any]]:
    """Every tile by its coin."""
    return dict(
        page.evaluate("""() => {
          const map = document.querySelector("spot-heatmap");
          return Object.fromEntries(map.shown.map(id => [id, map.tile(id)]));
        }""")
    )


def choose(page: Page, label: str, value: str) -> None:
    page.locator("spot-heatmap").get_by_label(label, exact=True).select_option(value)


def expect_tiles(page: Page, count: int) -> None:
    expect(page.locator(MAP)).to_have_attribute("data-tiles", str(count))


def settle(page: Page) -> None:
    """Until tiles have stopped gliding: their places are then what is on the screen."""
    page.wait_for_function("() => document.querySelector('spot-heatmap').map.mosaic.glideFrom == null")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two CSS colours, as the accessibility guidelines (WCAG 2) reckon it."""

    def light(colour: str) -> float:
        shares = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def middle(page: Page, coin: str) -> tuple[float, float]:
    box = tile(page, coin)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


#: The colour on the canvas in the upper left corner of a coin's tile, as [red, green, blue, alpha].
PIXEL = """coin => {
  const { x, y } = document.querySelector("spot-heatmap").tile(coin);
  const canvas = document.querySelector(".map canvas");
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  const copy = new OffscreenCanvas(1, 1).getContext("2d");
  copy.drawImage(canvas, -Math.round((x - box.left + 3) * ratio), -Math.round((y - box.top + 3) * ratio));
  return [...copy.getImageData(0, 0, 1, 1).data];
}"""


def pixel(page: Page, coin: str) -> list[int]:
    return list(page.evaluate(PIXEL, coin))


def test_five_hundred_coins_keep_their_places_while_their_numbers_change(dashboard: Page) -> None:
    choose(dashboard, "Coins", "500")
    expect_tiles(dashboard, 500)
    settle(dashboard)
    before = shown(dashboard)
    dashboard.wait_for_function(
        "text => document.querySelector('spot-heatmap').tile('bitcoin').text !== text", arg=before["bitcoin"]["text"]
    )
    after = shown(dashboard)
    boxes = {coin: {side: box[side] for side in ("x", "y", "width", "height")} for coin, box in before.items()}
    assert {coin: {side: after[coin][side] for side in ("x", "y", "width", "height")} for coin in boxes} == boxes


@pytest.mark.parametrize("count", ["50", "100", "250", "500"])
def test_as_many_coins_are_shown_as_are_asked_for(dashboard: Page, count: str) -> None:
    choose(dashboard, "Coins", count)
    expect_tiles(dashboard, int(count))


def test_a_change_before_the_answer_does_not_pass_for_it(page: Page, live_site: LiveSite, watch: Watch) -> None:
    asked: list[str | bytes] = []

    def late(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def ask(text: str | bytes) -> None:
            (asked.append if "per_page" in str(text) else server.send)(text)

        def tell(text: str | bytes) -> None:
            route.send(text)
            if asked:
                server.send(asked.pop())

        route.on_message(ask)
        server.on_message(tell)

    page.route_web_socket(re.compile("/ws/coin-heatmap"), late)
    page.goto(f"{live_site.url}/")
    expect_tiles(page, 100)
    choose(page, "Coins", "250")
    expect_tiles(page, 250)


def test_the_size_is_what_is_picked(dashboard: Page) -> None:
    def area(coin: str) -> float:
        box = tile(dashboard, coin)
        return float(box["width"] * box["height"])

    def becomes(ratio: float, what: str) -> None:
        wait_until(lambda: area("bitcoin") / area("ethereum") == pytest.approx(ratio, rel=0.02), what=what)

    by_cap = area("bitcoin") / area("ethereum")
    choose(dashboard, "Size", "root")
    becomes(by_cap**0.5, "tiles by the root of the market cap")
    choose(dashboard, "Size", "volume")
    dashboard.wait_for_function(
        """() => {
          const map = document.querySelector("spot-heatmap");
          return map.tile("tether").width > map.tile("ripple").width;
        }"""
    )
    choose(dashboard, "Size", "equal")
    becomes(1.0, "tiles of one size")


def test_sets_leave_out_what_they_say_and_still_show_as_many(dashboard: Page) -> None:
    assert {"bitcoin", *STABLE} <= shown(dashboard).keys()
    choose(dashboard, "Which coins", "no_btc")
    dashboard.wait_for_function("() => !document.querySelector('spot-heatmap').shown.includes('bitcoin')")
    expect_tiles(dashboard, 100)
    choose(dashboard, "Which coins", "no_stable")
    dashboard.wait_for_function("() => !document.querySelector('spot-heatmap').shown.includes('tether')")
    expect_tiles(dashboard, 100)
    without = shown(dashboard).keys()
    assert "bitcoin" in without
    assert not without & set(STABLE)


def test_tiles_are_coloured_by_the_window_that_is_picked(dashboard: Page) -> None:
    day = {coin: box["text"] for coin, box in shown(dashboard).items()}
    choose(dashboard, "Colour", "30d")
    expect(dashboard.locator(".legend li").first).to_have_text(f"≤ {MINUS}30%")
    dashboard.wait_for_function(
        "text => document.querySelector('spot-heatmap').tile('bitcoin').text !== text", arg=day["bitcoin"]
    )
    month = shown(dashboard)
    assert {coin: box["text"] for coin, box in month.items()} != day
    for box in month.values():
        text, step = box["text"], box["step"]
        assert (step == "none") == (text == NONE or text.endswith("old"))
        assert step in ("none", "0") or (int(step) > 0) == (text[0] == "+"), (step, text)


def test_what_is_drawn_is_the_colour_of_the_legend(dashboard: Page) -> None:
    settle(dashboard)
    swatches = dashboard.evaluate("""() => Object.fromEntries([...document.querySelectorAll(".legend li")].map(
        item => [item.dataset.step, getComputedStyle(item).backgroundColor]))""")
    for coin in ("bitcoin", "ethereum", "tether", "solana"):
        colour = f"rgb({', '.join(str(part) for part in pixel(dashboard, coin)[:3])})"
        assert colour == swatches[tile(dashboard, coin)["step"]]


def test_pointing_at_a_step_of_the_legend_dims_the_other_tiles(dashboard: Page) -> None:
    settle(dashboard)
    step = tile(dashboard, "bitcoin")["step"]
    other = next(coin for coin, box in shown(dashboard).items() if box["step"] != step and box["width"] > 20)
    lit, dimmed = pixel(dashboard, "bitcoin"), pixel(dashboard, other)
    dashboard.locator(f".legend li[data-step='{step}'] button").focus()
    dashboard.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert pixel(dashboard, "bitcoin") == lit
    assert pixel(dashboard, other)[3] < 100 < dimmed[3]
    dashboard.get_by_label("Search coins").focus()
    dashboard.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert pixel(dashboard, other)[3] == 255


each_look = pytest.mark.parametrize(
    "look", [(palette, scheme) for palette in ("green-red", "red-green", "blue-orange") for scheme in ("dark", "light")]
)


def wear(page: Page, look: tuple[str, str]) -> None:
    """Open pages in a palette and a colour scheme from now on."""
    palette, scheme = look
    page.add_init_script(f"localStorage.setItem('spot:palette', {json.dumps(json.dumps(palette))})")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")


@each_look
def test_text_on_tiles_can_be_read_in_every_palette(
    page: Page, live_site: LiveSite, watch: Watch, look: tuple[str, str]
) -> None:
    wear(page, look)
    page.goto(f"{live_site.url}/")
    expect_tiles(page, 100)
    looks = page.evaluate("() => document.querySelector('spot-heatmap').map.mosaic.colours")
    ratios = [contrast(look["ink"], look["back"]) for look in looks.values()]
    assert len(ratios) == 10
    ratios.append(contrast(looks["none"]["ink"], looks["none"]["stripe"]))
    assert min(ratios) >= 4.5


def test_the_canvas_follows_the_theme(dashboard: Page) -> None:
    settle(dashboard)
    dark = pixel(dashboard, "bitcoin")
    dashboard.emulate_media(color_scheme="light")
    dashboard.wait_for_function(
        f"""before => String(({PIXEL})("bitcoin")) !== before""", arg=",".join(str(part) for part in dark)
    )


def test_a_tile_tells_all_about_its_coin_to_the_pointer(dashboard: Page, watch: Watch) -> None:
    settle(dashboard)
    dashboard.mouse.move(*middle(dashboard, "ethereum"))
    card = dashboard.locator(".tooltip")
    expect(card).to_contain_text("Ethereum")
    expect(card).to_contain_text("ETH · rank 2")
    for label in ("Price", "1 h", "24 h", "7 d", "30 d", "1 y", "Market cap", "24 h volume"):
        expect(card.locator("dt").get_by_text(label, exact=True)).to_be_visible()
    expect(card).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    expect(card.locator("polyline")).to_have_attribute("points", re.compile(r"[\d.]+,[\d.]+ [\d.]+,"))
    dashboard.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_the_card_stays_inside_the_window(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_site.url}/?coins=50&size=equal")
    expect_tiles(page, 50)
    page.locator(MAP).scroll_into_view_if_needed()
    box = page.locator(MAP).bounding_box()
    assert box is not None
    for x, y in ((4, 4), (box["width"] - 4, 4), (4, box["height"] - 4), (box["width"] - 4, box["height"] - 4)):
        page.mouse.move(box["x"] + x, box["y"] + y)
        expect(page.locator(".tooltip")).to_be_visible()
        card = page.locator(".tooltip").bounding_box()
        assert card is not None
        assert 0 <= card["x"] <= card["x"] + card["width"] <= 390
        assert 0 <= card["y"] <= card["y"] + card["height"] <= 844


def test_the_map_is_walked_with_the_keyboard(dashboard: Page) -> None:
    focused = dashboard.locator(FOCUSED)
    dashboard.locator("spot-heatmap").get_by_role("button", name="Table").focus()
    dashboard.keyboard.press("Tab")
    expect(focused).to_be_focused()
    expect(focused).to_have_accessible_name(re.compile(r"Bitcoin \(BTC\), .*% over 24 h"))
    expect(dashboard.locator(".tooltip")).to_contain_text("Bitcoin")
    assert dashboard.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    dashboard.keyboard.press("ArrowRight")
    other = dashboard.evaluate("document.activeElement.dataset.coin")
    assert other not in (None, "bitcoin")
    dashboard.keyboard.press("End")
    last = dashboard.evaluate("document.activeElement.dataset.coin")
    assert last not in (other, "bitcoin")
    dashboard.keyboard.press("Home")
    expect(focused).to_have_attribute("data-coin", "bitcoin")
    dashboard.keyboard.press("ArrowRight")
    dashboard.keyboard.press("Escape")
    expect(dashboard.locator(".tooltip")).to_be_hidden()
    dashboard.keyboard.press("Enter")
    expect(dashboard).to_have_url(re.compile(f"/coin/{re.escape(other)}/$"))


def test_a_click_opens_the_coin_and_a_double_click_zooms(dashboard: Page) -> None:
    settle(dashboard)
    before = tile(dashboard, "ethereum")
    dashboard.mouse.dblclick(*middle(dashboard, "ethereum"))
    dashboard.wait_for_function(
        "width => document.querySelector('spot-heatmap').tile('ethereum').width > width * 1.5", arg=before["width"]
    )
    dashboard.get_by_role("button", name="Reset").click()
    expect(dashboard.get_by_role("button", name="Reset")).to_have_attribute("aria-disabled", "true")
    assert tile(dashboard, "ethereum") | {"text": ""} == before | {"text": ""}
    dashboard.mouse.click(*middle(dashboard, "ethereum"))
    expect(dashboard).to_have_url(re.compile("/coin/ethereum/$"))


def test_keys_zoom_and_the_walk_goes_on_outside_what_is_seen(dashboard: Page) -> None:
    settle(dashboard)
    dashboard.locator(FOCUSED).focus()
    before = tile(dashboard, "bitcoin")["width"]
    for _ in range(4):
        dashboard.keyboard.press("+")
    assert tile(dashboard, "bitcoin")["width"] == pytest.approx(before * 1.6**4, rel=0.01)
    expect(dashboard.get_by_role("button", name="Reset")).not_to_have_attribute("aria-disabled", "true")
    dashboard.keyboard.press("End")
    coin = dashboard.evaluate("document.activeElement.dataset.coin")
    box, frame = tile(dashboard, coin), dashboard.locator(MAP).bounding_box()
    assert frame is not None
    assert frame["x"] - 1 <= box["x"] <= box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    dashboard.keyboard.press("-")
    assert tile(dashboard, "bitcoin")["width"] == pytest.approx(before * 1.6**3, rel=0.01)
    dashboard.keyboard.press("0")
    assert tile(dashboard, "bitcoin")["width"] == pytest.approx(before)


def test_the_wheel_scrolls_the_page_until_the_map_has_the_focus(dashboard: Page) -> None:
    settle(dashboard)
    width = tile(dashboard, "bitcoin")["width"]
    dashboard.mouse.move(*middle(dashboard, "bitcoin"))
    dashboard.mouse.wheel(0, 60)
    dashboard.wait_for_function("() => scrollY > 0")
    assert tile(dashboard, "bitcoin")["width"] == width
    dashboard.locator(FOCUSED).evaluate("link => link.focus({ preventScroll: true })")
    scrolled = dashboard.evaluate("scrollY")
    dashboard.mouse.wheel(0, -120)
    dashboard.wait_for_function(
        "width => document.querySelector('spot-heatmap').tile('bitcoin').width > width * 1.1", arg=width
    )
    assert dashboard.evaluate("scrollY") == scrolled


def test_the_same_coins_are_a_table_one_click_away(dashboard: Page) -> None:
    coins = shown(dashboard)
    dashboard.locator("spot-heatmap").get_by_role("button", name="Table").click()
    rows = dashboard.locator("spot-heatmap tbody tr")
    expect(rows).to_have_count(100)
    expect(dashboard.locator(MAP)).to_be_hidden()
    links = dashboard.locator("spot-heatmap tbody a").evaluate_all("links => links.map(link => link.dataset.coin)")
    assert set(links) == coins.keys()
    expect(rows.first).to_contain_text("Bitcoin")
    assert "map=table" in dashboard.url
    dashboard.go_back()
    expect(dashboard.locator(MAP)).to_be_visible()
    expect_tiles(dashboard, 100)


def test_who_does_not_see_the_map_hears_a_summary_instead_of_its_tiles(dashboard: Page) -> None:
    tree = dashboard.locator(MAP).aria_snapshot()
    assert tree.count("link") == 1, tree
    expect(dashboard.locator(MAP)).to_have_accessible_description(
        re.compile(r"The 100 largest coins, .* Over 24 h, \d+ rose, \d+ fell and \d+ stood still")
    )


def test_the_address_brings_back_what_was_chosen(dashboard: Page) -> None:
    for label, value in (("Coins", "250"), ("Which coins", "no_stable"), ("Size", "root_volume"), ("Colour", "7d")):
        choose(dashboard, label, value)
    expect_tiles(dashboard, 250)
    dashboard.reload()
    expect_tiles(dashboard, 250)
    for label, value in (("Coins", "250"), ("Which coins", "no_stable"), ("Size", "root_volume"), ("Colour", "7d")):
        expect(dashboard.locator("spot-heatmap").get_by_label(label, exact=True)).to_have_value(value)
    assert "tether" not in shown(dashboard)


def test_dragging_the_zoomed_map_moves_it_and_opens_nothing(dashboard: Page) -> None:
    settle(dashboard)
    dashboard.get_by_role("button", name="Zoom in").click()
    dashboard.get_by_role("button", name="Zoom in").click()
    before = tile(dashboard, "bitcoin")
    frame = dashboard.locator(MAP).bounding_box()
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    dashboard.mouse.move(x, y)
    dashboard.mouse.down()
    dashboard.mouse.move(x + 30, y + 20, steps=4)
    dashboard.mouse.move(x + 60, y + 40, steps=4)
    dashboard.mouse.up()
    after = tile(dashboard, "bitcoin")
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((60, 40), abs=1)
    dashboard.wait_for_timeout(400)  # in which a click would have opened the coin
    assert "/coin/" not in dashboard.url


def touches(fingers: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """Fingers on the screen, as the browser hears of them."""
    at = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})


def test_two_fingers_zoom_and_a_tap_describes_before_it_opens(
    browser: Browser, browser_context_args: dict[str, Any], live_site: LiveSite
) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    with browser.new_context(**browser_context_args | phone) as context:
        page = context.new_page()
        page.goto(f"{live_site.url}/")
        expect_tiles(page, 50)
        centred = "map => map.scrollIntoView({ block: 'center', behavior: 'instant' })"
        page.locator(MAP).evaluate(centred)
        settle(page)
        x, y = middle(page, "bitcoin")
        width = tile(page, "bitcoin")["width"]
        fingers = context.new_cdp_session(page)
        touches(fingers, "touchStart", (x - 20, y), (x + 20, y))
        for apart in (30, 40, 50, 60):
            touches(fingers, "touchMove", (x - apart, y), (x + apart, y))
        touches(fingers, "touchEnd")
        assert tile(page, "bitcoin")["width"] > width * 2
        page.get_by_role("button", name="Reset").tap()
        page.locator(MAP).evaluate(centred)
        page.touchscreen.tap(*middle(page, "ethereum"))
        expect(page.locator(".tooltip")).to_contain_text("Ethereum")
        page.wait_for_timeout(700)  # two taps that are closer together are a double tap, which zooms
        assert "/coin/" not in page.url
        page.touchscreen.tap(*middle(page, "ethereum"))
        expect(page).to_have_url(re.compile("/coin/ethereum/$"))


def test_with_reduced_motion_tiles_do_not_glide(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_site.url}/")
    expect_tiles(page, 100)
    gliding = """() => new Promise((done) => {
      const { mosaic } = document.querySelector("spot-heatmap").map;
      const place = mosaic.place;
      mosaic.place = (places, glides) => { place.call(mosaic, places, glides); done(glides); };
    })"""
    page.evaluate(f"void (window.glided = ({gliding})())")
    choose(page, "Size", "equal")
    assert page.evaluate("window.glided") is False
    page.emulate_media(reduced_motion="no-preference")
    page.evaluate(f"void (window.glided = ({gliding})())")
    choose(page, "Size", "market_cap")
    assert page.evaluate("window.glided") is True


def lit(page: Page) -> str | None:
    """The step of colour to which the map is narrowed down."""
    step: str | None = page.evaluate("document.querySelector('spot-heatmap').map.mosaic.lit")
    return step


def test_reset_keeps_its_place_and_leaves_the_map_lit(dashboard: Page) -> None:
    settle(dashboard)
    reset = dashboard.get_by_role("button", name="Reset")
    before = reset.bounding_box()
    dashboard.get_by_role("button", name="Zoom in").click()
    assert reset.bounding_box() == before
    reset.click()
    assert reset.bounding_box() == before
    expect(reset).to_have_attribute("aria-disabled", "true")
    assert lit(dashboard) is None


def test_a_step_of_the_legend_that_comes_under_a_pointer_at_rest_dims_nothing(dashboard: Page) -> None:
    step = dashboard.locator(".legend li[data-step='1'] button")
    step.dispatch_event("pointerenter", {"screenX": 100, "screenY": 100})
    step.dispatch_event("pointermove", {"screenX": 100, "screenY": 100})
    assert lit(dashboard) is None
    step.dispatch_event("pointermove", {"screenX": 103, "screenY": 100})
    assert lit(dashboard) == "1"


def test_a_click_pins_a_step_says_so_and_can_be_undone(dashboard: Page) -> None:
    step = dashboard.locator(".legend li[data-step='-2'] button")
    step.click()
    dashboard.mouse.move(5, 5)
    expect(dashboard.locator(".map-pin")).to_contain_text(f"Only {MINUS}3 to {MINUS}1% is lit")
    assert lit(dashboard) == "-2"
    dashboard.get_by_role("button", name="Show all").click()
    expect(dashboard.locator(".map-pin")).to_be_hidden()
    expect(step).to_have_attribute("aria-pressed", "false")
    assert lit(dashboard) is None


def test_the_card_stands_beside_the_pointer(dashboard: Page) -> None:
    settle(dashboard)
    box = tile(dashboard, "bitcoin")
    for share in (0.15, 0.6):
        x, y = box["x"] + box["width"] * share, box["y"] + box["height"] * 0.2
        dashboard.mouse.move(x, y)
        card = dashboard.locator(".tooltip").bounding_box()
        assert card is not None
        assert 0 <= card["x"] - x < 40


def test_a_coin_whose_price_has_stopped_is_not_coloured_as_a_change_of_today(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Pause updates").click()  # so that nothing but the test changes a row
    dashboard.evaluate("""() => {
      const map = document.querySelector("spot-heatmap");
      const row = map.feeds[0].view.rows.get("ethereum");
      map.feeds[0].view.rows.set("ethereum", { ...row, stale: true, as_of: Date.now() - 30.5 * 24 * 3600 * 1000 });
      map.redraw();
    }""")
    dashboard.wait_for_function("() => document.querySelector('spot-heatmap').tile('ethereum').text === '30 d old'")
    assert tile(dashboard, "ethereum")["step"] == "none"
    dashboard.mouse.move(*middle(dashboard, "ethereum"))
    expect(dashboard.locator(".tooltip")).to_contain_text(re.compile(r"Price of .*, 30 d old"))


def test_choices_are_kept_for_the_next_visit(dashboard: Page, live_site: LiveSite) -> None:
    choose(dashboard, "Colour", "7d")
    choose(dashboard, "Coins", "50")
    dashboard.goto(f"{live_site.url}/")
    expect_tiles(dashboard, 50)
    expect(dashboard).to_have_url(re.compile("colour=7d"))
    dashboard.goto(f"{live_site.url}/?colour=30d")
    expect_tiles(dashboard, 100)
