"""The short version of `make chaos`: two rows on a small site, and that the table is documented."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from tests.chaos.bench import CLOCKS, FEW_COINS, Bench
from tests.chaos.defences import DEFENCES, WITHOUT, misplaced
from tests.chaos.rows import ELSEWHERE, ROWS, Row
from tests.chaos.run import line, run

pytestmark = pytest.mark.flow
SHORT = ("F5", "F28")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench(8)
    try:
        bench.open_as_one()
        yield bench
    finally:
        bench.close()
        shutil.rmtree(bench.site.home, ignore_errors=True)


@pytest.mark.parametrize("row", [row for row in ROWS if row.number in SHORT], ids=lambda row: row.number)
def test_a_row_holds(bench: Bench, row: Row) -> None:
    result = run(bench, replace(row, recovery=60.0))  # a machine that runs other tests may be slow
    assert not result.broken, line(result)


def test_every_row_is_described() -> None:
    document = (Path(settings.BASE_DIR) / "docs" / "faults.md").read_text()
    assert [row.number for row in ROWS if f"| {row.number} | {row.fault} |" not in document] == []
    builds = {one.row: f"| {one.row} | {one.defence} | {one.seen or 'not run'} |" for one in DEFENCES}
    assert [row for row, line_of_it in builds.items() if line_of_it not in document] == []
    assert [
        number for number, words in WITHOUT.items() if f"| {number} | none of the product's: {words} |" not in document
    ] == []
    assert [number for number, words in ELSEWHERE.items() if f"| {number} | {words} |" not in document] == []


def test_every_defence_is_where_its_change_takes_it_from() -> None:
    assert [text for defence in DEFENCES for text in misplaced(defence.changes)] == []
    assert list(misplaced(FEW_COINS | CLOCKS)) == []
    declared = {*WITHOUT, *(defence.row for defence in DEFENCES)}
    assert {row.number for row in ROWS if row.number.startswith("F")} <= declared <= {row.number for row in ROWS}
