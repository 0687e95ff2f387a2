"""The health check of the worker's, beat's and stream's containers."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from redis import Redis

from spot import snapshots
from spot.processes import alive
from spot_project import redis_address
from spot_project.redis_connections import Server
from tests.live import ROOT, inherited


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


def test_without_redis_it_says_so(tmp_path: Path) -> None:
    with Server(redis_address.private(str(tmp_path / "none.sock"))).client() as client:
        assert alive.problem(client, "worker") == "Redis does not answer: ConnectionError"


def asked(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What `manage.py alive` answers as a process of its own, as in a container."""
    command = [sys.executable, "-X", "importtime", "manage.py", "alive", *arguments]
    environment = {**inherited(), **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_container_is_answered_without_setting_django_up(redis: Redis, redis_url: str) -> None:
    snapshots.mark_worker()
    answer = asked(REDIS_URL=redis_url)
    assert answer.returncode == 0
    modules = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "spot.signs" in modules
    assert not modules & {"spot_project.settings", "celery", "daphne", "django.db", "structlog", "orjson"}


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["stream"], {}, "No stream process was alive lately."),
        (["beats"], {}, "manage.py alive: beats is no part. There are: worker, stream."),
        ([], {"REDIS_URL": "http://redis"}, "Spot's settings: REDIS_URL must begin with redis://"),
    ],
)
def test_a_container_reads_why_not(
    redis: Redis, redis_url: str, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    answer = asked(*arguments, **{"REDIS_URL": redis_url, **environment})
    assert answer.returncode == 1
    assert sentence in answer.stderr
