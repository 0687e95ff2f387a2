"""Event streams through a real nginx with the lines of the documents: each event arrives as it comes, comments pass."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from spot.web import sse
from tests.fastpath.events import Events
from tests.fastpath.gateway import Gateway, eventually, gateway, put_lists, put_market, run
from tests.nginx import NGINX, configuration

DOCS = Path(settings.BASE_DIR) / "docs"
pytestmark = [
    pytest.mark.flow,
    pytest.mark.usefixtures("redis"),
    pytest.mark.skipif(NGINX is None, reason="NGINX IS NOT ON THE PATH: nothing proves that it passes events on"),
]


def lines_of(document: str, port: int) -> str:
    """The lines for nginx of a document, with another port of Spot."""
    blocks = re.findall(r"```nginx\n(.*?)```", (DOCS / document).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1, document
    assert "http://127.0.0.1:8000;" in blocks[0]
    return str(blocks[0].replace("127.0.0.1:8000", f"127.0.0.1:{port}"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@asynccontextmanager
async def nginx(folder: Path, upstream: int) -> AsyncIterator[tuple[int, int]]:
    """The ports of a site with the lines of docs/operating.md, and of one with those of docs/sse.md alone."""
    whole, stream = free_port(), free_port()
    site = re.sub(r" *ssl_certificate.*\n", "", lines_of("operating.md", upstream))
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{whole};")
    site += f"\nserver {{ listen 127.0.0.1:{stream}; {lines_of('sse.md', upstream)} }}"
    (folder / "nginx.conf").write_text(configuration(folder, site))
    assert NGINX is not None
    process = await asyncio.create_subprocess_exec(NGINX, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf")
    try:
        await eventually(lambda: all(map(is_open, (whole, stream))))
        yield whole, stream
    finally:
        process.terminate()
        await process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_nginx_passes_each_event_and_comment_on_as_it_comes(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(sse, "_SILENCE_SECONDS", 0.2)

    async def read(gate: Gateway, port: int) -> None:
        target = "top-gainers?per_page=1"  # small: a buffer would keep it
        events = await Events.listen(port, target, "Accept-Encoding: gzip, br")
        gate.clients.append(events)
        assert events.status == 200
        assert "content-encoding" not in events.headers
        assert "server" in events.headers, "it comes from nginx"
        first = await events.until("snapshot")
        newest = await put_market(5, 1.0)
        while first.data["version"] != newest:
            first = await events.until("snapshot")
        assert await events.comment() == "keep-alive"

    async def story() -> None:
        await put_lists()
        await put_market(5)
        async with gateway() as gate, nginx(tmp_path, gate.fast) as ports:
            for port in ports:
                await read(gate, port)

    run(story())
