"""What every test may use: a real Redis of this process's own, emptied between tests."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from django.conf import settings as django_settings
from redis import Redis
from redis.exceptions import ConnectionError as NotYet

from spot.redis_server import NONE_FOUND, find

PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of this worker's Redis, which is also what settings.REDIS_URL says."""
    url = django_settings.REDIS_URL
    socket = Path(url.removeprefix("unix://"))
    binary = find()
    assert binary is not None, NONE_FOUND
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(socket.parent),
    ]
    server = subprocess.Popen([binary.path, *options], stdout=subprocess.DEVNULL)
    try:
        _wait_for(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    with Redis.from_url(url) as client:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
            except NotYet:
                time.sleep(0.02)
            else:
                return
    raise RuntimeError(f"Redis does not answer at {url}")


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of the empty store."""
    with Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(autouse=True)
def plain_static(settings) -> None:
    """Templates name static files; the hashed names exist only where they were collected."""
    settings.STORAGES = PLAIN_STATIC


@pytest.fixture(autouse=True, scope="session")
def impatient_retries() -> Iterator[None]:
    """As many tries as in earnest, without the pauses between them."""
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)
