"""Timers of thousands of sockets on one timer of the loop.

A timer of the loop weighs 0.6 KB, and each socket has some that only say when it has been silent for too long. These
weigh a quarter, and go off up to a quarter of a second late, many together.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextvars import Context
from typing import ClassVar

#: Seconds between two slots.
_SLOT_SECONDS = 0.25
#: From so many seconds on it does not matter when within a slot a timer goes off.
_COARSE_SECONDS = 5.0


class Timer:
    """Something that is done once, later, unless it is cancelled."""

    __slots__ = ("_act", "_context", "_slot")

    def __init__(self, act: Callable[[], object], context: Context | None, slot: set[Timer]) -> None:
        self._act: Callable[[], object] | None = act
        self._context = context
        self._slot = slot
        slot.add(self)

    def cancel(self) -> None:
        """Do it no more. Harmless when it has been done."""
        self._act = None
        self._slot.discard(self)

    def go_off(self) -> None:
        """Do it."""
        act, self._act = self._act, None
        if act is not None and self._context is not None:
            self._context.run(act)
        elif act is not None:
            act()


class Wheel:
    """The timers of one loop, in slots of when they go off."""

    _latest: ClassVar[Wheel | None] = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._slots: dict[int, set[Timer]] = {}
        self._turn: asyncio.TimerHandle | None = None
        self._next = math.inf

    @classmethod
    def running(cls) -> Wheel:
        """The wheel of the running loop; a process has one loop, and tests one after the other."""
        loop, latest = asyncio.get_running_loop(), cls._latest
        if latest is None or latest.loop is not loop:
            latest = cls._latest = cls(loop)
        return latest

    def call_later(self, seconds: float, act: Callable[[], object], context: Context | None = None) -> Timer:
        """Do something after so many seconds, or a little later; without a context in an empty one."""
        number = math.ceil((self.loop.time() + seconds) / _SLOT_SECONDS)
        timer = Timer(act, context, self._slots.setdefault(number, set()))
        if number < self._next:
            self._turn_at(number)
        return timer

    def _turn_at(self, number: int) -> None:
        if self._turn is not None:
            self._turn.cancel()
        due = number * _SLOT_SECONDS
        self._next, self._turn = number, self.loop.call_at(due, self._go_off, context=Context())

    def _go_off(self) -> None:
        self._turn, self._next = None, math.inf
        now = self.loop.time() / _SLOT_SECONDS
        for number in sorted(number for number in self._slots if number <= now):
            slot = self._slots.pop(number)
            while slot:  # empty afterwards: a timer and its slot refer to each other
                self.loop.call_soon(slot.pop().go_off)  # what one of them raises is not the others' trouble
        if self._slots:
            self._turn_at(min(self._slots))


def call_later(
    seconds: float, act: Callable[[], object], context: Context | None = None
) -> Timer | asyncio.TimerHandle:
    """Do something after so many seconds: on the running loop's wheel, unless it is soon."""
    if seconds < _COARSE_SECONDS:
        return asyncio.get_running_loop().call_later(seconds, act, context=context or Context())
    return Wheel.running().call_later(seconds, act, context)
