"""What the client does for a visitor: pause, hidden tabs, notices, keys; and the client on pages of other sites."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.blog import Blog
from tests.browser.conftest import PATIENCE, SECONDS, Watch, texts
from tests.live import LiveSite

PRICES = "spot-market td.col-price"
TYPED = "spot-market input[type=search]"
STATIC = "/static/spot/build"
NOTICE = {"type": "notice", "code": "source_changed", "message": "The data now come from Beta; before, from Alpha."}

#: Takes the place of what a browser knows about its tab; the page then hears that somebody has left or come back.
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
#: Counts how often the table is drawn, and how many of its numbers lit up with the first drawing.
COUNT_DRAWINGS = """() => {
    window.drawings = window.flashes = 0;
    const rows = document.querySelector("spot-market tbody");
    const drawn = () => { window.drawings += 1; window.first ??= window.flashes; };
    new MutationObserver(drawn).observe(rows, { subtree: true, characterData: true, childList: true });
    const animate = Element.prototype.animate;
    Element.prototype.animate = function (...given) {
        window.flashes += Number(rows.contains(this));
        return animate.apply(this, given);
    };
}"""
#: Whether some price of the table is another one than before.
MOVED = """([selector, before]) => [...document.querySelectorAll(selector)]
    .some((cell, n) => cell.innerText.trim() !== before[n])"""
#: Writes down what live regions say.
LISTEN = """() => {
    window.told = [];
    for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
        const heard = () => window.told.push(region.textContent);
        new MutationObserver(heard).observe(region, { subtree: true, characterData: true, childList: true });
    }
}"""


def prices(page: Page) -> list[str]:
    return texts(page, PRICES)


def wait_for_other_prices(page: Page, before: list[str]) -> None:
    page.wait_for_function(MOVED, arg=[PRICES, before])


# --- pause ------------------------------------------------------------------------------------------------------------


def test_a_key_pauses_everything_a_counter_says_what_waits_and_resuming_catches_up(dashboard: Page) -> None:
    dashboard.keyboard.press("p")
    counter = dashboard.locator(".pause-count")
    expect(dashboard.get_by_role("button", name="Resume updates")).to_be_visible()
    before = dashboard.locator("main").inner_text().split("\n")
    expect(counter).to_have_text(re.compile(r"[1-9]\d* waiting"))
    after = dashboard.locator("main").inner_text().split("\n")
    ages = re.compile(r"\d+ (s|min) ago")
    assert [ages.sub("", line) for line in after] == [ages.sub("", line) for line in before]
    held = prices(dashboard)
    dashboard.keyboard.press("p")
    wait_for_other_prices(dashboard, held)
    expect(counter).to_be_hidden()


def test_a_paused_page_says_how_old_what_it_shows_is(dashboard: Page) -> None:
    dashboard.keyboard.press("p")
    stamp = dashboard.locator("spot-market time").inner_text()
    seconds = int(dashboard.locator("spot-market time + span").inner_text().split()[0])
    dashboard.wait_for_function(
        "seconds => parseInt(document.querySelector('spot-market time + span').innerText) >= seconds", arg=seconds + 4
    )
    assert dashboard.locator("spot-market time").inner_text() == stamp
    expect(dashboard.locator("spot-market .tag")).to_have_text("Paused")


def test_what_the_visitor_asks_for_is_shown_even_while_paused(dashboard: Page) -> None:
    dashboard.keyboard.press("p")
    dashboard.locator(TYPED).fill("ethereum")
    expect(dashboard.locator("spot-market tbody .coin-name").first).to_have_text("Ethereum")
    expect(dashboard.get_by_role("button", name="Resume updates")).to_be_visible()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_question_mark_lists_the_keys_and_closing_gives_the_focus_back(dashboard: Page) -> None:
    button = dashboard.get_by_role("button", name="Pause updates")
    button.focus()
    dashboard.keyboard.press("?")
    keys = dashboard.get_by_role("dialog", name="Keyboard")
    expect(keys).to_contain_text("Pause or resume updates")
    dashboard.keyboard.press("p")
    dashboard.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    expect(button).to_be_focused()
    expect(button).to_be_visible()  # a key pressed in the list did nothing


def test_keys_are_letters_while_somebody_types(dashboard: Page) -> None:
    dashboard.keyboard.press("/")
    field = dashboard.locator(TYPED)
    expect(field).to_be_focused()
    field.press_sequentially("p?/")
    expect(field).to_have_value("p?/")
    expect(dashboard.get_by_role("dialog")).to_have_count(0)
    expect(dashboard.get_by_role("button", name="Pause updates")).to_be_visible()


def test_single_keys_can_be_switched_off_for_good(dashboard: Page) -> None:
    dashboard.keyboard.press("?")
    dashboard.get_by_label("Single keys").uncheck()
    dashboard.keyboard.press("Escape")
    dashboard.reload()
    expect(dashboard.locator("spot-market tbody tr")).to_have_count(25)
    dashboard.keyboard.press("p")
    dashboard.keyboard.press("?")  # the list stays to be found
    expect(dashboard.get_by_role("dialog", name="Keyboard")).to_be_visible()
    dashboard.keyboard.press("Escape")
    expect(dashboard.get_by_role("button", name="Pause updates")).to_be_visible()


# --- hidden tabs ------------------------------------------------------------------------------------------------------


def test_a_frozen_tab_hangs_up_and_is_fresh_once_it_is_seen(dashboard: Page, watch: Watch) -> None:
    dashboard.evaluate(HIDE, True)
    dashboard.evaluate("document.dispatchEvent(new Event('freeze'))")
    dashboard.wait_for_timeout(3 * SECONDS)  # in which prices move
    while not all(socket.is_closed() for socket in watch.sockets):
        dashboard.wait_for_timeout(100)
    held = prices(dashboard)
    dashboard.evaluate(COUNT_DRAWINGS)
    dashboard.evaluate(HIDE, False)
    dashboard.wait_for_function(MOVED, arg=[PRICES, held])
    assert dashboard.evaluate("window.drawings") <= 2  # one snapshot, perhaps one tick after it
    assert dashboard.evaluate("window.first") == 0
    expect(dashboard.locator(".badge")).to_have_text("Demo")


def test_a_tab_that_is_hidden_for_a_moment_keeps_its_connections(dashboard: Page, watch: Watch) -> None:
    opened = len(watch.sockets)
    dashboard.evaluate(HIDE, True)
    dashboard.wait_for_timeout(2 * SECONDS)
    dashboard.evaluate(HIDE, False)
    wait_for_other_prices(dashboard, prices(dashboard))
    assert len(watch.sockets) == opened
    assert not any(socket.is_closed() for socket in watch.sockets)


# --- the server's word ------------------------------------------------------------------------------------------------


@pytest.fixture
def intercepted(page: Page) -> list[WebSocketRoute]:
    """The page's sockets, through which a test may say things in the server's name."""
    routes: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(route.send)
        route.on_message(server.send)
        routes.append(route)

    page.route_web_socket(re.compile("/ws/"), through)
    return routes


def test_a_change_of_provider_is_announced_once_in_words(
    page: Page, live_site: LiveSite, watch: Watch, intercepted: list[WebSocketRoute]
) -> None:
    page.goto(f"{live_site.url}/")
    expect(page.locator("spot-market tbody tr")).to_have_count(25)
    assert len(intercepted) > 3
    for route in intercepted:
        route.send(json.dumps(NOTICE))
    card = page.get_by_label("Notices").locator("p")
    expect(card).to_have_count(1)
    expect(card).to_contain_text(NOTICE["message"])
    expect(page.get_by_role("status").filter(has_text=NOTICE["message"])).to_have_count(1)
    page.get_by_role("button", name="Dismiss this notice").click()
    expect(card).to_have_count(0)
    for route in intercepted:
        route.send(json.dumps(NOTICE))
    page.wait_for_timeout(500)
    expect(card).to_have_count(0)


def test_the_source_in_every_panel_changes_with_the_provider(page: Page, live_site: LiveSite, watch: Watch) -> None:
    def relabelled(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda text: route.send(str(text).replace('"Sandbox"', '"Beta"')))

    page.route_web_socket(re.compile("/ws/market"), relabelled)
    page.goto(f"{live_site.url}/")
    expect(page.locator("spot-market .foot-source")).to_have_text("Beta")
    expect(page.locator("spot-heatmap .foot-source")).to_have_text("Sandbox")


def test_a_screen_reader_is_not_told_of_every_tick(dashboard: Page) -> None:
    dashboard.evaluate(LISTEN)
    before = prices(dashboard)
    wait_for_other_prices(dashboard, before)
    dashboard.wait_for_timeout(5 * SECONDS)
    told = dashboard.evaluate("window.told.filter(Boolean)")
    assert [text for text in told if not text.startswith("Connection:")] == []  # a state that changed is worth a word


# --- a server that goes and comes -------------------------------------------------------------------------------------


def test_all_open_tabs_recover_without_a_reload_and_keep_their_views(
    dashboard: Page, context: BrowserContext, live_site: LiveSite, watch: Watch
) -> None:
    other = context.new_page()
    other.goto(f"{live_site.url}/?q=ethereum&sort=price&order=asc")
    expect(other.locator("spot-market tbody .coin-name").first).to_be_visible()
    for page in (dashboard, other):
        page.evaluate("window.mark = 1")
    live_site.stop("web", signal.SIGKILL)
    for page in (dashboard, other):
        expect(page.locator(".badge")).to_have_text(re.compile("Reconnecting"))
        expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    held = prices(dashboard)
    assert all(held)
    live_site.start("web")
    for page in (dashboard, other):
        expect(page.locator(".badge")).to_have_text("Demo")
        assert page.evaluate("window.mark") == 1
    expect(other.locator(TYPED)).to_have_value("ethereum")
    expect(other.locator("th.col-price")).to_have_attribute("aria-sort", "ascending")
    other.close()
    watch.forgive(r"WebSocket connection to .* failed")


# --- the address ------------------------------------------------------------------------------------------------------

#: What the visitor has chosen, as the controls of the page show it.
CHOSEN = """() => ({
    search: document.querySelector("spot-market input[type=search]").value,
    sorted: [...document.querySelectorAll("th[aria-sort]")].map((th) => [th.className, th.getAttribute("aria-sort")]),
    where: document.querySelector(".pager-where").textContent,
    names: [...document.querySelectorAll("spot-market tbody .coin-name")].slice(0, 3).map((name) => name.textContent),
    selects: [...document.querySelectorAll("select")].map(({ value }) => value),
    pressed: [...document.querySelectorAll("main [aria-pressed=true]")].map(({ textContent }) => textContent),
})"""


def settled(page: Page, wanted: object) -> None:
    """Wait until the page shows these choices; an assertion says how they differ."""
    expect(page.locator("spot-market tbody tr").first).to_be_visible()
    for _ in range(PATIENCE // 200):
        if page.evaluate(CHOSEN) == wanted:
            return
        page.wait_for_timeout(200)
    assert page.evaluate(CHOSEN) == wanted


def test_back_forward_and_a_pasted_address_restore_the_whole_view(
    dashboard: Page, browser: Browser, browser_context_args: dict[str, Any], watch: Watch
) -> None:
    fresh = dashboard.evaluate(CHOSEN)
    dashboard.locator("thead th.col-coin").get_by_role("button").first.click()
    expect(dashboard.locator("thead th.col-coin")).to_have_attribute("aria-sort", "ascending")
    dashboard.get_by_role("button", name="Next page").click()
    expect(dashboard.locator(".pager-where")).to_contain_text("page 2")
    dashboard.get_by_label("Colour", exact=True).select_option("7d")
    dashboard.locator("spot-movers").get_by_label("Window").select_option("7d")
    dashboard.get_by_label("Currency").select_option("eur")
    dashboard.locator(TYPED).fill("co")
    expect(dashboard.locator(".pager-where")).not_to_contain_text("of 500")
    expect(dashboard.locator("td.col-price").first).to_contain_text("€")
    chosen = dashboard.evaluate(CHOSEN)
    assert chosen != fresh

    elsewhere = browser.new_context(**browser_context_args)
    pasted = elsewhere.new_page()
    pasted.goto(dashboard.url)
    settled(pasted, chosen)
    elsewhere.close()

    dashboard.locator("spot-market tbody .coin-name").first.click()
    expect(dashboard).to_have_url(re.compile(r"/coin/.*vs=eur"))
    expect(dashboard.locator("spot-quote")).to_contain_text("€")
    dashboard.go_back()
    settled(dashboard, chosen)
    while "?" in dashboard.url:
        dashboard.go_back()
    settled(dashboard, fresh)
    dashboard.go_forward()
    expect(dashboard.locator("thead th.col-coin")).to_have_attribute("aria-sort", "ascending")


# --- on other sites' pages --------------------------------------------------------------------------------------------


@pytest.fixture
def blank(page: Page, blog: Blog) -> Callable[[str], Page]:
    """Shows a page of another site, with markup of the test's own."""

    def show(markup: str) -> Page:
        blog.markup = markup
        page.goto(blog.origin)
        return page

    return show


