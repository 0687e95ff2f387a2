"""The dashboard as somebody has it open all day: providers change, connections drop, values age, and there may be no
mouse."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from providers.sandbox import Sandbox
from standins.coinmarketcap import Coinmarketcap
from tests.browser.conftest import Watch, texts
from tests.browser.test_access import findings
from tests.live import LiveSite, wait_until

KEY = "7d0c1f7e-30a1-4c54-9a43-5b1f6c1d2e90"
FIRST, SECOND = "CoinGecko", "CoinMarketCap"
COINS = "spot-market tbody .coin-name"
SCRIPTS_AT_MOST = 120_000  # bytes, compressed


def names(page: Page) -> list[str]:
    return texts(page, COINS)


# --- the provider changes ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[Sandbox, Coinmarketcap]]:
    """One that answers until it is told not to, and one that would do instead."""
    with Sandbox(seed=7) as first, Coinmarketcap(key=KEY) as second:
        second.per_minute = 10_000
        yield first, second


@pytest.fixture(scope="module")
def site(make_site: Callable[..., LiveSite], providers: tuple[Sandbox, Coinmarketcap]) -> Iterator[LiveSite]:
    """A site that has both, and knows who is who."""
    first, second = providers
    free = {f"{name}_CALLS_PER_{per}": "0" for name in ("COINGECKO", "COINMARKETCAP") for per in ("MINUTE", "MONTH")}
    site = make_site(
        SPOT_DEMO="off",
        COINGECKO_BASE_URL=first.url,
        COINMARKETCAP_BASE_URL=second.url,
        COINMARKETCAP_API_KEY=KEY,
        COINMARKETCAP_PLAN="startup",
        **free,
    )
    wait_until(lambda: "assets mapped" in site.log("worker"), what="the map of ids")
    yield site
    site.close()


def test_another_provider_takes_over_and_the_page_says_so_once_and_shows_no_key(
    page: Page, site: LiveSite, providers: tuple[Sandbox, Coinmarketcap]
) -> None:
    heard: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    page.goto(f"{site.url}/")
    source, card = page.locator("spot-market .foot-source"), page.get_by_label("Notices").locator("p")
    expect(page.locator(".badge")).to_have_text("Live")
    expect(source).to_have_text(FIRST)
    providers[0].faults.add("/", "status", status=503)
    expect(card).to_contain_text(SECOND)
    expect(card).to_have_count(1)
    expect(card).to_contain_text(FIRST)
    for panel in ("spot-market", "spot-heatmap", "spot-ticker"):
        expect(page.locator(f"{panel} .foot-source")).to_have_text(SECOND)
    expect(card).to_have_count(1)
    expect(page.locator(COINS).first).to_have_text("Bitcoin")
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])")
    for where in (page.content(), kept, *heard):
        assert KEY not in where


# --- the connection drops ---------------------------------------------------------------------------------------------


@pytest.fixture
def lines(page: Page) -> list[WebSocketRoute]:
    """The page's sockets, which a test may cut."""
    found: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(route.send)
        route.on_message(server.send)
        found.append(route)

    page.route_web_socket(re.compile("/ws/"), through)
    return found


def test_what_one_looked_at_is_still_there_when_the_connections_come_back(
    page: Page, live_site: LiveSite, watch: Watch, lines: list[WebSocketRoute]
) -> None:
    page.goto(f"{live_site.url}/?sort=price&order=desc&page=3")
    where = page.locator(".pager-where")
    expect(where).to_contain_text("page 3 of 20")
    page.locator("spot-market tbody tr").nth(12).scroll_into_view_if_needed()
    scrolled, opened = page.evaluate("scrollY"), len(lines)
    assert scrolled > 0
    for line in list(lines):
        line.close(code=1012, reason="restarting")
    page.wait_for_function("() => document.querySelector('.badge').dataset.state === 'reconnecting'")
    assert len(names(page)) == 25
    expect(page.locator(".badge")).to_have_text("Demo")
    assert len(lines) >= 2 * opened
    expect(where).to_contain_text("page 3 of 20")
    expect(page.locator("th.col-price")).to_have_attribute("aria-sort", "descending")
    assert page.evaluate("scrollY") == scrolled


