"""The protocol class against the cases of the Autobahn suite, run by kosoku; compression in a part that is quick."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from spot.dialects.frames import Message
from tests.fastpath.gateway import gateway, no_tracebacks, run

pytestmark = pytest.mark.flow
#: Cases that may fail, each with its reason.
WAIVED: dict[str, str] = {}
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
#: Group 9 is about speed and messages above our limit. 12 and 13 are hundreds of megabytes of compression, so few.
#: Of those, messages of 1 and 4 KB and the full window: kosoku trips over answers that are not compressed, as RFC 7692
#: allows and as ours to short messages and to narrow windows are.
COMPRESSED = ("12.1.4", "12.2.5", "12.3.4", "13.1.4", "13.2.5", "13.4.4", "13.6.4")
SELECTIONS = {
    "rfc6455": ["-x", "9.*", "-x", "12.*", "-x", "13.*"],
    "rfc7692": [word for case in COMPRESSED for word in ("-i", case)],
}


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Sends back what it hears: text as finished frames while the peer takes them, everything else plainly."""
    socket = scope["extensions"].get("spot.frames", {}).get("socket")
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text is None or socket is None or not socket.ready:
            await send({**event, "type": "websocket.send"})
        else:
            message = Message(text.encode())
            socket.write_frame(message.deflated if socket.deflates else message.frame)


@pytest.mark.parametrize("plain", [False, True], ids=["finished frames", "plain sends"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_case_passes(selection: str, plain: bool, tmp_path: Path, redis_url: str, caplog) -> None:
    program = Path(sys.executable).with_name("kosoku")
    assert program.exists(), "kosoku is missing: pip install -e .[dev]"

    async def story() -> None:
        async with gateway(echo) as gate:
            port = gate.plain if plain else gate.fast
            command = [str(program), "-m", "fuzzingclient", "-p", "4", "-o", str(tmp_path), *SELECTIONS[selection]]
            process = await asyncio.create_subprocess_exec(*command, f"127.0.0.1:{port}", stdout=-3, stderr=-3)
            await process.wait()

    run(story())
    index = json.loads((tmp_path / "index.json").read_text())
    (cases,) = index.values()
    failed = {case: result for case, result in cases.items() if result["behavior"] not in PASSED}
    assert failed.keys() == WAIVED.keys(), failed
    assert len(cases) > (200 if selection == "rfc6455" else 5)
    assert no_tracebacks(caplog)
