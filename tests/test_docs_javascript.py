"""docs/javascript.md keeps up with the client: every method, event, condition, attribute and export stands in it; and
the client with the server: close codes, types of frames, fields of the envelope."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from spot.codes import CLOSES
from tests.test_docs import cells, fences, node, section

ROOT = Path(settings.BASE_DIR)
SOURCE = ROOT / "spot" / "frontend" / "src"
DOCUMENT = (ROOT / "docs" / "javascript.md").read_text()
TYPES = (SOURCE / "client.d.ts").read_text()
SOCKET = (SOURCE / "client" / "socket.js").read_text()
ENDPOINTS = (ROOT / "docs" / "endpoints.md").read_text()


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


# --- what the client knows of the server ------------------------------------------------------------------------------


def exported(module: str, expression: str) -> object:
    """An expression over a module of the client, as JSON gives it."""
    address = json.dumps((SOURCE / module).as_uri())
    script = f"import * as module from {address}; console.log(JSON.stringify({expression}))"
    ran = subprocess.run(
        [node(), "--input-type=module", "-e", script], capture_output=True, text=True, check=True, timeout=30
    )
    return json.loads(ran.stdout)


def test_the_client_knows_the_servers_close_codes_and_no_others() -> None:
    """It comes back after a code that invites a reconnect. After one that does not, it gives up, or waits for long:
    others may give up their places."""
    rows = exported("client/reconnect.js", "[...module.CLOSES.keys()].map((code) => [code, module.closing(code)])")
    assert isinstance(rows, list)
    assert {code: not (meaning["final"] or meaning["crowded"]) for code, meaning in rows} == {
        int(code): fact.reconnect for code, fact in CLOSES.items()
    }
    assert all(re.fullmatch(r"[A-Z].*\.", meaning["reason"]) for _, meaning in rows)


def test_the_client_hears_every_type_of_frame() -> None:
    sent = set(re.findall(r'\{"type": ?"(\w+)"', ENDPOINTS))
    heard = set(re.findall(r'case "(\w+)":', SOCKET[SOCKET.index("  #dispatch(") : SOCKET.index("  #snapshot(")]))
    assert heard == sent


def test_the_clients_types_have_every_field_of_the_envelope_and_no_other() -> None:
    described = {
        name
        for heading in ("## The envelope", "## Deltas")
        for row in cells(section(ENDPOINTS, heading))[2:]
        for name in row[0].split(", ")
    }
    types = (SOURCE / "feeds.d.ts").read_text()
    head = types[types.index("export interface Head {") :]
    declared = set(re.findall(r"^  (\w+)\??:", head[: head.index("\n}")], re.MULTILINE))
    assert declared == described - {"type", "data", "base", "changed", "entered", "left", "order"}


def test_the_client_reads_only_fields_that_the_server_sends() -> None:
    """Names that socket.js takes out of frames, from the signatures of the methods that take them."""
    sent = {name for row in cells(ENDPOINTS) for name in row[0].split(", ")}
    sent |= {name for block in fences(ENDPOINTS, "json") for name in re.findall(r'"(\w+)":', block)}
    signatures = re.findall(r"^  #(?:snapshot|delta|age|pong)\(\{ ([^}]*) \}", SOCKET, re.MULTILINE)
    assert len(signatures) == 4
    names = {name for signature in signatures for name in signature.split(", ") if not name.startswith("...")}
    assert names
    assert names <= sent
