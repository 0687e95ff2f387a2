"""The rows of the drill and its table in the documents; `make drill` runs them."""

from tests.live import ROOT
from tests.scale.drill import ROWS


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_every_row_is_described() -> None:
    document = (ROOT / "docs" / "scale.md").read_text()
    assert [row.name for row in ROWS if f"| {row.name} |" not in document] == []
