"""The market map in groups, as a visitor uses it: headings, their cards and keys, the table, the address."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import Watch
from tests.browser.test_heatmap import (
    FOCUSED,
    MAP,
    choose,
    contrast,
    each_look,
    expect_tiles,
    settle,
    shown,
    tile,
    wear,
)
from tests.live import LiveSite

#: A site that has just been started fetches a category a second; the memes come last.
COMPLETE = """() => ["Layer 1", "DeFi", "Memes"].every(
    label => document.querySelector("spot-heatmap").groups.has(label))"""
#: What the rows give, by group: the coins' mean change over a window, weighted by market cap, as it is written.
GIVEN = """window => {
  const { groups, view } = document.querySelector("spot-heatmap");
  const mean = (ids) => {
    const all = ids.map(id => view.rows.get(id)).map(row => [row[`price_change_${window}`], row.market_cap]);
    const known = all.filter(([change, cap]) => change !== null && cap !== null);
    const whole = known.reduce((sum, [, cap]) => sum + cap, 0);
    return known.reduce((sum, [change, cap]) => sum + change * cap / whole, 0);
  };
  const sign = (value) => (Math.round(value * 100) ? (value > 0 ? "+" : "\\u2212") : "");
  const written = (value) => `${sign(value)}${Math.abs(value).toFixed(2)}%`;
  return Object.fromEntries([...groups].map(([label, ids]) => [label, written(mean(ids))]));
}"""
#: What headings on the map say, by group, with those that are hidden.
SAID = """() => Object.fromEntries([...document.querySelectorAll(".map-head")].map(
    head => [head.dataset.group, head.lastElementChild.textContent]))"""
#: The same in the table.
LISTED = """() => Object.fromEntries([...document.querySelectorAll(".map-group")].map(
    row => [row.cells[0].firstChild.textContent, row.querySelector(".change").lastChild.textContent]))"""
#: Where groups lie in the window.
LAID = """() => {
  const { layout, map } = document.querySelector("spot-heatmap");
  const { left, top } = document.querySelector(".map").getBoundingClientRect();
  const { k, x, y } = map.view;
  return Object.fromEntries([...layout.groups].map(([label, box]) => [label, {
    x: left + x + box.x * k, y: top + y + (box.y + box.strip) * k,
    width: box.width * k, height: (box.height - box.strip) * k,
  }]));
}"""


def grouping(page: Page) -> dict[str, list[str]]:
    """The coins of each group."""
    return dict(page.evaluate("() => Object.fromEntries(document.querySelector('spot-heatmap').groups)"))


def open_grouped(page: Page, site: LiveSite, query: str = "") -> Page:
    page.goto(f"{site.url}/?group=category{query}")
    page.wait_for_function(COMPLETE)
    settle(page)
    return page


def head(page: Page, label: str) -> Any:
    return page.locator(f".map-head[data-group='{label}']")


@pytest.fixture
def grouped(page: Page, live_site: LiveSite, watch: Watch) -> Page:
    """The dashboard with its map grouped by categories, all of which are there."""
    return open_grouped(page, live_site)


def test_grouping_is_switched_on_and_off(grouped: Page) -> None:
    groups = grouping(grouped)
    assert {"bitcoin", "ethereum", "solana"} <= set(groups["Layer 1"])
    assert {"tether", "usd-coin"} <= set(groups["Stablecoins"])
    assert {"dogecoin", "shiba-inu"} <= set(groups["Memes"])
    assert list(groups)[-1] == "Other"
    assert sorted(coin for ids in groups.values() for coin in ids) == sorted(shown(grouped))
    expect(head(grouped, "Layer 1")).to_be_visible()
    choose(grouped, "Group", "none")
    expect(grouped.locator(".map-head")).to_have_count(0)
    expect_tiles(grouped, 100)
    choose(grouped, "Group", "category")
    expect(head(grouped, "Layer 1")).to_be_visible()
    expect_tiles(grouped, 100)


@pytest.mark.parametrize("query", ["", "&coins=500&size=equal", "&coins=250&size=root", "&size=volume&set=neither"])
def test_the_tiles_of_a_group_lie_inside_its_rectangle(
    page: Page, live_site: LiveSite, watch: Watch, query: str
) -> None:
    open_grouped(page, live_site, query)
    boxes, tiles, groups = page.evaluate(LAID), shown(page), grouping(page)
    assert len(boxes) == len(groups) >= 8
    for label, ids in groups.items():
        box = boxes[label]
        for one in map(tiles.__getitem__, ids):
            assert box["x"] - 1 <= one["x"] <= one["x"] + one["width"] <= box["x"] + box["width"] + 1
            assert box["y"] - 1 <= one["y"] <= one["y"] + one["height"] <= box["y"] + box["height"] + 1
        assert sum(tiles[one]["width"] * tiles[one]["height"] for one in ids) == pytest.approx(
            box["width"] * box["height"], rel=0.02, abs=5
        )


@pytest.mark.parametrize("window", ["24h", "30d"])
def test_headings_show_the_weighted_change_that_the_rows_give(grouped: Page, window: str) -> None:
    choose(grouped, "Colour", window)
    same = f"window => JSON.stringify(({SAID})()) === JSON.stringify(({GIVEN})(window))"
    grouped.wait_for_function(same, arg=window)
    before = grouped.evaluate(SAID)
    assert len(set(before.values())) > 3
    grouped.wait_for_function(f"before => JSON.stringify(({SAID})()) !== before", arg=json.dumps(before))
    grouped.wait_for_function(same, arg=window)


def test_groups_and_tiles_keep_their_places_while_their_numbers_change(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    open_grouped(page, live_site, "&coins=500")
    expect_tiles(page, 500)
    settle(page)
    boxes, tiles = page.evaluate(LAID), shown(page)
    text = head(page, "Layer 1").inner_text()
    page.wait_for_function(
        "text => document.querySelector(\".map-head[data-group='Layer 1']\").innerText !== text", arg=text
    )
    assert page.evaluate(LAID) == boxes
    sides = ("x", "y", "width", "height")
    after = shown(page)
    assert all(after[coin][side] == box[side] for coin, box in tiles.items() for side in sides)


def test_every_group_has_a_heading_which_without_room_leaves_out_its_change_and_is_never_cut(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_grouped(page, live_site)
    heads = page.locator(".map-head")
    cut = heads.evaluate_all(
        "heads => heads.filter(head => !head.hidden && head.scrollWidth > head.clientWidth).length"
    )
    shapes = heads.evaluate_all(
        "heads => heads.map(head => head.hidden ? 'none' : head.lastElementChild.hidden ? 'name' : 'both')"
    )
    assert cut == 0
    assert set(shapes) == {"both", "name"}
    joined = "heads => heads.filter(head => !head.textContent.includes(` ${head.lastElementChild.textContent}`)).length"
    assert heads.evaluate_all(joined) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@each_look
def test_headings_can_be_read_in_every_palette(
    page: Page, live_site: LiveSite, watch: Watch, look: tuple[str, str]
) -> None:
    wear(page, look)
    open_grouped(page, live_site)
    inks = page.locator(".map-head:visible").evaluate_all(
        """heads => heads.flatMap(head => [head, head.lastElementChild].map(
            part => [getComputedStyle(part).color, getComputedStyle(head).backgroundColor]))"""
    )
    assert len(inks) >= 6
    assert min(contrast(ink, back) for ink, back in inks) >= 4.5


def test_a_heading_tells_all_about_its_group_to_the_pointer(grouped: Page) -> None:
    head(grouped, "Layer 1").hover()
    card = grouped.locator(".tooltip")
    expect(card.locator("strong")).to_have_text("Layer 1")
    for label in ("Coins", "Market cap", "1 h", "24 h", "7 d", "30 d", "1 y"):
        expect(card.locator("dt").get_by_text(label, exact=True)).to_be_visible()
    expect(card.locator("dd").first).to_have_text(str(len(grouping(grouped)["Layer 1"])))
    expect(card.locator("polyline")).to_be_hidden()
    grouped.keyboard.press("Escape")
    expect(card).to_be_hidden()
    box = tile(grouped, "bitcoin")
    grouped.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(card).to_contain_text("BTC · rank 1 · Layer 1")


def test_a_click_on_a_heading_enlarges_its_group_and_opens_nothing(grouped: Page) -> None:
    whole = grouped.evaluate(LAID)["Stablecoins"]
    head(grouped, "Stablecoins").dblclick()
    reset = grouped.get_by_role("button", name="Reset")
    expect(reset).not_to_have_attribute("aria-disabled", "true")
    box, frame = grouped.evaluate(LAID)["Stablecoins"], grouped.locator(MAP).bounding_box()
    assert frame is not None
    assert max(box["width"] / frame["width"], (box["height"] + 60) / frame["height"]) > 0.97
    assert box["width"] > whole["width"] * 1.5
    assert box["x"] >= frame["x"] - 1
    assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    expect(head(grouped, "Stablecoins")).to_be_visible()
    reset.click()
    expect(reset).to_have_attribute("aria-disabled", "true")
    assert grouped.evaluate(LAID)["Stablecoins"] == whole
    assert "/coin/" not in grouped.url


def test_every_group_has_a_heading_that_begins_with_its_name(grouped: Page) -> None:
    for width in (1440, 800):
        grouped.set_viewport_size({"width": width, "height": 900})
        choose(grouped, "Coins", "500")
        expect(grouped.locator(MAP)).to_have_attribute("data-tiles", "500")
        grouped.wait_for_function("() => document.querySelector('spot-heatmap').map.mosaic.glideFrom == null")
        told = grouped.locator(".map-head").evaluate_all(
            "heads => heads.map(head => [head.hidden, head.dataset.group])"
        )
        assert len(told) > 6
        assert [group for hidden, group in told if hidden] == []


def test_headings_are_walked_and_enlarged_by_keys(grouped: Page) -> None:
    grouped.locator(FOCUSED).focus()
    expect(grouped.locator(FOCUSED)).to_have_accessible_name(re.compile(r"Bitcoin \(BTC\), .*% over 24 h, Layer 1$"))
    grouped.keyboard.press("Tab")
    expect(head(grouped, "Layer 1")).to_be_focused()
    expect(head(grouped, "Layer 1")).to_have_accessible_name(re.compile(r"Layer 1, .*% over 24 h$"))
    expect(grouped.locator(".tooltip strong")).to_have_text("Layer 1")
    assert grouped.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    grouped.keyboard.press("ArrowRight")
    expect(head(grouped, "Stablecoins")).to_be_focused()
    expect(grouped.locator(".tooltip strong")).to_have_text("Stablecoins")
    grouped.keyboard.press("ArrowLeft")
    expect(head(grouped, "Layer 1")).to_be_focused()
    grouped.keyboard.press("End")
    grouped.keyboard.press("Enter")
    expect(grouped.get_by_role("button", name="Reset")).not_to_have_attribute("aria-disabled", "true")
    expect(grouped.locator(".tooltip")).to_be_hidden()
    grouped.keyboard.press("0")
    expect(grouped.get_by_role("button", name="Reset")).to_have_attribute("aria-disabled", "true")
    grouped.keyboard.press("Shift+Tab")
    expect(grouped.locator(FOCUSED)).to_be_focused()


def test_arrow_keys_walk_from_group_to_group(grouped: Page) -> None:
    grouped.locator(FOCUSED).focus()
    group = {coin: label for label, ids in grouping(grouped).items() for coin in ids}
    walked = ["bitcoin"]
    for _ in range(12):
        grouped.keyboard.press("ArrowRight")
        walked.append(grouped.evaluate("document.activeElement.dataset.coin"))
    assert len({group[coin] for coin in walked}) > 1


def test_the_table_has_a_heading_for_each_group(grouped: Page) -> None:
    groups = grouping(grouped)
    grouped.locator("spot-heatmap").get_by_role("button", name="Table", exact=True).click()
    expect(grouped.locator("spot-heatmap th[scope='rowgroup']")).to_have_count(len(groups))
    bodies = grouped.locator("spot-heatmap tbody").evaluate_all(
        """bodies => bodies.map(body => [body.querySelector("th[scope='rowgroup']").firstChild.textContent,
            [...body.querySelectorAll("a")].map(link => link.dataset.coin)])"""
    )
    assert [label for label, _ in bodies] == list(groups)
    assert {label: sorted(ids) for label, ids in bodies} == {label: sorted(ids) for label, ids in groups.items()}
    grouped.wait_for_function(f"() => JSON.stringify(({LISTED})()) === JSON.stringify(({GIVEN})('24h'))")
    choose(grouped, "Group", "none")
    expect(grouped.locator("spot-heatmap th[scope='rowgroup']")).to_have_count(0)
    expect(grouped.locator("spot-heatmap tbody tr")).to_have_count(100)
    expect(grouped.locator("spot-heatmap tbody tr").first).to_contain_text("Bitcoin")


def test_who_does_not_see_the_map_hears_which_groups_did_best_and_worst(grouped: Page) -> None:
    expect(grouped.locator(MAP)).to_have_accessible_description(
        re.compile(r"Of \d+ groups, .+ [+\u2212]?\d+\.\d\d% did best and .+% worst\.$")
    )


def test_the_address_brings_grouping_back(dashboard: Page) -> None:
    dashboard.wait_for_function("() => !document.querySelector('spot-heatmap [aria-label=Group]').disabled")
    choose(dashboard, "Group", "category")
    expect(head(dashboard, "Layer 1")).to_be_visible()
    assert "group=category" in dashboard.url
    dashboard.reload()
    expect(head(dashboard, "Layer 1")).to_be_visible()
    control = dashboard.locator("spot-heatmap").get_by_label("Group", exact=True)
    expect(control).to_have_value("category")
    dashboard.go_back()
    expect(dashboard.locator(".map-head")).to_have_count(0)
    expect(control).to_have_value("none")
    dashboard.go_forward()
    expect(head(dashboard, "Layer 1")).to_be_visible()


def test_without_any_category_nothing_can_be_grouped_and_the_page_says_why(
    page: Page, live_site: LiveSite, watch: Watch
) -> None:
    def without(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(server.send)
        server.on_message(lambda text: route.send(re.sub(r'"category":"[^"]*"', '"category":null', str(text))))

    page.route_web_socket(re.compile("/ws/coin-heatmap"), without)
    page.goto(f"{live_site.url}/?group=category")
    expect_tiles(page, 100)
    control = page.locator("spot-heatmap").get_by_label("Group", exact=True)
    expect(control).to_be_disabled()
    expect(control.locator("..")).to_have_attribute("title", re.compile("has a category yet"))
    expect(page.locator(".map-head")).to_have_count(0)


def test_the_market_table_is_narrowed_down_to_a_category(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/?f.category=memes")
    expect(page.locator("spot-market .chip")).to_contain_text("Category has \u201cmemes\u201d")
    expect(page.locator("spot-market tbody tr").first).to_contain_text("Dogecoin")
    expect(page.locator("spot-market tbody")).not_to_contain_text("Bitcoin")
    page.get_by_role("button", name="Remove: Category has").click()
    expect(page.locator("spot-market tbody tr").first).to_contain_text("Bitcoin")