def test_values_that_are_old_look_it(page: Page, live_site: LiveSite, watch: Watch) -> None:
    def aged(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda text: route.send(str(text).replace('"stale":false', '"stale":true')))

    page.route_web_socket(re.compile("/ws/market"), aged)
    page.goto(f"{live_site.url}/")
    expect(page.locator("spot-market .tag")).to_have_text("Stale")
    colours = "panel => getComputedStyle(panel.querySelector('.panel-body')).filter"
    page.wait_for_function(f"() => ({colours})(document.querySelector('spot-market')) === 'grayscale(0.75)'")
    assert page.locator("spot-heatmap").evaluate(colours) == "none"
    page.emulate_media(reduced_motion="reduce")
    assert findings(page) == []
    assert page.locator("spot-market td .flash").count() == 0


# --- there is no mouse ------------------------------------------------------------------------------------------------

#: Notes what has had the focus, and whether that could be seen.
FOLLOW = """() => {
    window.focused = new Set();
    window.unseen = [];
    const name = (one) => `${one.localName}.${one.className} ${(one.ariaLabel ?? one.textContent).trim().slice(0, 30)}`;
    const open = (one) => !one.disabled && !one.closest("[inert]") && one.checkVisibility({ visibilityProperty: true });
    const every = () => [...document.querySelectorAll("a[href], button, input, select, [tabindex='0']")];
    window.stops = () => every().filter((one) => one.tabIndex >= 0 && open(one));
    window.missed = () => window.stops().filter((one) => !window.focused.has(one)).map(name);
    document.addEventListener("focusin", ({ target }) => {
        window.focused.add(target);
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(target);
        const ringed = (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
        if (!ringed && target.id !== "main") window.unseen.push(name(target));
    });
}"""


@pytest.mark.parametrize("path", ["/", "/coin/bitcoin/"])
def test_everything_is_reached_with_the_tabulator_and_the_focus_can_be_seen(
    page: Page, live_site: LiveSite, watch: Watch, path: str
) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_site.url}{path}")
    expect(page.locator(".panel[data-empty]:not(spot-listings)")).to_have_count(0)
    page.keyboard.press("p")  # rows that come and go meanwhile are not the point
    page.evaluate(FOLLOW)
    stops = page.evaluate("window.stops().length")
    assert stops > 10
    for _ in range(stops + 20):
        page.keyboard.press("Tab")
    assert page.evaluate("window.missed()") == []
    assert page.evaluate("window.unseen") == []


def test_a_day_of_work_without_a_mouse(page: Page, live_site: LiveSite, watch: Watch) -> None:
    """Search, open a coin, choose a range, come back: nothing but keys."""
    page.goto(f"{live_site.url}/")
    expect(page.locator("spot-market tbody tr")).to_have_count(25)
    page.keyboard.press("/")
    page.keyboard.type("solana")
    expect(page.locator(COINS).first).to_have_text("Solana")
    link = page.locator("spot-market tbody a.coin").first
    for _ in range(30):
        if link.evaluate("link => link === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/coin/solana/"))
    day = page.get_by_role("button", name=re.compile("^1 D"))
    expect(day).to_be_visible()
    for _ in range(30):
        if day.evaluate("button => button === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(day).to_have_attribute("aria-pressed", "true")
    page.go_back()
    page.go_back()
    expect(page.get_by_label("Search coins")).to_have_value("solana")
    expect(page.locator(COINS).first).to_have_text("Solana")


def test_two_fingers_enlarge_the_map_and_nothing_else(dashboard: Page) -> None:
    frame = dashboard.locator(".map").bounding_box()
    assert frame
    middle, height = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    devtools = dashboard.context.new_cdp_session(dashboard)

    def fingers(kind: str, apart: float = 0) -> None:
        places = [{"x": middle - apart, "y": height, "id": 0}, {"x": middle + apart, "y": height, "id": 1}]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places if apart else []})

    tile = "document.querySelector('spot-heatmap').tile('bitcoin').width"
    before = dashboard.evaluate(tile)
    fingers("touchStart", 40)
    for apart in range(50, 130, 10):
        fingers("touchMove", apart)
    fingers("touchEnd")
    dashboard.wait_for_function(f"before => {tile} > before * 2", arg=before)
    expect(dashboard.get_by_role("button", name="Reset")).not_to_have_attribute("aria-disabled", "true")
    assert dashboard.evaluate("[visualViewport.scale, scrollY]") == [1, 0]


# --- what a page costs ------------------------------------------------------------------------------------------------


def test_the_dashboard_sends_little_javascript_and_no_chart_library(dashboard: Page, watch: Watch) -> None:
    addresses = {address for address in watch.requests if urlsplit(address).path.endswith(".js")}
    bodies = [dashboard.request.get(address).body() for address in addresses]
    assert bodies
    assert sum(len(gzip.compress(body)) for body in bodies) <= SCRIPTS_AT_MOST
    assert not any(b"TradingView" in body for body in bodies)
