"""What the browser tests share. `live_site` and Chromium come from tests/conftest.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocket, expect

from tests.live import LiveSite

SECONDS = 1000

#: Long enough for a browser, a worker and a web server that share two busy cores with another such set.
PATIENCE = 60 * SECONDS

expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(trylast=True)  # pytest itself moves tests together that share a parameter, such as the browser's name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a browser, and puts them last: once one has run, Playwright keeps an event loop going
    in this thread, in which Django's synchronous side refuses to work. Just before them come the other files that use
    the live site, which takes a part of a core from its first test on."""
    for item in items:
        if _needs_browser(item):
            item.add_marker(pytest.mark.browser)
    live = {item.path for item in items if "live_site" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (_needs_browser(item), item.path in live))


def _needs_browser(item: pytest.Item) -> bool:
    return "playwright" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def base_url() -> None:
    """Tests give whole addresses. (The plugin's own fixture is written in a form that pytest deprecates.)"""


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Some place that is not the machine's, so that no test leans on where it runs."""
    return browser_context_args | {
        "viewport": {"width": 1440, "height": 900},
        "locale": "en-US",
        "timezone_id": "Europe/Zurich",
        "color_scheme": "dark",
    }


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """Pages of this context wait as long as `expect` does."""
    context.set_default_timeout(PATIENCE)
    return context


def texts(page: Page, selector: str) -> list[str]:
    """What stands in these elements at one moment. (A locator finds the elements and reads them in two steps, between
    which a frame may write new numbers, or put the rows into another order.)"""
    found: list[str] = page.evaluate(
        "selector => [...document.querySelectorAll(selector)].map(element => element.innerText.trim())", selector
    )
    return found


class Watch:
    """What a page did besides showing itself: console, failures, requests, messages sent over its sockets."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.sent: list[str] = []
        self.sockets: list[WebSocket] = []
        page.on(
            "console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        socket.on("framesent", lambda payload: self.sent.append(str(payload)))

    def page_requests(self) -> list[str]:
        """The HTTP requests so far but those for assets, such as an icon that the browser asks for when it likes."""
        return [url for url in self.requests if "/static/" not in url]

    def forgive(self, pattern: str) -> None:
        """Drop complaints that the test itself has caused."""
        self.complaints = [text for text in self.complaints if not re.search(pattern, text)]


@pytest.fixture
def watch(page: Page, live_site: LiveSite) -> Iterator[Watch]:
    """Every test of a page also proves this: no error, no violation of the content policy, no request elsewhere."""
    watch = Watch(page)
    yield watch
    assert watch.complaints == []
    home = urlsplit(live_site.url).netloc
    addresses = [*watch.requests, *(socket.url for socket in watch.sockets)]
    assert {urlsplit(address).netloc for address in addresses if not address.startswith(("data:", "blob:"))} <= {home}


@pytest.fixture(autouse=True)
def healthy_provider(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults end with the test that made them."""
    yield
    if "live_site" in request.fixturenames:
        request.getfixturevalue("live_site").sandbox.heal()


@pytest.fixture
def dashboard(page: Page, live_site: LiveSite, watch: Watch) -> Page:
    """The dashboard, with data in the table and on the map."""
    page.goto(f"{live_site.url}/")
    expect(page.locator("spot-market tbody tr")).to_have_count(25)
    expect(page.locator(".map")).to_have_attribute("data-tiles", "100")
    return page
