"""Writes what rows showed into the table of docs/faults.md. Pure, but for `write`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.run import Result

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
#: The table's head: lines of other tables begin as its own do.
HEAD = "| Row | `back` | `lost` | `back-` | `torn` | `doub` | `unm` | `MB` | Held |"


def line_of(result: Result) -> str:
    """A row's line in the table."""
    if result.skipped:
        return f"| {result.row.number} | | | | | | | | not run: {result.skipped} |"
    found = result.findings
    back = "never" if result.recovery is None else f"{result.recovery:.1f} s"
    counts = (result.lost, found.back, found.torn + found.foreign, found.doubled, found.unmarked)
    held = "yes" if not result.broken else f"no: {result.broken[0]}"
    return f"| {result.row.number} | {back} | {' | '.join(map(str, counts))} | {result.growth:+.0f} | {held} |"


def renewed(document: str, lines: Iterable[str]) -> str:
    """The document with these lines in place of the table's own for the same rows; ValueError for a row without one."""
    before, head, rest = document.partition(HEAD)
    table, blank, after = rest.partition("\n\n")
    if not head:
        raise ValueError(f"the document has no table with the head {HEAD}")
    present = table.split("\n")
    for line in lines:
        places = [place for place, text in enumerate(present) if text and _row_of(text) == _row_of(line)]
        if not places:
            raise ValueError(f"the table has no line for {line}")
        present[places[0]] = line
    return before + head + "\n".join(present) + blank + after


def _row_of(line: str) -> str:
    return line.split("|")[1].strip()


def write(results: Iterable[Result]) -> None:
    """Renew the lines of these rows in docs/faults.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(renewed(text, map(line_of, results)), encoding="utf-8")
