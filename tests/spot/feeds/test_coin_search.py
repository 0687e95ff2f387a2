"""The page that picks coins searches the list of all coins, not only those of a market."""

from __future__ import annotations

from typing import Any

import pytest

from spot.feeds import table_of
from spot.feeds.coin_search import search
from spot.hub.hub import Hub
from tests.spot.asking import ask
from tests.spot.sockets import Socket, eventually, put_lists, run

LIST: list[dict[str, Any]] = [
    {"id": "wrapped-pepe", "symbol": "WPEPE", "name": "Wrapped"},
    {"id": "pepecoin", "symbol": "PEPECOIN", "name": "PepeCoin"},
    {"id": "pepe", "symbol": "pepe", "name": "Pepe"},
    {"id": "usd-coin", "symbol": "USDC", "name": "USDC"},
    {"id": "no-name", "symbol": "", "name": ""},
]


def ids(text: str, most: int = 8) -> list[str]:
    return [coin["id"] for coin in search(text, table_of("coins", LIST), most)]


def test_whole_words_come_before_beginnings_and_those_before_parts() -> None:
    assert ids("PEPE ") == ["pepe", "pepecoin", "wrapped-pepe"]
    assert ids("usdc") == ids("usd-c") == ["usd-coin"]
    assert ids("pepe", most=2) == ["pepe", "pepecoin"]


@pytest.mark.parametrize("text", ["", "   ", "\n", "nosuchcoin", "*", "\x00"])
def test_nothing_is_found_of_nothing_and_nonsense(text: str) -> None:
    assert ids(text) == []


def test_a_coin_without_a_name_goes_by_its_id() -> None:
    assert search("no-n", table_of("coins", LIST), 8) == [{"id": "no-name", "symbol": "", "name": "no-name"}]


@pytest.mark.usefixtures("redis")
def test_a_page_is_answered_from_the_whole_list() -> None:
    async def story() -> None:
        assert (await ask("/coins.json?q=pepe")).json() == {"coins": []}
        await put_lists(coins=("bitcoin", "pepe", "pepecoin"))
        async with Socket("market"):
            await eventually(lambda: Hub.current().topics["coins"].table)
        answer = (await ask("/coins.json?q=PEPE")).json()
        assert [coin["id"] for coin in answer["coins"]] == ["pepe", "pepecoin"]
        assert (await ask("/coins.json")).json() == {"coins": []}
        assert len((await ask("/coins.json?q=p" + "e" * 10_000)).json()["coins"]) == 0

    run(story())
