"""Short addresses are parsed once for all clients that have the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Concatenate, Generic, ParamSpec, TypeVar

#: Query strings up to this length are remembered; the parsed form of a long one is a hundred times larger than itself.
_BYTES = 512
_MOST = 1024

More = ParamSpec("More")
Parsed = TypeVar("Parsed")


class Remembered(Generic[More, Parsed]):
    """`parse`, whose results for the last `most` query strings of up to `longest` bytes are kept: they must never
    change, and be equal for equal arguments."""

    def __init__(
        self, parse: Callable[Concatenate[bytes, More], Parsed], *, longest: int = _BYTES, most: int = _MOST
    ) -> None:
        self._parse = parse
        self._longest = longest
        self.kept = lru_cache(maxsize=most)(parse)

    def __call__(self, query_string: bytes, *more: More.args, **named: More.kwargs) -> Parsed:
        """The result for that query string. Raises what `parse` raises."""
        parse = self.kept if len(query_string) <= self._longest else self._parse
        return parse(query_string, *more, **named)
