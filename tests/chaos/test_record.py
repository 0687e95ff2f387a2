"""What rows showed, written into the table of docs/faults.md."""

from collections import Counter

import pytest

from tests.chaos.history import Findings
from tests.chaos.record import DOCUMENT, HEAD, line_of, renewed
from tests.chaos.rows import ROWS
from tests.chaos.run import Result


def result(number: str, **values: object) -> Result:
    (row,) = (row for row in ROWS if row.number == number)
    facts = {"recovery": 2.345, "lost": 1, "closes": Counter[int](), "growth": 3.4}
    return Result(row, Findings(torn=2, foreign=1), **(facts | values))  # type: ignore[arg-type]


def test_a_line_has_each_column_of_the_table() -> None:
    assert line_of(result("F1")) == "| F1 | 2.3 s | 1 | 0 | 3 | 0 | 0 | +3 | yes |"
    assert line_of(result("F1", recovery=None, broken=["x", "y"])) == "| F1 | never | 1 | 0 | 3 | 0 | 0 | +3 | no: x |"
    assert line_of(result("F28b", skipped="no iptables")) == "| F28b | | | | | | | | not run: no iptables |"
    assert line_of(result("F1")).count("|") == HEAD.count("|")


def test_the_lines_of_a_run_replace_those_of_the_same_rows_only() -> None:
    other = "| F1 | of another table |"
    document = f"{other}\n\n{HEAD}\n|---|\n| F1 | old |\n| F10 | kept |\n\n{other}\n"
    assert renewed(document, ["| F1 | new |"]) == document.replace("| F1 | old |", "| F1 | new |")
    with pytest.raises(ValueError, match="no line for"):
        renewed(document, ["| F2 | new |"])
    with pytest.raises(ValueError, match="no table"):
        renewed(other, ["| F1 | new |"])


def test_the_document_has_a_line_for_every_row() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert renewed(document, [f"| {row.number} |" for row in ROWS]) != document
