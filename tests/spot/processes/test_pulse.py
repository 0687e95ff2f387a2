"""The watch on Celery's sign of life."""

from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError as Unreachable

from spot.processes import pulse
from spot.processes.pulse import Pulse


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pulse.time, "monotonic", clock.monotonic)
    return clock


def still(read: Callable[[], object]) -> Pulse:
    """A pulse whose own thread sleeps through the test."""
    return Pulse(read, every_seconds=3600)


def test_a_sign_that_changes_is_life(clock: Clock) -> None:
    signs = iter(range(100))
    watched = still(lambda: next(signs))
    clock.now += 50
    watched.look()
    assert watched.silent_seconds() == 0


def test_a_sign_that_stays_the_same_is_silence_whatever_it_says(clock: Clock) -> None:
    watched = still(lambda: 99_999_999)
    watched.look()
    clock.now += 50
    watched.look()
    assert watched.silent_seconds() == 50


def test_no_sign_at_all_is_silence(clock: Clock) -> None:
    watched = still(lambda: None)
    clock.now += 50
    watched.look()
    assert watched.silent_seconds() == 50


def test_without_redis_nobody_is_called_silent(clock: Clock) -> None:
    def unreachable() -> object:
        raise Unreachable

    watched = still(unreachable)
    clock.now += 50
    watched.look()
    assert watched.silent_seconds() == 0
