"""Formats of times, counts and states in the admin."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from providers.datasets import KINDS

#: The sign of each state, so that colour is not needed to distinguish them.
MARKS = {"good": "✓", "waiting": "‖", "bad": "✕", "lacking": "!", "off": "○", "unknown": "?"}

#: The kinds of data in plain words: of datasets, and the ticks of streams.
_KINDS: dict[str, str] = {"ticks": "prices", **{kind: traits.label for kind, traits in KINDS.items()}}


def kind_name(kind: str) -> str:
    """A kind of dataset in plain words."""
    return _KINDS.get(kind, kind)


def moment(ms: int, now_ms: int) -> str:
    """A time in epoch ms (UTC), without the date if that is today. `DATETIME_FORMAT` has the same format."""
    then, now = (datetime.fromtimestamp(time / 1000, UTC) for time in (ms, now_ms))
    clock = f"{then:%H:%M:%S} UTC"
    return clock if then.date() == now.date() else f"{then.day} {then:%b %Y}, {clock}"


def span(seconds: float) -> str:
    """A duration in a suitable unit: `45 s`, `11 min`, `3 h`, `2 days`."""
    if seconds < 100:
        return f"{ceil(seconds)} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 48 * 3600 else f"{round(seconds / 86_400)} days"


def left(used: float, limit: int) -> str:
    """The rest of an allowance; a limit of 0 is none."""
    return f"{max(0, limit - round(used)):,} of {limit:,} left" if limit else f"{round(used):,} used, no limit"


def grouped(figure: float) -> str:
    """`12,345`; one decimal, as in `0.4`, for fractions below ten."""
    return f"{figure:,.1f}" if figure < 10 and figure != int(figure) else f"{round(figure):,}"


def number(count: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def ordinal(place: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def marked(state: str, word: str, detail: str = "") -> SafeString:
    """A state with its mark, and a detail."""
    shown = format_html(
        '<span class="state state-{}"><span class="state-mark" aria-hidden="true">{}</span> {}</span>',
        state,
        MARKS[state],
        word,
    )
    return format_html('{} <span class="quiet">{}</span>', shown, detail) if detail else shown


def lines(parts: list[str]) -> SafeString | str:
    """Texts on lines of their own; a dash for none."""
    return format_html_join("", '<span class="line">{}</span>', ((part,) for part in parts)) if parts else "-"


def detailed_lines(parts: list[tuple[str, str]]) -> SafeString | str:
    """The same, each with a detail."""
    line = '<span class="line">{} <span class="quiet">{}</span></span>'
    return format_html_join("", line, parts) if parts else "-"
