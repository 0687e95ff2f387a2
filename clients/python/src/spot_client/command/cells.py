"""Values as people read them in a terminal. No input, no output."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from rich.text import Text

from spot_client.declarations import Column
from spot_client.feeds import FEEDS

_BLOCKS = "▁▂▃▄▅▆▇█"
_CHART_WIDTH = 16
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
#: Columns that a terminal has no use for.
_HIDDEN = frozenset({"logo", "color"})


def columns_of(feed: str, row: dict[str, Any]) -> list[Column]:
    """The columns of a table in a terminal: the documented ones that the rows have."""
    return [one for one in FEEDS[feed].columns if one.name in row and one.name.lower() not in _HIDDEN]


def chosen(names: list[str], row: dict[str, Any]) -> list[str]:
    """The fields of a row that were asked for, in any spelling of case, blanks and underscores. Raises `ValueError`
    for one that there is not."""
    known = {_plain(name): name for name in row}
    for name in names:
        if _plain(name) not in known:
            raise ValueError(f"there is no field {name!r}. Fields: {', '.join(row)}")
    return [known[_plain(name)] for name in names]


def _plain(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


def cell(value: Any, column: Column) -> Text:
    """A value in a table."""
    if value is None:
        return Text("-", "dim")
    if column.type == "time":
        return Text(moment(value))
    if column.type == "chart":
        return Text(chart(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Text(printable(value))
    if column.unit == "%":
        return Text(f"{value:+.2f}", "green" if value > 0 else "red" if value < 0 else "")
    return Text(str(value) if column.type == "integer" else number(value))


def number(value: float) -> str:
    """A number, short: `2.39T`, `85,820`, `0.0000051`."""
    size = abs(value)
    for scale, letter in _SCALES:
        if size >= scale:
            return f"{value / scale:,.2f}{letter}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 1 or value == 0:
        return f"{value:.2f}"
    text = f"{value:.12f}".rstrip("0")
    zeros = len(text.partition(".")[2]) - len(text.partition(".")[2].lstrip("0"))
    return f"{value:.{zeros + 4}f}"


def chart(values: list[float | None]) -> str:
    """Prices as a line of blocks."""
    step = max(1, len(values) // _CHART_WIDTH)
    shown = [value for value in values[::step] if value is not None][-_CHART_WIDTH:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1
    return "".join(_BLOCKS[round((value - low) / span * (len(_BLOCKS) - 1))] for value in shown)


def moment(at: float) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def age(seconds: float) -> str:
    """An age: `3 s`, `12 min`, `5 h`, `3 d`."""
    for most, size, unit in ((100, 1, "s"), (6000, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def printable(value: Any) -> str:
    """A text on one line, without what would steer a terminal: titles are other people's words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
