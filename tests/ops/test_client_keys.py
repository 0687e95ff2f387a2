"""Clients in two web processes of one site: they share the limits of each, and the end of a key reaches both."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from spot.management.commands.up import program
from spot.server import listening
from tests.live import Connection, LiveSite, connect, get, wait_until
from tests.operating import Operator

pytestmark = pytest.mark.flow
FEED = "/tzone_apis/services/spot/ws/top-gainers"


@contextmanager
def web_processes(site: LiveSite, number: int) -> Iterator[list[int]]:
    """The ports of so many web processes more of the site, which have its environment of this moment."""
    with ExitStack() as stack:
        ports = []
        for _ in range(number):
            listener = stack.enter_context(listening.listen("127.0.0.1", 0))
            made = program("web", listener, site.sandbox.url)
            assert made is not None
            process: subprocess.Popen[bytes] = site._spawn(made)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            ports.append(listener.getsockname()[1])
        for port in ports:
            wait_until(lambda port=port: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, what="another process")
        yield ports


@pytest.fixture
def second(live_site: LiveSite) -> Iterator[int]:
    """The port of another web process of the site."""
    with web_processes(live_site, 1) as ports:
        yield ports[0]


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


def test_two_processes_share_the_limits_of_an_address(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"CONNECTIONS_PER_ADDRESS": "3", "REQUESTS_PER_MINUTE": "240", "NEW_DATASETS_PER_HOUR": "80"}
    for name, value in {**limits, "TRUSTED_PROXIES": "127.0.0.1"}.items():
        monkeypatch.setitem(live_site.environment, f"SPOT_{name}", value)

    def opened(port: int, address: str) -> Connection:
        return connect(f"ws://127.0.0.1:{port}{FEED}", additional_headers={"X-Forwarded-For": address})

    def is_served(port: int, address: str) -> bool:
        """Whether another socket is: without a key a refusal is a message and a close after the handshake."""
        with opened(port, address) as socket, suppress(ConnectionClosed):
            return "too_many_connections" not in str(socket.recv(timeout=10))
        return False

    def asked(port: int, address: str, more: str = "") -> tuple[str, int]:
        """The code of the refusal of a request, "" for none; and how many more the address may send there now."""
        url = f"http://127.0.0.1:{port}/tzone_apis/services/spot/market?page_size=1{more}"
        try:
            answer = urllib.request.urlopen(urllib.request.Request(url, headers={"X-Forwarded-For": address}))
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = json.load(answer)
            return "" if answer.status == 200 else body["code"], int(answer.headers["RateLimit-Remaining"])

    def heard_of(address: str) -> None:
        """Wait until the second process has taken what the address has spent in the first."""
        tries = count(1)
        wait_until(lambda: asked(ports[1], address)[1] < 50 - next(tries), 10, "requests taken in both")

    with web_processes(live_site, 2) as ports, ExitStack() as stack:
        sockets = [stack.enter_context(opened(ports[0], "192.0.2.1")) for _ in range(3)]
        wait_until(lambda: not is_served(ports[1], "192.0.2.1"), 10, "the limit in both processes")
        assert is_served(ports[1], "192.0.2.2")
        sockets[0].close()
        wait_until(lambda: is_served(ports[1], "192.0.2.1"), 10, "the end of the other process's connection")

        # Those that come in the same moment are all let in, and the newest of one process give way.
        many = [stack.enter_context(opened(port, "2001:db8::1")) for _ in range(3) for port in ports]
        wait_until(lambda: [socket.close_code for socket in many].count(4430) == 3, 10, "the end of those too many")
        assert (
            len({socket.close_code for socket in many[::2]}) == len({socket.close_code for socket in many[1::2]}) == 1
        )

        while not asked(ports[0], "192.0.2.3")[0]:
            pass
        heard_of("192.0.2.3")
        assert asked(ports[1], "192.0.2.4") == ("", 59)

        # A currency is paid for once, and its price taken in both.
        asked(ports[0], "192.0.2.5", "&vs_currency=eur")
        for _ in range(25):
            asked(ports[0], "192.0.2.5")
        heard_of("192.0.2.5")
        codes = [asked(ports[1], "192.0.2.5", f"&vs_currency={currency}")[0] for currency in ("gbp", "jpy", "eur")]
        assert [code == "too_many_datasets" for code in codes] == [False, True, False], codes