def test_the_client_stands_alone_on_a_page_of_another_site(blank: Callable[[str], Page], live_site: LiveSite) -> None:
    page = blank(f"""<pre></pre><script type="module">
        import {{ Feed }} from "{live_site.url}{STATIC}/client.js";
        const feed = new Feed("market", {{ page_size: 3, sparkline: false }});
        feed.addEventListener("frame", () => {{
          document.querySelector("pre").textContent = JSON.stringify([feed.condition().name, ...feed.rows()]);
        }});
        feed.open();
    </script>""")
    expect(page.locator("pre")).to_contain_text("Bitcoin")
    state, *rows = json.loads(page.locator("pre").inner_text())
    assert state == "demo"
    assert rows[0]["id"] == "bitcoin"
    assert {"Symbol", "Price", "24h Change (%)"} <= set(rows[0])


def test_an_embedded_ticker_shows_the_coins_and_the_theme_that_were_asked_for(
    blank: Callable[[str], Page], live_site: LiveSite, blog: Blog
) -> None:
    page = blank(f"""<script type="module" src="{live_site.url}{STATIC}/embed.js"></script>
        <spot-ticker coins="ethereum,bitcoin" theme="light" link="/coins/{{id}}"></spot-ticker>""")
    coins = page.locator("spot-ticker ul:not([inert]) a")
    expect(coins).to_have_count(2)
    expect(coins.first).to_contain_text(re.compile(r"ETH\s*\$[\d,.]+"))
    expect(coins.first).to_have_attribute("href", f"{blog.origin}/coins/ethereum")
    expect(page.locator("spot-ticker footer")).to_contain_text(re.compile(r"Demo.*Sandbox.*as of .* ago"))
    surface = (
        "getComputedStyle(document.querySelector('spot-ticker').shadowRoot.querySelector('section')).backgroundColor"
    )
    assert page.evaluate(surface) == "rgb(255, 255, 255)"
    page.evaluate("document.querySelector('spot-ticker').setAttribute('theme', 'dark')")
    assert page.evaluate(surface) != "rgb(255, 255, 255)"
    page.evaluate("document.querySelector('spot-ticker').setAttribute('coins', 'solana')")
    expect(coins).to_have_count(1)
    playing = "document.querySelector('spot-ticker').shadowRoot.querySelector('.track').getAnimations()[0].playState"
    page.wait_for_function(f"() => {playing} === 'running'")
    page.get_by_role("button", name="Pause the ticker").press("Enter")
    page.wait_for_function(f"() => {playing} === 'paused'")


