"""docs/javascript.md keeps up with the client: every method, event, condition, attribute and export stands in it."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
SOURCE = ROOT / "spot" / "frontend" / "src"
DOCUMENT = (ROOT / "docs" / "javascript.md").read_text()
TYPES = (SOURCE / "client.d.ts").read_text()
SOCKET = (SOURCE / "socket.js").read_text()


def first_cells(heading: str) -> set[str]:
    """The words in the first column of the table below a heading."""
    text = DOCUMENT[DOCUMENT.index(f"\n{heading}\n") :]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert lines
    cells = [line.split("|")[1] for line in lines[0].splitlines()[2:]]
    return {word for cell in cells for word in re.findall(r"`(\w+)", cell)}


def test_every_method_is_described() -> None:
    methods = set(re.findall(r"^  ([a-z]\w*)\(.*\) \{$", SOCKET, re.MULTILINE)) - {"constructor"}
    assert first_cells("## Feeds") == methods
    assert [name for name in methods if f"  {name}(" not in TYPES] == []


def test_every_event_is_described() -> None:
    emitted = set(re.findall(r'emit\(this, "(\w+)"', SOCKET)) | {"notice", "export"}
    assert first_cells("### Events") == emitted
    assert [name for name in emitted if f"  {name}: CustomEvent" not in TYPES] == []


def test_every_condition_is_described() -> None:
    block = SOCKET[SOCKET.index("  condition(") : SOCKET.index("// --- the connection")]
    named = set(re.findall(r'"([a-z]+)"', block)) - {"open"}
    assert first_cells("### Conditions") == named
    assert [name for name in named if f'"{name}"' not in TYPES] == []


def test_every_attribute_of_the_elements_is_described() -> None:
    texts = "".join(file.read_text() for file in (SOURCE / "embed").glob("*.js"))
    watched = re.search(r"ATTRIBUTES = \[([^\]]+)\]", texts)
    assert watched
    read = set(re.findall(r'getAttribute\("(\w+)"\)', texts)) | set(re.findall(r'"(\w+)"', watched[1]))
    assert first_cells("## Elements to embed") == read | {"theme", "palette"}


@pytest.mark.parametrize("module", ["client.js", "embed.js"])
def test_a_module_that_others_load_is_built_under_the_name_that_is_described(module: str) -> None:
    assert f"/static/spot/build/{module}" in DOCUMENT
    assert f'"src/{module}"' in (SOURCE.parent / "build.mjs").read_text()


def test_every_export_is_described() -> None:
    text = (SOURCE / "client.js").read_text()
    exported = {
        name.strip() for names in re.findall(r"^export \{ (.*) \}", text, re.MULTILINE) for name in names.split(",")
    }
    assert exported
    assert [name for name in exported if f"`{name}" not in DOCUMENT] == []
    assert [
        name for name in exported if not re.search(rf"^export (class|function) {name}\b", TYPES, re.MULTILINE)
    ] == []
