"""The visitor's own alerts: set on a coin's page and above the table, shown when they fire, stored here only."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite

#: A browser that has not been asked yet (one without a screen says that it was, and that the answer was no).
ASKED = """window.asked = 0;
Object.defineProperty(Notification, "permission", { value: "default" });
Notification.requestPermission = async () => { window.asked += 1; return "denied"; };"""


def test_an_alert_is_set_fires_and_stays_in_this_browser(page: Page, live_site: LiveSite, watch: Watch) -> None:
    posted: list[str] = []
    page.on("request", lambda request: request.method != "GET" and posted.append(request.url))
    page.add_init_script(ASKED)
    page.goto(f"{live_site.url}/coin/bitcoin/")
    opener = page.locator("spot-quote").get_by_role("button", name="Alert")
    opener.click()
    dialog = page.get_by_role("dialog", name="Alerts")
    expect(dialog.get_by_label("Value")).to_be_focused()
    dialog.get_by_label("Value").fill("1")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("already above $1. Choose a higher price.")
    expect(dialog.get_by_label("Value")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Condition").select_option("change")
    dialog.get_by_label("Value").fill("0.01")
    if (simulated := dialog.get_by_label(re.compile("Fire on simulated"))).is_visible():
        simulated.check()
    page.keyboard.press("Enter")
    expect(dialog.locator(".alerts-done")).to_have_text("Set: BTC moves by more than 0.01 % within 15 min.")
    page.keyboard.press("Escape")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[role=status]')].some((one) => /15 min, at/.test(one.textContent))"
    )
    page.goto(live_site.url)
    page.get_by_role("button", name=re.compile("^Alerts")).click()
    expect(dialog).to_contain_text(re.compile("Watching · last fired"))
    assert page.evaluate("window.asked") == 0
    dialog.get_by_role("button", name="Allow notifications").click()
    assert page.evaluate("window.asked") == 1
    dialog.get_by_role("button", name=re.compile("^Pause:")).click()
    expect(dialog.get_by_role("button", name=re.compile("^Resume:"))).to_be_focused()
    dialog.get_by_role("button", name=re.compile("^Delete:")).click()
    expect(dialog).to_contain_text("None yet.")
    assert posted == []
    assert not [message for message in watch.sent if "moves" in message or "above" in message]


def test_a_filter_of_the_table_can_be_watched(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/?f.cap=1000000000..&q=bit")
    expect(page.locator("spot-market tbody tr").first).to_be_visible()
    page.locator("spot-market").get_by_role("button", name="Alert", exact=True).click()
    dialog = page.get_by_role("dialog", name="Alerts")
    expect(dialog.locator(".alert-now")).to_have_text("“bit” in name, symbol or id; Market cap ≥ $1.00B")
    dialog.get_by_role("button", name="Set the alert").click()
    expect(dialog.locator(".alerts-list")).to_contain_text("A coin enters: “bit” in name, symbol or id")
    page.wait_for_function("() => localStorage.getItem('spot:alerts.states')")
