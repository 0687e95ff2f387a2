"""What axe finds on each view in each theme; no view is wider than the window; forms of display that are kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.live import LiveSite

AXE = Path(__file__).resolve().parents[2] / "spot" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES: tuple[Any, ...] = ("dark", "light")
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def market(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    expect(page.locator("spot-market tbody tr")).to_have_count(25)
    expect(page.locator(".map[data-tiles]")).to_be_visible()
    expect(page.locator("spot-movers li")).to_have_count(15)


def no_match(page: Page, site: str) -> str:
    page.goto(f"{site}/?q=nosuchcoinatall")
    expect(page.locator(".table-empty")).to_be_visible()
    return "spot-market"


def tooltip(page: Page, site: str) -> str:
    market(page, site)
    page.locator(".tile-focused").focus()
    expect(page.locator(".tooltip")).to_be_visible()
    return "spot-heatmap"


def groups(page: Page, site: str) -> str:
    page.goto(f"{site}/?group=category&coins=250&size=root")
    expect(page.locator(".map-head[data-group='Layer 1']")).to_be_visible(timeout=60_000)
    page.keyboard.press("p")  # axe would hold a heading's name of now against its numbers of a moment ago
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.locator(".map-head[data-group='Layer 1']").focus()
    expect(page.locator(".tooltip")).to_be_visible()
    return "spot-heatmap"


def groups_in_a_table(page: Page, site: str) -> str:
    page.goto(f"{site}/?group=category&coins=50&map=table")
    expect(page.locator(".map-table .map-group").first).to_be_visible(timeout=60_000)
    return "spot-heatmap"


def display(page: Page, site: str) -> str:
    market(page, site)
    page.get_by_role("button", name="Display").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    return "dialog[open]"


def alerts(page: Page, site: str) -> str:
    coin(page, site)
    page.locator("spot-quote").get_by_role("button", name="Alert").click()
    expect(page.get_by_role("dialog", name="Alerts")).to_be_visible()
    return "dialog[open]"


def coin(page: Page, site: str) -> None:
    page.goto(f"{site}/coin/bitcoin/")
    expect(page.locator(".quote-price")).to_contain_text("$")
    expect(page.locator(".chart canvas").first).to_be_visible()


def no_coin(page: Page, site: str) -> None:
    page.goto(f"{site}/coin/no-such-coin/")
    expect(page.get_by_role("heading", name="There is no coin")).to_be_visible()


def status(page: Page, site: str) -> None:
    page.goto(f"{site}/status/")
    expect(page.locator("main")).to_contain_text("Sandbox")


def reference(page: Page, site: str) -> None:
    page.goto(f"{site}/docs/market/")
    expect(page.get_by_role("heading", level=1)).to_have_text("market")


def console(page: Page, site: str) -> None:
    page.goto(f"{site}/docs/console/?feed=top-gainers&form=envelope")
    expect(page.locator(".console-frames button").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()


def nowhere(page: Page, site: str) -> None:
    page.goto(f"{site}/no/such/page")
    expect(page.locator("h1")).to_be_visible()


#: The rule of WCAG 2.2 AA that axe leaves out unless asked.
STRICT = {"target-size": {"enabled": True}}
#: A view that is another one but for a part returns the part: the rest is looked at once.
VIEWS: tuple[Callable[[Page, str], str | None], ...] = (
    market,
    no_match,
    tooltip,
    groups,
    groups_in_a_table,
    display,
    alerts,
    coin,
    no_coin,
    status,
    reference,
    console,
    nowhere,
)


#: Parts that look like their neighbours: tables and tapes repeat one row many times.
REPEATED = ("tbody tr:nth-child(n+9)", ".tape-rail li:nth-child(n+9)")


def findings(page: Page, part: str | None = None, only: tuple[str, ...] = ()) -> list[str]:
    """What axe calls serious or critical on the page or a part of it, with where it is; all rules, or some only."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    assert part is None or page.locator(part).count() == 1
    where = {"include": [part or "html"], "exclude": [[repeated] for repeated in REPEATED]}
    how = {"resultTypes": ["violations"], **({"runOnly": only} if only else {"rules": STRICT})}
    found = page.evaluate("([where, how]) => axe.run(where, how)", [where, how])
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def prefer(page: Page, **settings: str) -> None:
    """Opens every page from now on as for somebody who has chosen that."""
    page.add_init_script(
        ";".join(f"localStorage.setItem('spot:{name}', '\"{value}\"')" for name, value in settings.items())
    )


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious_and_no_view_is_wider_than_the_window(
    page: Page, live_site: LiveSite, watch: Watch, view: Callable[[Page, str], str | None]
) -> None:
    """320 pixels is 1280 at 400 %, 720 is 1440 at 200 %."""
    page.emulate_media(reduced_motion="reduce")
    part = view(page, live_site.url)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert findings(page, part) == [], (width, scheme)
    for width in (1024, 720, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(WIDE) <= 0, width
    watch.forgive("404")


@pytest.mark.parametrize("view", [market, coin])
def test_axe_finds_nothing_serious_in_the_other_palettes(
    page: Page, live_site: LiveSite, watch: Watch, view: Callable[..., None]
) -> None:
    page.emulate_media(reduced_motion="reduce")
    view(page, live_site.url)
    for palette in ("red-green", "blue-orange"):
        page.evaluate("palette => document.documentElement.dataset.palette = palette", palette)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert findings(page, only=("color-contrast",)) == [], (palette, scheme)


# --- what a visitor chooses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "system", "page_colour"),
    [
        ("dark", "light", "rgb(10, 12, 16)"),
        ("light", "dark", "rgb(243, 244, 246)"),
    ],
)
def test_a_forced_theme_is_there_before_anything_is_painted(
    page: Page, live_site: LiveSite, watch: Watch, chosen: str, system: Any, page_colour: str
) -> None:
    page.emulate_media(color_scheme=system)
    prefer(page, theme=chosen)
    # The modules never arrive: what is painted is what the first, blocking script has made of it.
    page.route(re.compile(r"/(dashboard|coin)\.[^/]*\.?js"), lambda route: route.abort())
    page.goto(f"{live_site.url}/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == page_colour
    watch.forgive("ERR_FAILED")


def test_the_theme_follows_the_system_until_it_is_forced(page: Page, live_site: LiveSite, watch: Watch) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    market(page, live_site.url)
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Display").click()
    page.get_by_role("dialog").get_by_role("button", name="Light").click()
    assert page.evaluate(colour) == light
    page.reload()
    assert page.evaluate(colour) == light


def test_palettes_change_colours_and_never_the_signs(page: Page, live_site: LiveSite, watch: Watch) -> None:
    market(page, live_site.url)
    gain = page.locator(".top-gainers .change").first
    colours = set()
    page.get_by_role("button", name="Display").click()
    for name in ("Red up", "Blue up", "Green up"):
        page.get_by_role("dialog").get_by_role("button", name=name).click()
        colours.add(gain.evaluate("element => getComputedStyle(element).color"))
        expect(gain).to_contain_text("▲+")
    assert len(colours) == 3


def test_numbers_everywhere_follow_the_locale(page: Page, live_site: LiveSite, watch: Watch) -> None:
    market(page, live_site.url)
    page.get_by_role("button", name="Display").click()
    page.get_by_role("dialog").get_by_label("Numbers and dates").select_option("de-DE")
    page.keyboard.press("Escape")
    german = re.compile(r"(\d,\d|\d\.\d{3}).*\$")  # a price that is given in whole dollars has no comma
    for place in ("spot-market td.col-price", "spot-market td.col-cap", ".movers-value", ".tape-price"):
        expect(page.locator(place).first).to_contain_text(german)
    expect(page.locator("spot-market .change").first).to_contain_text(",")
    expect(page.locator(".tile-focused")).to_have_accessible_name(re.compile(r"\d,\d"))


def test_times_everywhere_follow_the_zone_and_name_it(page: Page, live_site: LiveSite, watch: Watch) -> None:
    market(page, live_site.url)
    foot = page.locator("spot-market .panel-foot time")
    expect(foot).to_contain_text(re.compile(r"GMT\+[12]|CES?T"))
    for zone, written in (("UTC", "UTC"), ("Asia/Kolkata", "GMT+5:30")):
        page.get_by_role("button", name="Display").click()
        page.get_by_role("dialog").get_by_label("Time zone").select_option(zone)
        page.keyboard.press("Escape")
        expect(foot).to_contain_text(written)
    coin(page, live_site.url)
    expect(page.locator("spot-candles .panel-foot time")).to_contain_text("GMT+5:30")
    expect(page.locator(".chart-legend")).to_contain_text("GMT+5:30")


def test_the_currencies_are_the_servers_own(page: Page, live_site: LiveSite, watch: Watch) -> None:
    market(page, live_site.url)
    choice = page.get_by_label("Currency")
    assert "/currencies.json" not in "".join(watch.requests)
    choice.focus()
    expect(choice.locator("option[value='sek']")).to_be_attached()
    choice.select_option("sek")
    expect(page.locator("spot-market td.col-price").first).to_contain_text("kr")
    page.goto(f"{live_site.url}/")
    expect(page).to_have_url(re.compile(r"vs=sek"))
    expect(page.locator("spot-market td.col-price").first).to_contain_text("kr")


def test_a_setting_reaches_the_other_tabs(page: Page, live_site: LiveSite, watch: Watch) -> None:
    other = page.context.new_page()
    other.goto(f"{live_site.url}/")
    market(page, live_site.url)
    page.get_by_role("button", name="Display").click()
    page.get_by_role("dialog").get_by_role("button", name="Blue up").click()
    expect(other.locator("html")).to_have_attribute("data-palette", "blue-orange")
    other.close()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("path", ["/", "/coin/bitcoin/"])
def test_nothing_moves_when_the_data_arrive(
    page: Page, live_site: LiveSite, watch: Watch, path: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => {"
        " if (!entry.hadRecentInput) window.shift += entry.value; })).observe({type: 'layout-shift', buffered: true})"
    )
    page.goto(f"{live_site.url}{path}")
    expect(page.locator(".panel-foot time").first).to_contain_text("as of")
    expect(page.locator(".panel[data-empty]:not(spot-listings)")).to_have_count(0)
    assert page.evaluate("window.shift") < 0.05


def test_names_begin_with_the_word_that_one_sees(page: Page, live_site: LiveSite, watch: Watch) -> None:
    """Who steers by voice says what stands on a button."""
    groups(page, live_site.url)
    named = page.evaluate("""() => [...document.querySelectorAll("main button[aria-label]")]
        .filter((button) => button.checkVisibility())
        .map((button) => [button.innerText.split(String.fromCharCode(10)), button.getAttribute("aria-label")])
        .map(([lines, name]) => [lines.find((line) => /[a-z]{3}/i.test(line)) ?? "", name])
        .map(([line, name]) => [line.replace(/^[^a-z0-9]+|[^a-z0-9]+$/gi, ""), name])
        .filter(([word]) => word)""")
    assert len(named) > 5
    assert [pair for pair in named if not pair[1].lower().startswith(pair[0].lower())] == []
