"""The health check of the worker's, beat's and stream's containers."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from redis import Redis
from redis.exceptions import ConnectionError as Unreachable

from spot import snapshots


def test_a_worker_that_has_just_worked_is_alive(redis: Redis) -> None:
    snapshots.mark_worker()
    call_command("alive")


def test_a_worker_that_never_worked_is_not(redis: Redis) -> None:
    with pytest.raises(CommandError, match="No worker"):
        call_command("alive")


def test_a_worker_that_fell_silent_is_not(redis: Redis) -> None:
    redis.set("spot:worker", snapshots.now_ms() - 31_000)
    with pytest.raises(CommandError, match="No worker"):
        call_command("alive")


def test_a_stream_process_is_alive_by_its_own_sign(redis: Redis) -> None:
    snapshots.mark_worker()
    with pytest.raises(CommandError, match="No stream process"):
        call_command("alive", "stream")
    redis.set("spot:stream:seen", snapshots.now_ms())
    call_command("alive", "stream")
    redis.set("spot:stream:seen", snapshots.now_ms() - 31_000)
    with pytest.raises(CommandError, match="No stream process"):
        call_command("alive", "stream")


def test_without_redis_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> int:
        raise Unreachable

    monkeypatch.setattr(snapshots, "worker_seen_ms", unreachable)
    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("alive")
