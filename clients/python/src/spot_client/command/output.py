"""Pages and events on standard output: as a table, as JSON lines, as CSV."""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spot_client.command.cells import age, cell, chosen, columns_of, moment, printable
from spot_client.declarations import Column
from spot_client.following import Gap
from spot_client.page import Page

#: Wide enough for every table, where nobody's window limits it.
_PIPE_WIDTH = 1000


class Output(Protocol):
    """A form of output. `trouble` says why there is no connection, if there is none."""

    def page(self, page: Page[Any]) -> None:
        """Show a page, once."""

    def again(self, page: Page[Any], trouble: str) -> None:
        """Show a page of a feed that is watched."""

    def event(self, event: Mapping[str, Any] | Gap) -> None:
        """Show an event of a feed that is followed."""


class JsonLines:
    """`get` and `tail`: a line for each row. `watch`: a line for each page, with what the server says of it."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields

    def page(self, page: Page[Any]) -> None:
        """A line for each row."""
        for row in page:
            self._line(self._row(row))

    def again(self, page: Page[Any], trouble: str) -> None:
        """A line for the page."""
        facts = {
            "feed": page.feed,
            "as_of": page.head["as_of"],
            "fetched_at": page.head["fetched_at"],
            "age_ms": round(page.age * 1000),
            "stale": page.stale,
            "simulated": page.simulated,
            "source": page.source,
            "total": page.total,
            "page": page.number,
            "pages": page.pages,
            **({"missing": page.missing} if page.missing else {}),
            **({"trouble": trouble} if trouble else {}),
        }
        self._line({**facts, "rows": [self._row(row) for row in page]})

    def event(self, event: Mapping[str, Any] | Gap) -> None:
        """A line for the event; a gap is one too."""
        self._line({"gap": True, "after": event.after} if isinstance(event, Gap) else self._row(event))

    def _row(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: row[name] for name in chosen(self._fields, dict(row))} if self._fields else row

    def _line(self, value: Any) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
        sys.stdout.flush()


class Csv:
    """A line for each row, below a heading. `watch` begins each with the time of its page."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self._names: list[str] = []
        self._writer = csv.writer(sys.stdout, lineterminator="\n")

    def page(self, page: Page[Any]) -> None:
        """The rows."""
        self._rows(page.rows, {})
        sys.stdout.flush()

    def again(self, page: Page[Any], _trouble: str) -> None:
        """The rows, with the time of the page."""
        at = (page.as_of or page.fetched_at).isoformat()
        self._rows(page.rows, {"page_as_of": at, "page_stale": page.stale})
        sys.stdout.flush()

    def event(self, event: Mapping[str, Any] | Gap) -> None:
        """The event; a gap is told beside the output."""
        if isinstance(event, Gap):
            sys.stderr.write(f"spot: some events after {event.after} are lost\n")
        else:
            self._rows([event], {})
        sys.stdout.flush()

    def _rows(self, rows: list[Any], before: dict[str, Any]) -> None:
        for row in rows:
            if not self._names:
                self._names = chosen(self._fields, dict(row)) if self._fields else list(row)
                self._writer.writerow([*before, *self._names])
            self._writer.writerow([_csv(value) for value in (*before.values(), *(row.get(one) for one in self._names))])


def _csv(value: Any) -> Any:
    """A cell. A text that a spreadsheet would evaluate gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ",".join(value)
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str):
        seen = next((sign for sign in value if unicodedata.category(sign)[0] not in "ZC"), " ")
        return f"'{value}" if seen in "=+-@" or value[:1] in ("\t", "\r", "\n") else value
    return value


class Tables:
    """A table for each page, with its source and age below; an event is a line."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        wide = {} if sys.stdout.isatty() else {"width": _PIPE_WIDTH}
        self.console = Console(highlight=False, **wide)  # type: ignore[arg-type]

    def page(self, page: Page[Any]) -> None:
        """The table, and what is to be said of it."""
        self.again(page, "")

    def again(self, page: Page[Any], trouble: str) -> None:
        """The table, and what is to be said of it."""
        self.console.print(self.table(page))
        self.console.print(caption(page, trouble))

    def event(self, event: Mapping[str, Any] | Gap) -> None:
        """A line of the event's fields."""
        if isinstance(event, Gap):
            self.console.print(Text(f"… some events after {event.after} are lost", "yellow"))
            return
        row = dict(event)
        names = chosen(self._fields, row) if self._fields else [name for name in row if name not in ("id", "source")]
        times = {"at", "published_at", "detected_at", "received_at"}
        texts = [moment(row[name]) if name in times and row[name] else _short(row[name]) for name in names]
        self.console.print(Text("  ".join(texts)), soft_wrap=True)

    def table(self, page: Page[Any]) -> Table:
        """The rows."""
        made = Table(box=None, header_style="bold", pad_edge=False)
        row = dict(page[0]) if len(page) else {}
        columns = columns_of(page.feed, row)
        if self._fields and row:
            known = {one.name: one for one in columns}
            columns = [known.get(name) or _undeclared(name, row[name]) for name in chosen(self._fields, row)]
        for column in columns:
            made.add_column(column.name, justify="left" if column.type in _LEFT else "right", no_wrap=True)
        for row in page:
            style = "dim" if row.get("stale") or page.stale else ""
            made.add_row(*(cell(row.get(column.name), column) for column in columns), style=style)
        return made


_LEFT = ("text", "texts", "chart", "json", "time", "boolean")


def _undeclared(name: str, value: Any) -> Column:
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else "text"
    if name.endswith("_at") or name in ("as_of", "at", "timestamp"):
        kind = "time"
    return Column(name, kind, "%" if name.startswith("price_change") else "")


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(map(printable, value)) if isinstance(value, list) else printable(value)


def caption(page: Page[Any], trouble: str) -> Text:
    """What is to be said of a page: which rows, from whom, how old, and what is wrong."""
    shown = f"{len(page)} of {page.total}" + (f", page {page.number} of {page.pages}" if page.pages > 1 else "")
    made = Text(f"{page.feed}: {shown}, {page.source_label}, {age(page.age)} old", "dim")
    for text, style in (
        ("SIMULATED" if page.simulated else "", "bold magenta"),
        ("STALE" if page.stale else "", "bold yellow"),
        (printable(trouble), "yellow"),
        (" ".join(printable(why["message"]) for why in page.missing.values()), "yellow"),
    ):
        if text:
            made.append("  ").append(text, style)
    return made
