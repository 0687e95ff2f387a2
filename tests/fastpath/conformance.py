"""The cases of the Autobahn suite, run by kosoku against an address, and what a server owes them.

Most cases expect an echo. A path of the product answers in its own words instead, so `owed` leaves those aside: pongs,
close frames with their codes, and the end of whoever breaks the protocol are owed on every path.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
#: What the protocol forbids a peer, and what a server answers that failed a connection for it.
PROTOCOL_ERRORS = (1002, 1007)
#: Group 9 is about speed and messages above our limit. 12 and 13 are hundreds of megabytes of compression.
WITHOUT_COMPRESSION = ("-x", "9.*", "-x", "12.*", "-x", "13.*")
#: Cases whose outcome does not hang on an echo alone: pings, reserved bits and opcodes, fragments out of order, text
#: that is not UTF-8, and closing.
WITHOUT_ECHO = tuple(
    word
    for case in (
        "2.*", "3.*", "4.*", "5.1*", "5.2", "5.9", "6.3.*", "6.4.*", "6.6.*", "6.8.*", "6.10.*", "6.12.*",
        "6.14.*", "6.18.*", "6.20.*", "6.21.*", "7.*",
    )
    for word in ("-i", case)
)  # fmt: skip


def program() -> Path:
    """The program; without it the test is skipped, and the summary says what nobody has proven."""
    path = Path(sys.executable).with_name("kosoku")
    if not path.exists():
        pytest.skip("RFC 6455 IS NOT PROVEN HERE: kosoku is missing (pip install -e .[dev])")
    return path


async def cases(address: str, selection: tuple[str, ...], folder: Path, *, at_once: int = 4) -> list[dict[str, Any]]:
    """Run the cases against host:port/path; the report of each, written below the folder."""
    argv = [str(program()), "-m", "fuzzingclient", "-p", str(at_once), "-o", str(folder), *selection, address]
    process = await asyncio.create_subprocess_exec(*argv, stdout=-3, stderr=-3)
    await process.wait()
    return await asyncio.to_thread(_reports, folder)


def _reports(folder: Path) -> list[dict[str, Any]]:
    (index,) = json.loads((folder / "index.json").read_text()).values()
    return [json.loads((folder / entry["reportfile"]).read_text()) for entry in index.values()]


def failure(case: dict[str, Any]) -> str:
    """What a server that echoes did wrong in a case; nothing if it passed."""
    return "" if case["behavior"] in PASSED and case["behaviorClose"] in PASSED else case["result"]


def owed(case: dict[str, Any]) -> str:
    """What a server did wrong in a case at a path that does not echo; nothing if it kept to the protocol."""
    if " 101 " not in case["httpResponse"]:
        return f"refused: {case['httpResponse'][:80]}"
    end, code = case["expectedClose"], case["remoteCloseCode"]
    expected = {kind: [event for event in events if event[0] != "message"] for kind, events in case["expected"].items()}
    received = [event for event in case["received"] if event[0] != "message"]
    if received not in expected.values():
        return f"received {received}, expected {expected}"
    if case["behaviorClose"] in PASSED:
        return ""
    echoed = any(event[0] == "message" for events in case["expected"].values() for event in events)
    if end["closedByMe"] and echoed and code not in PROTOCOL_ERRORS:
        return ""  # nobody closed, since the echo that the case waits for does not come
    return f"{case['resultClose']}: closed with {code}, expected {end['closeCode']}"
