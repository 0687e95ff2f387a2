"""The transcripts hold for daphne too, in a process of its own. It sends the texts of the application, which are those
of the transcripts for every feed (test_golden.py): one feed shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fastpath.events import Events
from tests.golden import player
from tests.golden.player import Clock
from tests.golden.scenes import DIALECTS, REFUSED
from tests.golden.test_golden import transcript
from tests.served import serving

__all__ = ["transcript"]
pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]


class SharedClock(Clock):
    """The same time of day in this process and in daphne's."""

    def __init__(self, monkeypatch: Any, path: Path) -> None:
        super().__init__(monkeypatch)
        self._path = path
        self.move(0)

    def move(self, seconds: int) -> None:
        super().move(seconds)
        with self._path.open("r+b") as file:
            file.write(self.now_ns.to_bytes(8))


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of daphne, and the file with its time of day."""
    assert redis_url
    path = tmp_path_factory.mktemp("daphne") / "clock"
    path.write_bytes((player.NOW_MS * 1_000_000).to_bytes(8))
    with serving("tests.golden.daphne_site", str(path)) as port:
        yield port, path


@pytest.fixture
def clock(monkeypatch, site) -> SharedClock:
    return SharedClock(monkeypatch, site[1])


def beginning(port: int) -> Callable[[str], Coroutine[Any, Any, None]]:
    """What makes the process ready for a feed's scene."""

    async def begin(feed: str) -> None:
        url = f"http://127.0.0.1:{port}/_begin?{feed}"
        response = await asyncio.to_thread(requests.get, url, timeout=20)
        assert response.status_code == 204

    return begin


async def wait() -> None:
    """The hub of another process looks by itself."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_feed_says_what_it_always_said(dialect, site, clock, transcript) -> None:
    connect, begin = player.process(site[0]), beginning(site[0])
    transcript(f"market-{dialect}", asyncio.run(player.play("market", dialect, connect, clock, begin, wait)))


@pytest.mark.usefixtures("clock")
def test_addresses_are_refused_as_they_always_were(site, transcript) -> None:
    async def story() -> list[str]:
        connect, begin = player.process(site[0]), beginning(site[0])
        return [line for address in REFUSED for line in await player.refusal(address, connect, begin)]

    transcript("refusals", asyncio.run(story()))


def test_a_stream_of_events_brings_each_page_as_it_comes(site, clock) -> None:
    async def story() -> None:
        await beginning(site[0])("market")
        events = await Events.listen(site[0], "market?page_size=1")
        try:
            first = (await events.until("snapshot")).data
            clock.move(1)
            await player.put(player.MARKET, player.rows_at("market", 1))
            assert (await events.until("snapshot")).data["version"] > first["version"]
        finally:
            events.close()

    asyncio.run(story())
