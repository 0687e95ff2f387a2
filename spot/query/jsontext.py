"""JSON with parts that are JSON text already. Pure.

A sparkline is 168 numbers that queries do not read, so it passes from the store to the socket as text, undecoded: a
snapshot of 500 coins is decoded several times faster.

Each text is encoded as a mark, which the text replaces afterwards. `orjson.Fragment` would do that, but since orjson
3.12 it writes past the end of its buffer when more values follow, which corrupts the memory of the process.
"""

from __future__ import annotations

import secrets
from itertools import chain
from typing import Any

import orjson

#: Random, so that no value contains it.
_MARK = secrets.token_hex(16)
_QUOTED = b'"' + _MARK.encode() + b'"'


class JsonText(str):
    """A string of JSON: encoded as it is, not as a JSON string."""

    __slots__ = ()


def dumps(value: Any) -> bytes:
    """JSON bytes, with `JsonText` anywhere inside."""
    try:
        return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    except orjson.JSONEncodeError:  # rare: `dumps_row` is the fast path for rows
        return _dumps_with_texts(value)


def dumps_row(values: tuple[Any, ...], place: int) -> bytes:
    """The JSON of a row of plain values; the value at `place`, not the first, may be a `JsonText`."""
    text = values[place]
    if not isinstance(text, JsonText):
        return orjson.dumps(values)
    before, after = orjson.dumps(values[:place]), orjson.dumps(values[place + 1 :])
    return b"".join((before[:-1], b",", text.encode(), b"," if len(after) > 2 else b"", after[1:]))


def _dumps_with_texts(value: Any) -> bytes:
    texts: list[bytes] = []

    def mark(part: object) -> str:
        if not isinstance(part, JsonText):
            raise TypeError(type(part).__name__)
        texts.append(part.encode())
        return _MARK

    marked = orjson.dumps(value, default=mark, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    if not texts:
        return marked
    first, *rest = marked.split(_QUOTED)
    return b"".join((first, *chain.from_iterable(zip(texts, rest, strict=True))))