def test_an_embedded_heatmap_shows_as_many_coins_as_its_limit_and_is_walked_by_keys(
    blank: Callable[[str], Page], live_site: LiveSite
) -> None:
    page = blank(f"""<script type="module" src="{live_site.url}{STATIC}/embed.js"></script>
        <spot-heatmap limit="30" window="7d"></spot-heatmap>""")
    tiles = page.locator("spot-heatmap .tile")
    expect(tiles).to_have_count(30)
    expect(tiles.first).to_contain_text("BTC")
    page.locator("spot-heatmap .tile[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    walked = page.evaluate("document.querySelector('spot-heatmap').shadowRoot.activeElement.href")
    assert walked.startswith(f"{live_site.url}/coin/")
    assert "/bitcoin/" not in walked
    page.evaluate("document.querySelector('spot-heatmap').setAttribute('coins', 'bitcoin,ethereum')")
    expect(tiles).to_have_count(2)


def test_an_embedded_element_works_under_a_strict_policy_of_its_page(
    blank: Callable[[str], Page], live_site: LiveSite, page: Page
) -> None:
    policy = f"default-src 'none'; script-src {live_site.url}; connect-src ws://127.0.0.1:{live_site.port}"
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    blank(f"""<meta http-equiv="Content-Security-Policy" content="{policy}; img-src data:">
        <script type="module" src="{live_site.url}{STATIC}/embed.js"></script>
        <spot-heatmap limit="5"></spot-heatmap>""")
    expect(page.locator("spot-heatmap .tile")).to_have_count(5)
    assert complaints == []


def test_a_page_that_is_not_allowed_gets_no_data_and_is_told_where_to_look(
    page: Page, live_site: LiveSite, blog: Blog
) -> None:
    blog.markup = (
        f"""<script type="module" src="{live_site.url}{STATIC}/embed.js"></script><spot-ticker></spot-ticker>"""
    )
    with page.expect_console_message(lambda message: "SPOT_ALLOWED_ORIGINS" in message.text):
        page.goto(blog.stranger)
    expect(page.locator("spot-ticker .message")).to_have_text("This page may not connect.")
    expect(page.locator("spot-ticker .state")).to_have_text("Not connected")
    expect(page.locator("spot-ticker li a")).to_have_count(0)


def test_an_attribute_that_says_nothing_is_told_on_the_console(
    blank: Callable[[str], Page], live_site: LiveSite, page: Page
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    blank(f"""<script type="module" src="{live_site.url}{STATIC}/embed.js"></script>
        <spot-heatmap limit="5000" window="5m" size="foo"></spot-heatmap>
        <spot-ticker coins="bitcoin,renamed-coin"></spot-ticker>""")
    expect(page.locator("spot-heatmap .tile")).to_have_count(500)
    assert [text.split(">")[0] for text in complaints] == [
        '<spot-heatmap limit="5000"',
        '<spot-heatmap window="5m"',
        '<spot-heatmap size="foo"',
    ]
    expect(page.locator("spot-ticker ul:not([inert]) a")).to_have_count(1)
    expect(page.locator("spot-ticker footer")).to_contain_text("1 coin is no longer listed: renamed-coin.")
