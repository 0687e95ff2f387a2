"""The usage chart: its figures, its places, and that the page needs no script or style for it."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.test import Client

from providers import access
from providers.admin.chart import BOTTOM, DAYS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Day, drawn, ledger_days
from providers.models import DailyUsage
from tests.providers.pages import PROVIDERS, page, row, text

TODAY = date(2026, 11, 20)
FLOOR, CEILING = HEIGHT - BOTTOM, TOP


def days(calls: int = 0, failures: int = 0, used: float = 0.0) -> list[Day]:
    return [Day(TODAY - timedelta(days=back), calls, failures, used) for back in reversed(range(DAYS))]


def points(line: str) -> list[tuple[float, float]]:
    return [tuple(map(float, point.split(","))) for point in line.split()]


@pytest.mark.parametrize(("most", "top"), [(0, 4), (1, 4), (4, 4), (5, 8), (300, 400), (401, 800), (81_000, 200_000)])
def test_the_scale_ends_at_a_round_figure_that_nothing_passes(most: int, top: int) -> None:
    chart = drawn(days(calls=most), 0)
    assert [tick.text for tick in chart.bars.scale] == [f"{top // 4 * step:,}" for step in range(5)]
    assert chart.bars.scale[0].at == FLOOR
    assert chart.bars.scale[4].at == CEILING


def test_a_bar_is_as_high_as_its_calls_and_failures_stand_in_it() -> None:
    chart = drawn(days(calls=200, failures=50), 0)
    assert len(chart.bars.calls) == len(chart.bars.failures) == DAYS
    full = FLOOR - CEILING
    for box, failed in zip(chart.bars.calls, chart.bars.failures, strict=True):
        assert (box.height, failed.height) == (pytest.approx(full), pytest.approx(full / 4))
        assert box.y + box.height == pytest.approx(FLOOR)
        assert (failed.x, failed.width) == (box.x, box.width)
        assert LEFT <= box.x < box.x + box.width <= WIDTH - RIGHT
    assert chart.bars.calls[-1].tip == "20 Nov: 200 calls, 50 failed"
    assert chart.bars.dates[-1].text == "20 Nov"
    assert (chart.calls, chart.failures) == (200 * DAYS, 50 * DAYS)


def test_days_without_failures_draw_none() -> None:
    assert drawn(days(calls=3), 0).bars.failures == []


def test_the_months_line_rises_day_by_day_to_what_is_used_of_the_allowance() -> None:
    chart = drawn(days(used=100.0), 3_000)
    assert chart.used == 2_000  # the 1st to the 20th, and nothing of October
    line = points(chart.month.line)
    assert line[0] == (LEFT, FLOOR)
    assert len(line) == 21
    top = 4_000  # the scale's
    assert line[-1][1] == pytest.approx(FLOOR - 2_000 / top * (FLOOR - CEILING), abs=0.1)
    assert line[-1][0] == pytest.approx(LEFT + 20 / 30 * (WIDTH - LEFT - RIGHT), abs=0.1)
    assert all(before[1] > after[1] for before, after in pairwise(line))
    assert chart.month.allowance.text == "3,000"
    assert chart.month.allowance.at == pytest.approx(FLOOR - 0.75 * (FLOOR - CEILING), abs=0.1)
    # 100 a day is what 3,000 allow: the line lies on the even pace.
    (x0, y0), (x1, y1) = points(chart.month.even)
    for x, y in line:
        assert y == pytest.approx(y0 + (x - x0) * (y1 - y0) / (x1 - x0), abs=0.2)


def test_an_allowance_that_is_hardly_touched_does_not_flatten_the_line() -> None:
    chart = drawn(days(used=1.0), 500_000)
    assert chart.month.allowance is None
    assert points(chart.month.line)[-1][1] < FLOOR - 0.5 * (FLOOR - CEILING)
    assert points(chart.month.even)[-1][1] == CEILING  # the even pace leaves the picture at its top


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2026, 2, 28), date(2024, 12, 31)])
def test_any_day_of_any_month_can_be_drawn(today: date) -> None:
    found = drawn([Day(today - timedelta(days=back), 1, 0, 1.0) for back in reversed(range(DAYS))], 100)
    assert found.used == today.day
    assert all(LEFT <= x <= WIDTH - RIGHT + 0.1 for x, _ in points(found.month.line))


@pytest.mark.django_db
def test_the_ledgers_lines_of_all_accounts_are_added_and_gaps_are_zeroes() -> None:
    for account, calls in (("coingecko:a", 5), ("coingecko:b", 7)):
        DailyUsage.objects.create(
            provider="coingecko", account=account, day=TODAY, calls=calls, failures=1, millicredits=1500
        )
    DailyUsage.objects.create(provider="coingecko", account="x", day=TODAY - timedelta(days=DAYS), calls=99)
    DailyUsage.objects.create(provider="elsewhere", account="x", day=TODAY, calls=99)
    found = ledger_days("coingecko", TODAY)
    assert found[-1] == Day(TODAY, 12, 2, 3.0)
    assert found[:-1] == [Day(TODAY - timedelta(days=back)) for back in reversed(range(1, DAYS))]


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_the_page_draws_it_without_script_or_style_and_says_it_as_a_table(admin_client: Client) -> None:
    account = access.of(row().provider).account
    today = datetime.now(UTC).date()
    DailyUsage.objects.create(
        provider="coingecko", account=account, day=today, calls=1234, failures=34, millicredits=1_200_000
    )
    html = page(admin_client, PROVIDERS.format("change"), row().pk)
    section = html.split('aria-labelledby="usage-title"')[1].split("</section>")[0]
    assert not re.search(r"\bstyle=|<script|<style|\bon\w+=", section)
    for picture in re.findall(r"<svg.*?</svg>", section, re.DOTALL):
        named = re.search(r'role="img".*?aria-labelledby="(\S+) (\S+)"', picture)
        assert f'<title id="{named[1]}">' in picture
        assert f'<desc id="{named[2]}">' in picture
    assert "1,234 calls in 31 days, 34 of them failed" in text(section)
    assert "1,200 credits used; there is no limit, or no usable key" in text(section)
    rows = [text(line) for line in re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)]
    assert len(rows) == DAYS + 1
    assert rows[1] == f"{today.day} {today.strftime('%b %Y')} 1,234 34 1,200"


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_the_simulated_market_is_not_counted_and_draws_nothing(admin_client: Client) -> None:
    assert "usage-title" not in page(admin_client, PROVIDERS.format("change"), row("sandbox").pk)
