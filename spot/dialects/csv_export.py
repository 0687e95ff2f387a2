"""Answers as CSV. Pure."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from spot.feeds.answer import Answer
from spot.feeds.view import View


def export_name(view: View) -> str:
    """`historical-ohlcv-bitcoin-usd-30d.csv`, `market-usd.csv`."""
    params = view.params
    parts = [
        view.feed.channel,
        params.get("coin_id"),
        params.get("vs_currency"),
        f"{params['days']}d" if "days" in params else None,
        params.get("channel"),
        params.get("address"),
    ]
    return "-".join(part for part in parts if part) + ".csv"


#: Rows written between two breaks of `csv_parts`: some milliseconds' worth.
_CSV_ROWS = 25


def csv_text(answer: Answer, source: str = "") -> str:
    """The answer's rows as CSV: the documented columns, full precision; then the id and the source of rows that are
    coins, and the time in UTC and ISO 8601 of rows that have one.

    A text cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers are never touched.
    """
    return "".join(csv_parts(answer, source))


def csv_parts(answer: Answer, source: str = "") -> Iterator[str]:
    """The same text in parts, so that whoever writes a long one can give way to others in between."""
    timed, key = answer.view.feed.time_field, answer.table.key
    columns, keys = _columns(answer), answer.keys()
    named = key not in columns
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*columns, *((key, "source") if named else ()), *(("time_utc",) if timed else ())])
    yield out.getvalue()
    for start in range(0, len(keys), _CSV_ROWS):
        out.seek(0)
        out.truncate()
        rows = keys[start : start + _CSV_ROWS]
        for name, row in zip(rows, answer.cells(range(start, start + len(rows))), strict=True):
            cells = [_cell(value) for value in row.values()]
            cells += [_cell(name), _cell(source)] if named else []
            writer.writerow([*cells, _utc(row[timed])] if timed else cells)
        yield out.getvalue()


def _utc(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()


def _columns(answer: Answer) -> list[str]:
    """The columns' names, which an answer without rows has too."""
    feed, shape = answer.view.feed, answer.shape
    if feed.headers is not None:
        return feed.headers(answer.view.params)
    return list(shape.cells(dict.fromkeys(shape.reads), 0))  # a row without values has every column


def _cell(value: object) -> object:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = ",".join(value)
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and _runs(value):
        return "'" + value
    if isinstance(value, float) and "e" in repr(value):
        return f"{Decimal(repr(value)):f}"  # 0.00000514, not 5.14e-06: the same number, as a person writes it
    return "" if value is None else value


def _runs(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula: what nobody sees (blanks, controls, marks) is skipped."""
    seen = next((sign for sign in text if unicodedata.category(sign)[0] not in "ZC"), " ")
    return seen in "=+-@\uff1d\uff0b\uff0d\uff20" or text[:1] in ("\t", "\r", "\n")
