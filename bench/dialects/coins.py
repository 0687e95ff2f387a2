"""A dialect for measuring: one small frame for each of a hundred coins, all of the same length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from bench.coins import followed, message
from spot.dialects.base import Command, Dialect, Opening, Route, Subscribe
from spot.dialects.values import Page, Value
from spot.feeds import TAPE
from spot.feeds.view import view_of


@dataclass(frozen=True)
class Coins(Dialect):
    """The coin and its price."""

    name: ClassVar[str] = "coins"
    subscriptions: ClassVar[int] = 100

    def read(self, _message: str | bytes, _depth: int) -> Sequence[Command]:
        """Nothing is understood."""
        return ()

    def write(self, value: Value) -> bytes | None:
        """A page of one coin."""
        if not isinstance(value, Page):
            return None
        return message(value.answer.keys()[0], value.answer.cells()[0]["price"])


@lru_cache
def _subscribe(name: str, depth: int) -> Subscribe:
    return Subscribe(name, view_of(TAPE, {"coin_ids": name}, depth))


def _open(query_string: bytes, _subprotocols: tuple[str, ...], depth: int) -> Opening:
    return Opening(Coins(), tuple(_subscribe(name, depth) for name in followed(int(query_string))))


ROUTES = (Route("coins", _open, Coins()),)
