"""When garbage is looked for: the newest often, all of it as often as it costs little."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import pairwise

import pytest

from spot.tidying import Tidying


class Cyclic:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Clock:
    """Tells a time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _lost(*, old: bool = False) -> weakref.ref[Cyclic]:
    made = Cyclic()
    if old:
        gc.collect()
    return weakref.ref(made)


def test_new_garbage_is_freed_at_each_turn_and_old_garbage_after_a_minute() -> None:
    clock = Clock()
    tidying = Tidying(clock)
    old, new = _lost(old=True), _lost()
    tidying.turn()
    assert new() is None
    assert old() is not None
    clock.now += 61
    tidying.turn()
    assert old() is None


def test_a_look_at_everything_takes_a_two_thousandth_of_the_time(monkeypatch) -> None:
    clock = Clock()
    tidying = Tidying(clock, clock)
    looks: list[float] = []

    def collect(generation: int = 2) -> int:
        if generation == 2:
            looks.append(clock.now)
            clock.now += 0.25  # as long as with thousands of sockets
        return 0

    monkeypatch.setattr(gc, "collect", collect)
    for _ in range(160):
        clock.now += 10
        tidying.turn()
    assert len(looks) == 4
    assert min(later - earlier for earlier, later in pairwise(looks)) >= 500
