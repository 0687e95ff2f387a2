"""Answers as CSV, written without holding up the event loop: in slices, one text at a time, and once for each state."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Hashable

from spot.encodings import SHELF
from spot.subscription import Answer
from spot.wire import csv_parts

_turn: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


async def csv_of(answer: Answer, source: str, name: Hashable) -> bytes:
    """The CSV of an answer, in UTF-8; equal names stand for equal texts."""

    async def make() -> bytes:
        parts = []
        async with _turn.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            for part in csv_parts(answer, source):
                parts.append(part.encode())
                await asyncio.sleep(0)
        return b"".join(parts)

    return await SHELF.get(("csv", name), make)
