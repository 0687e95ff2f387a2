"""Not a documented byte changes unnoticed: every feed in every dialect, played against the transcripts kept here.

`python -m pytest tests/golden --record` writes them anew, for a change that is meant; read the difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spot.hub.hub import Hub
from tests.fastpath import gateway
from tests.golden import player
from tests.golden.player import Clock
from tests.golden.scenes import DIALECTS, FEEDS, REFUSED
from tests.spot import asking
from tests.spot.sockets import run

FOLDER = Path(__file__).parent / "transcripts"
PREFIX = "/tzone_apis/services/spot/"
pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


#: An entity tag, which is opaque: clients send it back, and that is all.
TAG = re.compile(r'W/"[0-9a-f]{24}"')


@pytest.fixture
def transcript(request) -> Iterator[Any]:
    """Holds lines against the file of that name; with --record it writes the file."""

    def check(name: str, lines: list[str]) -> None:
        lines = [TAG.sub('W/"..."', line) for line in lines]
        path = FOLDER / f"{name}.txt"
        if request.config.getoption("--record"):
            FOLDER.mkdir(exist_ok=True)
            path.write_text("\n".join(lines) + "\n")
        assert lines == path.read_text().splitlines()

    return check


def on_the_wire(finished: bool, story: Any) -> list[str]:
    """What a story tells that is given connections to the product's uvicorn."""
    told: list[str] = []

    async def served() -> None:
        async with gateway.gateway() as gate:
            told.extend(await story(player.server(gate, finished=finished)))

    gateway.run(served())
    return told


def in_the_application(story: Any) -> list[str]:
    told: list[str] = []

    async def played() -> None:
        told.extend(await story(player.application))

    run(played())
    return told


PLACES = {
    "application": in_the_application,
    "finished": lambda story: on_the_wire(True, story),
    "plain": lambda story: on_the_wire(False, story),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("place", "feed"),
    # The texts that uvicorn frames itself are those of the application: one feed shows it.
    [*((place, feed) for place in ("application", "finished") for feed in FEEDS), ("plain", "market")],
)
def test_a_feed_says_what_it_always_said(place, feed, dialect, clock, transcript) -> None:
    lines = PLACES[place](lambda connect: player.play(feed, dialect, connect, clock))
    transcript(f"{feed}-{dialect}", lines)


@pytest.mark.parametrize("place", PLACES)
def test_addresses_are_refused_as_they_always_were(place, clock, transcript) -> None:
    async def story(connect) -> list[str]:
        return [line for address in REFUSED for line in await player.refusal(address, connect)]

    transcript("refusals", PLACES[place](story))


def steady(name: str, value: str) -> str:
    """A header's value without what is another each time: the order of a policy, what is left of an allowance."""
    if name == "Content-Security-Policy":
        return "; ".join(sorted(value.split("; ")))
    return "..." if name in ("RateLimit-Remaining", "RateLimit-Reset") else value


@pytest.mark.parametrize("feed", FEEDS)
def test_the_twin_answers_as_it_always_did(feed, clock, transcript) -> None:
    lines: list[str] = []

    async def ask(query: str, **headers: str) -> None:
        response = await asking.ask(f"{PREFIX}{feed}?{query}", headers=headers)
        lines.append(f"# GET {feed}?{query} {headers or ''}".rstrip())
        lines.append(f"< {response.status_code}")
        lines.extend(f"< {name}: {steady(name, value)}" for name, value in sorted(response.headers.items()))
        lines.append(f"< {player.line(response.content.decode())}")

    async def story() -> None:
        await player.prepare(feed)
        query = FEEDS[feed]
        for more in ("", "&envelope=1", "&format=csv", "&search=nosuch&format=csv", "&bogus=1", "&sort_by=nosuch"):
            await ask(query + more)
        tag = next(line.removeprefix("< ETag: ") for line in lines if line.startswith("< ETag: "))
        await ask(query, **{"if-none-match": tag})
        await ask(query, origin="https://elsewhere.example")
        clock.move(7200)
        await Hub.current()._watch(player.NOW_MS + 7_200_000)
        await ask(query)

    run(story())
    transcript(f"http-{feed}", lines)
