"""Charts of a provider's calls by day and of its use of the month, drawn by the server.

This module computes the coordinates of lines and bars; the template writes them as SVG with attributes only, so that it
needs no inline style or script. Each chart has a title, a description, and its figures as a table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from providers.admin.status import ProviderStatus
from providers.budget import month_of
from providers.models import DailyUsage

DAYS = 31
#: The size of each chart in SVG units; the page scales it.
WIDTH, HEIGHT = 620, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 14, 24
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the ledger (UTC), all accounts together. `used` is in credits."""

    day: date
    calls: int = 0
    failures: int = 0
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class Box:
    """A bar; `tip` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    tip: str = ""


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A label on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Calls by day; the failed ones are drawn over all."""

    calls: list[Box]
    failures: list[Box]
    scale: list[AxisLabel]
    dates: list[AxisLabel]


@dataclass(frozen=True, slots=True)
class Month:
    """Credits used this month as a rising line; `even` is an even pace that lasts the month."""

    line: str
    even: str
    allowance: AxisLabel | None
    scale: list[AxisLabel]
    dates: list[AxisLabel]


@dataclass(frozen=True, slots=True)
class UsageChart:
    """Everything the template draws."""

    days: list[Day]
    bars: Bars
    month: Month
    used: float
    allowance: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM

    @property
    def latest_first(self) -> list[Day]:
        return self.days[::-1]

    @property
    def calls(self) -> int:
        return sum(day.calls for day in self.days)

    @property
    def failures(self) -> int:
        return sum(day.failures for day in self.days)


def usage_of(status: ProviderStatus) -> UsageChart | None:
    """The chart of a provider, from the ledger; None for a simulated one, which is not counted. Its allowance is the
    sum of all accounts without rejected keys, 0 for no limit."""
    if status.provider is None or status.provider.simulated:
        return None
    today = datetime.fromtimestamp(status.now_ms / 1000, UTC).date()
    limits = [account.entry.per_month for account in status.accounts if not account.refused]
    days = ledger_days(status.row.name, today)
    return drawn(days, sum(limits) if all(limits) else 0)


def ledger_days(provider: str, today: date) -> list[Day]:
    """The last days, oldest first; days without a line are zero."""
    first = today - timedelta(days=DAYS - 1)
    sums: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
    rows = DailyUsage.objects.filter(provider=provider, day__gte=first, day__lte=today)
    for day, *counts in rows.values_list("day", "calls", "failures", "millicredits"):
        sums[day] = [before + more for before, more in zip(sums[day], counts, strict=True)]
    days = []
    for day in (first + timedelta(days=step) for step in range(DAYS)):
        calls, failures, millicredits = sums[day]
        days.append(Day(day, calls, failures, millicredits / 1000))
    return days


def drawn(days: Sequence[Day], allowance: int) -> UsageChart:
    """The charts of these days, the last of which is today."""
    today = days[-1].day
    month = [day for day in days if (day.day.year, day.day.month) == (today.year, today.month)]
    used = sum(day.used for day in month)
    return UsageChart(list(days), _bars(days), _month(month, used, allowance), used, allowance)


def _bars(days: Sequence[Day]) -> Bars:
    top, scale = _scale(max(day.calls for day in days))
    step = _PLOT_WIDTH / len(days)
    calls, failures, dates = [], [], []
    for place, day in enumerate(days):
        x, name = LEFT + place * step, _name(day.day)
        tip = f"{name}: {day.calls:,} calls, {day.failures:,} failed"
        calls.append(_box(x, step, day.calls / top, tip))
        if day.failures:
            failures.append(_box(x, step, day.failures / top, tip))
        if (len(days) - 1 - place) % 7 == 0:
            dates.append(AxisLabel(round(x + step / 2, 1), name))
    return Bars(calls, failures, scale, dates)


def _box(x: float, step: float, share: float, tip: str) -> Box:
    height = round(share * _PLOT_HEIGHT, 1)
    return Box(round(x + 1, 1), round(HEIGHT - BOTTOM - height, 1), round(step - 2, 1), height, tip)


def _month(days: Sequence[Day], used: float, allowance: int) -> Month:
    start = days[-1].day.replace(day=1)
    begin, end = month_of(int(datetime(start.year, start.month, 1, tzinfo=UTC).timestamp() * 1000))
    length = round((end - begin) / 86_400_000)
    # The scale leaves out an allowance of which hardly anything is used, since it would flatten the line.
    shown = allowance if used * 20 >= allowance else 0
    top, scale = _scale(max(used, shown))
    total, points = 0.0, [f"{LEFT},{_height(0, top)}"]
    for day in days:
        total += day.used
        points.append(f"{round(LEFT + day.day.day / length * _PLOT_WIDTH, 1)},{_height(total / top, 1)}")
    even = ""
    if allowance:
        reach = min(1.0, top / allowance)
        even = f"{LEFT},{_height(0, 1)} {round(LEFT + reach * _PLOT_WIDTH, 1)},{_height(reach * allowance / top, 1)}"
    dates = [
        AxisLabel(round(LEFT + (n - 0.5) / length * _PLOT_WIDTH, 1), f"{n}") for n in (1, 8, 15, 22, 29) if n <= length
    ]
    limit = AxisLabel(_height(shown / top, 1), f"{shown:,}") if shown else None
    return Month(" ".join(points), even, limit, scale, dates)


def _height(share: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - share / top * _PLOT_HEIGHT, 1)


def _scale(most: float) -> tuple[float, list[AxisLabel]]:
    """A round figure that is at least `most`, and the labels of four steps up to it."""
    step = 1
    while step * 4 < most:
        step = int(step * (2.5 if str(step).startswith("2") else 2))
    return step * 4.0, [AxisLabel(_height(place / 4, 1), f"{step * place:,}") for place in range(5)]


def _name(day: date) -> str:
    return f"{day.day} {day.strftime('%b')}"
