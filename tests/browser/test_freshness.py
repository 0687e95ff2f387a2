"""What the page says about the age of its data and about its connection."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite, get, wait_until

PANELS = ("spot-ticker", "spot-heatmap", "spot-movers", "spot-market")
BADGE = ".badge"


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_where_its_data_come_from_and_how_old_they_are(dashboard: Page, panel: str) -> None:
    foot = dashboard.locator(f"{panel} .panel-foot")
    expect(foot).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d (GMT[+]\d|CES?T)"))
    expect(foot).to_contain_text(re.compile(r"\d+ (s|min) ago"))
    assert foot.locator(".foot-source").inner_text().strip()


def time_that_stands(site: LiveSite) -> str | None:
    """The `as_of` of the newest market as pages write it, if two fetches in a row brought the same one."""
    first = market_times(site)
    second = wait_until(lambda: times if (times := market_times(site))[1] > first[1] else None, what="another fetch")
    if first[0] != second[0]:
        return None
    return datetime.fromtimestamp(first[0] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def market_times(site: LiveSite) -> tuple[int, int]:
    """`as_of` and `fetched_at` of the newest market."""
    _, frame = get(site.twin("market?per_page=1&envelope=1"))
    return frame["as_of"], frame["fetched_at"]


def test_a_frozen_feed_turns_stale_while_its_age_counts_on_and_comes_back(dashboard: Page, live_site: LiveSite) -> None:
    live_site.sandbox.fault("/coins/markets", "frozen")
    market = dashboard.locator("spot-market")
    as_of = wait_until(lambda: time_that_stands(live_site), what="two fetches of the same time")
    expect(market.locator("time")).to_have_attribute("datetime", as_of)
    expect(market).to_have_attribute("data-state", "stale")
    expect(market.locator(".tag")).to_have_text("Stale")
    expect(dashboard.locator(BADGE)).to_have_text("Stale")
    stamp = market.locator("time").inner_text()
    age = market.locator("time + span").inner_text()
    expect(market.locator("time + span")).not_to_have_text(age)
    expect(market.locator("time")).to_have_text(stamp)
    expect(market.locator("time")).to_have_attribute("datetime", as_of)
    expect(market.locator("tbody tr")).to_have_count(25)
    live_site.sandbox.heal()
    expect(market).to_have_attribute("data-state", "demo")
    expect(dashboard.locator(BADGE)).to_have_text("Demo")


def test_a_killed_server_is_noticed_counted_down_and_found_again(
    dashboard: Page, live_site: LiveSite, watch: Watch
) -> None:
    dashboard.get_by_label("Search coins").fill("bitcoin")
    expect(dashboard.locator(".pager-where")).not_to_contain_text("of 500")
    live_site.stop("web", signal.SIGKILL)
    expect(dashboard.locator(BADGE)).to_have_text(re.compile(r"Reconnecting(…| in \d+ s)"))
    expect(dashboard.get_by_role("button", name="Retry now")).to_be_visible()
    expect(dashboard.locator("spot-market .tag")).to_have_text("Not connected")
    expect(dashboard.locator("spot-market .coin-name").first).to_have_text("Bitcoin")
    dashboard.set_viewport_size({"width": 390, "height": 844})
    assert dashboard.evaluate("document.documentElement.scrollWidth") <= 390
    live_site.start("web")
    expect(dashboard.locator(BADGE)).to_have_text("Demo")
    expect(dashboard.locator("spot-market .coin-name").first).to_have_text("Bitcoin")
    expect(dashboard.locator(".pager-where")).not_to_contain_text("of 500")
    watch.forgive(r"WebSocket connection to .* failed")
