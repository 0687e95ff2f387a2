"""What every test may use: a real Redis of this process's own, emptied between tests."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stamina
from django.conf import settings as django_settings
from redis import Redis
from redis.exceptions import ConnectionError as NotYet

from spot.processes.redis_server import NONE_FOUND, find
from tests import chromium
from tests.blog import Blog
from tests.live import LiveSite

PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--record` writes the transcripts of tests/golden anew; `--fuzz` is how many messages test_fuzz.py sends."""
    parser.addoption("--record", action="store_true", help="write the golden transcripts anew")
    parser.addoption("--fuzz", type=int, default=400, help="messages of arbitrary content, over all doors")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores, since many tests wait for the processes of a site."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) * 3 // 2


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of this worker's Redis, which is also what settings.REDIS says."""
    socket = Path(django_settings.REDIS.address.path)
    url = f"unix://{socket}"
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


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """A password is hashed at once; a site's own way takes half a second on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def empty_book() -> Iterator[None]:
    """Nobody has a key, and no test asks the database for any, unless it fills the book."""
    from spot.clients.book import Contents, book

    book.fill(Contents())
    yield
    book.fill(Contents())


@pytest.fixture(autouse=True, scope="session")
def impatient_retries() -> Iterator[None]:
    """As many tries as in earnest, without the pauses between them."""
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@contextmanager
def _sites() -> Iterator[Callable[..., LiveSite]]:
    made: list[LiveSite] = []

    def make(*parts: str, **environment: str) -> LiveSite:
        home = Path(tempfile.mkdtemp(prefix="spot-site-"))
        made.append(LiveSite(home, **environment))
        made[-1].open(*parts)
        return made[-1]

    try:
        yield make
    finally:
        for site in made:
            site.close()
            shutil.rmtree(site.home, ignore_errors=True)


@pytest.fixture(scope="module")
def make_site() -> Iterator[Callable[..., LiveSite]]:
    """Makes sites of real processes, ready to serve, as in `make_site(SPOT_DEMO="off", COINGECKO_BASE_URL=...)`. They
    end with the module: one that polls every second takes a third of a core, whether anybody looks at it or not."""
    with _sites() as make:
        yield make


@pytest.fixture(scope="session")
def blog() -> Iterator[Blog]:
    """Another site, whose pages may show the live site's data."""
    with Blog() as blog:
        yield blog


@pytest.fixture(scope="session")
def live_site(blog: Blog) -> Iterator[LiveSite]:
    """The site that tests from outside share: the sandbox's market, polled every 2 s. Leave it as you found it."""
    with _sites() as make:
        yield make(SPOT_ALLOWED_ORIGINS=blog.origin, SPOT_POLL_SECONDS="2")


@pytest.fixture(scope="session")
def base_url() -> None:
    """Tests give whole addresses. The fixture that pytest-playwright has of this name is one that pytest 9 warns of."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """The machine's own browser; the sandbox of a Chromium needs privileges that a container's root lacks. Without a
    graphics card, which Debian's Chromium otherwise imitates in software, pages cost a sixth less."""
    path = chromium.find()
    assert path is not None, chromium.NONE
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {**browser_type_launch_args, "executable_path": path, "args": arguments}
