"""The list in docs/dashboard.md: sixty lines, and every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "dashboard.md").read_text()
NODE = ROOT / "spot" / "frontend" / "test"


def test_it_has_sixty_lines_each_with_something_that_holds_it() -> None:
    lines = re.findall(r"^\| (\d+) \|(.+)\|(.+)\|$", TEXT, re.MULTILINE)
    assert [int(number) for number, *_ in lines] == list(range(1, 61))
    assert all(held.strip() for *_, held in lines)


def test_every_test_that_it_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)`: ([a-z ]+)", TEXT)
    assert len(named) > 60
    for file, words in named:
        name = f"test_{words.strip().replace(' ', '_')}"
        assert f"def {name}(" in (ROOT / "tests" / "browser" / f"{file}.py").read_text(), f"{file}: {name}"


def test_every_file_of_tests_in_node_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)?[a-z_]+\.test\.js)`", TEXT))
    assert named
    assert {name for name in named if not (NODE / name).exists()} == set()
