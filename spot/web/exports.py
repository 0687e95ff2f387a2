"""Answers as CSV, written without holding up the event loop: in slices, one text at a time, and once for each state."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Hashable

from spot.dialects.wire import csv_parts, export_frame
from spot.feeds.subscription import Answer, Subscription, whole_range
from spot.hub.groups import Update
from spot.web.encodings import SHELF

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


class Export:
    """An export that one socket has asked for: written once the socket takes it, in slices, while others are served."""

    def __init__(self, subscription: Subscription, update: Update, when_done: Callable[[], None]) -> None:
        self._dialect = subscription.dialect
        self._answer = Answer(whole_range(subscription), update.answer.table)
        self._facts = update.facts
        self._when_done = when_done
        self._task: asyncio.Task[bytes] | None = None

    def is_ready(self) -> bool:
        """Whether it has been written; the first call begins to."""
        if self._task is None:
            name = (self._facts.epoch, self._facts.version, self._answer.subscription.key)
            self._task = asyncio.create_task(csv_of(self._answer, self._facts.source, name))
            self._task.add_done_callback(self._done)
        return self._task.done()

    def __call__(self) -> bytes:
        """The finished reply."""
        assert self._task is not None
        text = self._task.result()
        return export_frame(self._answer, text.decode()) if self._dialect.envelope else text

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._task is not None:
            self._task.remove_done_callback(self._done)
            self._task.cancel()

    def _done(self, _task: asyncio.Task[bytes]) -> None:
        self._when_done()
