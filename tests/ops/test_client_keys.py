"""A client's key in two web processes of one site: they share its limits, and a revocation reaches both."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from spot.management.commands.up import program
from spot.server import listening
from tests.live import Connection, LiveSite, connect, get, wait_until
from tests.operating import Operator

pytestmark = pytest.mark.flow
FEED = "/tzone_apis/services/spot/ws/top-gainers"


@pytest.fixture
def second(live_site: LiveSite) -> Iterator[int]:
    """The port of another web process of the site."""
    listener = listening.listen("127.0.0.1", 0)
    made = program("web", listener, live_site.sandbox.url)
    assert made is not None
    process: subprocess.Popen[bytes] = live_site._spawn(made)
    port = listener.getsockname()[1]
    try:
        wait_until(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, what="the second process")
        yield port
    finally:
        process.terminate()
        process.wait(20)
        listener.close()


def test_two_processes_share_a_keys_limits_and_its_end(live_site: LiveSite, second: int) -> None:
    operator = Operator(live_site)
    key, page = operator.new_key("two", connections="2")
    ports = (live_site.port, second)

    def opened(port: int) -> Connection:
        return connect(f"ws://127.0.0.1:{port}{FEED}", additional_headers={"X-API-Key": key})

    def status(port: int) -> int:
        """That of a handshake with the key."""
        try:
            with opened(port):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    with ExitStack() as stack:
        assert status(ports[0]) == 101  # where it was made, it is good at once
        wait_until(lambda: {status(port) for port in ports} == {101}, 10, "the key in both books")
        wait_until(lambda: status(second) == 101, 10, "the ends of these")
        sockets = [stack.enter_context(opened(port)) for port in ports]
        wait_until(lambda: [status(port) for port in ports] == [429, 429], 10, "the limit in both processes")
        sockets[1].close()
        wait_until(lambda: status(ports[0]) == 101, 10, "the end of the other process's connection")
        sockets[1] = stack.enter_context(opened(second))
        operator.press(page, "revoke")
        for socket in sockets:
            with suppress(ConnectionClosed):
                while True:
                    socket.recv(timeout=10)
            assert socket.close_code == 4401
        assert [status(port) for port in ports] == [401, 401]
