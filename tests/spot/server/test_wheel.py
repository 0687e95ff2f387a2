"""Timers of sockets on one timer of the loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context

import pytest

from spot.server import wheel
from spot.server.wheel import Wheel


class Clockwork:
    """A loop whose time is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: tuple[float, Callable[[], None]] | None = None
        self.set_times = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, act: Callable[[], None], context: Context) -> Clockwork:
        self.due = when, act
        self.set_times += 1
        return self

    def call_soon(self, act: Callable[[], None]) -> None:
        act()

    def cancel(self) -> None:
        self.due = None

    def pass_until(self, now: float) -> None:
        """Let the time pass, and what is due be done."""
        while self.due is not None and self.due[0] <= now:
            (self.now, act), self.due = self.due, None
            act()
        self.now = now


@pytest.fixture
def loop() -> Clockwork:
    return Clockwork()


@pytest.fixture
def timers(loop: Clockwork) -> Wheel:
    return Wheel(loop)  # type: ignore[arg-type]


def test_a_timer_goes_off_once_and_never_early(loop: Clockwork, timers: Wheel) -> None:
    done: list[float] = []
    timers.call_later(20.1, lambda: done.append(loop.now))
    loop.pass_until(120.0)
    assert done == []
    loop.pass_until(200.0)
    assert len(done) == 1
    assert 120.1 <= done[0] <= 120.1 + wheel._SLOT_SECONDS


def test_timers_of_one_moment_share_one_of_the_loop(loop: Clockwork, timers: Wheel) -> None:
    done: list[int] = []
    for number in range(1000):
        timers.call_later(20, lambda number=number: done.append(number))  # type: ignore[misc]
    assert loop.set_times == 1
    loop.pass_until(121)
    assert sorted(done) == list(range(1000))


def test_a_sooner_timer_goes_off_first(loop: Clockwork, timers: Wheel) -> None:
    done: list[str] = []
    timers.call_later(30, lambda: done.append("late"))
    timers.call_later(10, lambda: done.append("soon"))
    loop.pass_until(111)
    assert done == ["soon"]
    loop.pass_until(131)
    assert done == ["soon", "late"]


def test_a_cancelled_timer_does_nothing(loop: Clockwork, timers: Wheel) -> None:
    done: list[str] = []
    both = [timers.call_later(10, lambda: done.append("one")), timers.call_later(10, print)]
    timers.call_later(10, lambda: done.append("another")).cancel()
    both[0].cancel()
    loop.pass_until(120)
    both[1].cancel()
    assert done == []


def test_a_timer_may_set_the_next(loop: Clockwork, timers: Wheel) -> None:
    beats: list[float] = []

    def beat() -> None:
        beats.append(loop.now)
        timers.call_later(10, beat)

    timers.call_later(10, beat)
    loop.pass_until(135)
    assert len(beats) == 3


def test_a_timer_goes_off_in_the_context_that_it_was_given(loop: Clockwork, timers: Wheel) -> None:
    whose: ContextVar[str] = ContextVar("whose", default="")
    seen: list[str] = []
    whose.set("one's own")
    timers.call_later(10, lambda: seen.append(whose.get()), copy_context())
    whose.set("another's")
    loop.pass_until(120)
    assert seen == ["one's own"]


def test_timers_that_have_gone_off_are_freed_without_the_garbage_collector(loop: Clockwork, timers: Wheel) -> None:
    def alive() -> int:
        return sum(type(one) is wheel.Timer for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        for _ in range(50):
            timers.call_later(10, list)
        assert alive() == before + 50
        loop.pass_until(120)
        assert alive() == before
    finally:
        gc.enable()


def test_what_is_soon_is_exact() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        began, done = loop.time(), loop.create_future()
        wheel.call_later(0.01, lambda: done.set_result(loop.time()))
        assert await done >= began + 0.009
        assert isinstance(wheel.call_later(wheel._COARSE_SECONDS, print), wheel.Timer)

    asyncio.run(story())
