"""The forms of the store: an older version reads what this one writes, and this one what a newer one may write."""

from dataclasses import asdict, fields
from typing import Any

import orjson
import pytest

from providers.facts import Facts
from providers.plausible import Doubt
from providers.stored import record_of
from providers.streams.stream_state import StreamState
from spot.alerts.episodes import Episode
from spot.alerts.memory import Seen
from spot.query.columns import TEXTS, Charts, Columns
from spot.snapshots import Trouble
from tests.spot.rows import candles, market

#: Records as 0.1.0 writes them. They are never edited: sites have them in their stores.
RECORDS: list[tuple[type[Any], dict[str, Any]]] = [
    (
        Facts,
        {
            "as_of": 1, "fetched_at": 2, "source": "acme", "label": "Acme", "simulated": False, "interval_ms": 60_000,
            "max_age_ms": 120_000, "meta": {"universe": 9},
        },
    ),
    (
        Trouble,
        {"code": "no_data", "message": "m", "at": 1, "next_try": None, "permanent": False, "public": "p"},
    ),
    (Episode, {"since": 1, "over": "fresh again", "told": True, "gone": None}),
    (Seen, {"versions": "1.2", "keys": ["bitcoin"]}),
    (
        StreamState,
        {
            "state": "live", "at": 1, "message": "", "code": "", "until": None, "since": 1, "heard": 2, "ticks": 3,
            "reconnects": 4, "followed": 5, "dropped": 6, "account": "acme:1",
        },
    ),
    (Doubt, {"believed": 1.0, "believed_at": 1, "level": 2.0, "since": 2, "source": "acme"}),
]  # fmt: skip
IDS = [kind.__name__ for kind, _ in RECORDS]
#: Rows of each kind that the store packs in its own way: sparklines, points of candles, bodies of documents.
ROWS = {
    "sparkline": market(3),
    "points": [{**row, "points": "[[1,2.5,null,null]]"} for row in candles(3)],
    "body": [{"id": "/ping", "status": 200, "body": '{"gecko_says":"hi"}'}],
    "none": [{"id": "a"}, {"id": "b"}],
}


@pytest.mark.parametrize(("kind", "record"), RECORDS, ids=IDS)
def test_a_record_of_an_earlier_version_is_read(kind: type[Any], record: dict[str, Any]) -> None:
    assert {name: getattr(record_of(kind, record), name) for name in record} == record


@pytest.mark.parametrize(("kind", "record"), RECORDS, ids=IDS)
def test_a_record_with_fields_of_a_later_version_is_read(kind: type[Any], record: dict[str, Any]) -> None:
    assert record_of(kind, {**record, "of_a_later_version": [1]}) == record_of(kind, record)


@pytest.mark.parametrize(("kind", "record"), RECORDS, ids=IDS)
def test_no_field_that_an_earlier_version_needs_is_gone(kind: type[Any], record: dict[str, Any]) -> None:
    assert record.keys() <= {field.name for field in fields(kind)}


def read_by_the_first_version(cells: bytes, charts: Charts) -> list[dict[str, Any]]:
    """Rows as 0.1.0 reads them: a head of two elements, a line for each name, and charts that are sparklines."""
    head, *lines = cells.split(b"\n")
    length, names = orjson.loads(head)
    columns = {name: orjson.loads(line) for name, line in zip(names, lines, strict=True)}
    if charts.text:
        columns["sparkline"] = orjson.loads(charts.text)
    assert all(len(column) == length for column in columns.values())
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_the_first_version_reads_rows_of_this_one(rows: list[dict[str, Any]]) -> None:
    for row, read in zip(rows, read_by_the_first_version(*Columns.pack(rows)), strict=True):
        plain = {name: value for name, value in row.items() if name not in TEXTS}
        assert {name: read[name] for name in plain} == plain


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_with_a_head_and_lines_of_a_later_version_are_read(rows: list[dict[str, Any]]) -> None:
    cells, charts = Columns.pack(rows)
    head, *lines = cells.split(b"\n")
    later = orjson.dumps([*orjson.loads(head), {"form": 2}, 7])
    assert Columns.unpack(b"\n".join([later, *lines, b'"of a later version"']), charts) == Columns.unpack(cells, charts)


def test_rows_of_the_form_between_are_read() -> None:
    """Development versions before 0.2 named the charts in a third element of the head."""
    rows = ROWS["points"]
    charts = Columns.pack(rows).charts
    names = [name for name in rows[0] if name != "points"]
    lines = [orjson.dumps([row[name] for row in rows]) for name in names]
    between = b"\n".join([orjson.dumps([len(rows), names, "points"]), *lines])
    assert Columns.unpack(between, charts) == Columns.unpack(*Columns.pack(rows))
    with pytest.raises(LookupError):
        Columns.unpack(between, None).column("points")


def test_what_is_written_today_has_the_fields_of_the_first_version() -> None:
    """Of the records that are written whole; snapshots choose their facts themselves."""
    (_, facts), *others = RECORDS
    assert Facts(**facts).stored().keys() >= facts.keys()
    for kind, record in others:
        assert asdict(kind(**record)).keys() >= record.keys()
