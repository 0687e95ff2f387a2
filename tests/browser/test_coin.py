"""The page of one coin."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

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
    bitcoin.wait_for_function("document.querySelectorAll('.chart canvas').length > 4")
    assert painted(bitcoin) > 10_000
    expect(bitcoin.locator(".chart-legend")).to_contain_text(re.compile(r"O\$[\d,.]+\s*H\$[\d,.]+\s*L\$[\d,.]+\s*C\$"))


def test_the_chart_says_what_its_volume_means_and_how_long_a_candle_is(bitcoin: Page) -> None:
    expect(bitcoin.locator("spot-candles")).to_contain_text("Volume: rolling 24-hour total")
    expect(bitcoin.locator("spot-candles")).to_contain_text("4-hour candles")
    bitcoin.get_by_role("button", name="1 D", exact=True).click()
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


def test_csv_holds_the_shown_range(bitcoin: Page, tmp_path: Path) -> None:
    with bitcoin.expect_download() as download:
        bitcoin.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "historical-ohlcv-bitcoin-usd-30d.csv"
    file = tmp_path / "candles.csv"
    download.value.save_as(file)
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) > 100
    assert all(float(row["high"]) >= float(row["low"]) > 0 for row in rows)


def test_a_price_of_a_millionth_has_digits_in_text_and_axis(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/coin/pepe/")
    expect(page.locator(".quote-price")).to_have_text(re.compile("^\\$0\\.0[₀-₉]\\d+$"))


def test_an_unknown_coin_is_said_to_be_unknown(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.goto(f"{live_site.url}/coin/nonesuch/")
    expect(page.locator("spot-candles .panel-message")).to_contain_text("nonesuch")
    expect(page.locator("spot-quote .panel-message")).to_contain_text("nonesuch")


def test_what_cannot_be_a_coin_is_not_found(page: Page, live_site: LiveSite) -> None:
    for path in ("..%2f..", "a%20b", "%00", "x" * 101):
        response = page.request.get(f"{live_site.url}/coin/{path}/")
        assert response.status == 404, path


def test_the_coin_page_fits_a_phone(page: Page, live_site: LiveSite, watch: Watch) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_site.url}/coin/bitcoin/")
    expect(page.locator(".chart-legend")).to_contain_text("O")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
