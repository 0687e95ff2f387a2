"""A whole site, from outside: health, raw request lines, restarts, the administrator."""

import contextlib
import json
import signal
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.live import LiveSite, connect, get, wait_until

pytestmark = pytest.mark.flow


def test_a_site_that_serves_data_says_so(live_site: LiveSite) -> None:
    assert get(f"{live_site.url}/healthz") == (200, {"status": "ok"})
    status, answer = get(f"{live_site.url}/readyz")
    assert (status, answer["ready"]) == (200, True)
    assert set(answer["checks"].values()) == {"ok"}


def test_without_redis_the_process_lives_and_says_what_is_wrong(live_site: LiveSite) -> None:
    live_site.stop("redis", signal.SIGKILL)
    try:
        wait_until(lambda: get(f"{live_site.url}/readyz")[0] == 503)  # the last check may be a second old
        _, answer = get(f"{live_site.url}/readyz")
        assert answer["checks"]["redis"] != "ok"
        assert answer["checks"]["process"] == answer["checks"]["database"] == "ok"
        assert get(f"{live_site.url}/healthz")[0] == 200
    finally:
        live_site.start("redis")
    wait_until(live_site.is_ready)


def test_a_restart_tells_sockets_why_and_they_find_the_site_again(live_site: LiveSite) -> None:
    with connect(live_site.socket("top-gainers")) as client:
        client.recv(timeout=30)
        live_site.restart("web")
        with contextlib.suppress(ConnectionClosed):
            while True:
                client.recv(timeout=30)
        assert client.close_code == 1012
    assert get(f"{live_site.url}/readyz")[1]["checks"]["hub"] == "ok"  # from its first answer on
    with connect(live_site.socket("top-gainers"), open_timeout=30) as again:
        assert json.loads(again.recv(timeout=30))
    wait_until(live_site.is_ready)


def test_no_query_string_reaches_a_log(live_site: LiveSite) -> None:
    with connect(live_site.socket("top-gainers?search=c4n4ry")) as client:
        client.recv(timeout=30)
    get(live_site.twin("market?search=c4n4ry"))
    assert [log for log in Path(live_site.home).glob("*.log") if "c4n4ry" in log.read_text()] == []
