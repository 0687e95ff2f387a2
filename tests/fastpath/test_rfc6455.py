"""The protocol against the cases of the Autobahn suite, run by kosoku: the protocol class with finished frames and
without, daphne, and each path that the product serves behind both servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spot import dialects
from spot.dialects.frames import Message
from tests.fastpath.conformance import WITHOUT_COMPRESSION, WITHOUT_ECHO, cases, failure, owed
from tests.fastpath.gateway import gateway, no_tracebacks, run
from tests.served import serving

pytestmark = pytest.mark.flow
#: Compression in a part that is quick. Of the cases, messages of 1 and 4 KB and the full window: kosoku trips over
#: answers that are not compressed, as RFC 7692 allows and as ours to short messages and to narrow windows are.
COMPRESSED = ("12.1.4", "12.2.5", "12.3.4", "13.1.4", "13.2.5", "13.4.4", "13.6.4")
SELECTIONS = {
    "rfc6455": WITHOUT_COMPRESSION,
    "rfc7692": tuple(word for case in COMPRESSED for word in ("-i", case)),
}
#: A feed, the stream, and every socket of a vendor's protocol.
SERVED = re.compile(r".*/ws/(market|stream)|compat/.*")
PATHS = [route.path for route in dialects.routes() if SERVED.fullmatch(route.path)]


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
    async def story() -> None:
        async with gateway(echo) as gate:
            reports = await cases(f"127.0.0.1:{gate.plain if plain else gate.fast}", SELECTIONS[selection], tmp_path)
        assert len(reports) > (200 if selection == "rfc6455" else 5)
        assert not {case["id"]: failure(case) for case in reports if failure(case)}

    run(story())
    assert no_tracebacks(caplog)


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def address(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    """The host and port of the product in a process of its own, behind each server in turn."""
    assert redis_url
    with serving("tests.fastpath.site", request.param) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("address", ["daphne"], indirect=True)  # the gateway is uvicorn as it runs
def test_every_case_passes_behind_daphne(address: str, tmp_path: Path) -> None:
    reports = asyncio.run(cases(f"{address}/echo", WITHOUT_COMPRESSION, tmp_path))
    assert len(reports) > 200
    assert not {case["id"]: failure(case) for case in reports if failure(case)}


def test_every_path_keeps_to_the_protocol(address: str, tmp_path: Path) -> None:
    async def story() -> list[list[dict[str, Any]]]:
        runs = (
            cases(f"{address}/{path}", WITHOUT_ECHO, tmp_path / str(number), at_once=16)
            for number, path in enumerate(PATHS)
        )
        return await asyncio.gather(*runs)

    reports = dict(zip(PATHS, asyncio.run(story()), strict=True))
    assert len(reports) >= 7
    assert all(len(run) > 120 for run in reports.values())
    assert not [(path, case["id"], owed(case)) for path, run in reports.items() for case in run if owed(case)]
