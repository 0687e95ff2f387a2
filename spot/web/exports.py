"""Answers as CSV, written without holding up the event loop: in slices, one text at a time, and once for each state."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Hashable

from spot.dialects.csv_export import csv_parts
from spot.dialects.values import Exported
from spot.feeds.answer import Answer
from spot.hub.update import Update
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
    """An export that one socket has asked for (`spot.hub.outbox.Reply`): written once the socket takes it, in slices,
    while others are served."""

    def __init__(self, update: Update, command: object, when_done: Callable[[], None]) -> None:
        self._dialect = update.dialect
        self._answer = Answer(update.answer.view.whole, update.answer.table)
        self._facts = update.facts
        self._command = command
        self._when_done = when_done
        self._task: asyncio.Task[bytes] | None = None

    def is_ready(self) -> bool:
        """Whether it has been written; the first call begins to."""
        if self._task is None:
            name = (self._facts.epoch, self._facts.version, self._answer.view.key)
            self._task = asyncio.create_task(csv_of(self._answer, self._facts.source, name))
            self._task.add_done_callback(self._done)
        return self._task.done()

    def __call__(self) -> bytes | None:
        """The finished reply."""
        assert self._task is not None
        return self._dialect.write(Exported(self._answer, self._task.result(), self._command))

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._task is not None:
            self._task.remove_done_callback(self._done)
            self._task.cancel()

    def _done(self, _task: asyncio.Task[bytes]) -> None:
        self._when_done()
