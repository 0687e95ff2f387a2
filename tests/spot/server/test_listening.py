"""What both servers make of the wire: raw request lines, limits, close codes, proxies, and the listening socket."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from spot.server import listening

RAW = '/m?filters={"Symbol":"BTC"}&sort_by=Market Cap&sort_order=desc'
ENCODED = "filters=%7B%22Symbol%22:%22BTC%22%7D&sort_by=Market%20Cap&sort_order=desc"


@dataclass
class Probe:
    """A server process that runs `tests.ops.probe_app`."""

    server: str
    process: subprocess.Popen[str]
    port: int

    def ask(self, *chunks: bytes) -> bytes:
        """Everything that comes back on one connection to which the chunks are sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as peer:
            for chunk in chunks:
                peer.sendall(chunk)
            return read_all(peer)

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"


def read_all(peer: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := peer.recv(65536):
            data += chunk
    return data


def read_until(peer: socket.socket, mark: bytes) -> None:
    data = b""
    while mark not in data:
        chunk = peer.recv(65536)
        assert chunk, data
        data += chunk


def body(answer: bytes) -> dict[str, object]:
    text = answer.split(b"\r\n\r\n", 1)[1].decode()
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Probe]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ops.probe_app", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SPOT_SEND_SECONDS": "1"},
    )
    try:
        assert process.stdout is not None
        yield Probe(arguments[0], process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    with running(request.param) as made:
        yield made


def test_raw_json_and_spaces_in_a_request_line_are_understood(probe: Probe) -> None:
    answer = probe.ask(f"GET {RAW} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert body(answer)["query"] == ENCODED


def test_a_request_line_that_arrives_in_pieces_is_mended_too(probe: Probe) -> None:
    pieces = f"GET {RAW} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    answer = probe.ask(pieces[:20], pieces[20:41], pieces[41:70], pieces[70:])
    assert body(answer)["query"] == ENCODED


def test_the_second_request_of_a_connection_is_mended_too(probe: Probe) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=15) as peer:
        peer.sendall(b"POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        read_until(peer, b"/first")
        peer.sendall(f"GET {RAW} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert ENCODED.encode() in read_all(peer)


def test_pipelined_requests_are_all_answered(probe: Probe) -> None:
    two = (
        b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nab"
    )
    answer = probe.ask(two, b"cd")
    assert b"/one" in answer
    assert b"/two" in answer


def test_a_websocket_client_that_does_not_encode_connects(probe: Probe) -> None:
    with connect(probe.url(RAW)) as client:
        assert json.loads(client.recv())["query"] == ENCODED
        client.send("hello")
        assert client.recv() == "hello"


def test_a_request_whose_head_does_not_arrive_is_ended(probe: Probe) -> None:
    answer = probe.ask(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_a_request_whose_body_does_not_arrive_is_ended(probe: Probe) -> None:
    answer = probe.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it")
    assert answer == b"" or answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 408 "))


def test_a_connection_that_says_nothing_is_ended(probe: Probe) -> None:
    answer = probe.ask()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_refused(probe: Probe) -> None:
    answer = probe.ask(b"GET / HTTP/1.1\r\n", b"X-Filler: " + b"a" * 40_000 + b"\r\n")
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431")


def test_garbage_is_refused_and_the_server_lives_on(probe: Probe) -> None:
    assert probe.ask(b"\x16\x03\x01\x02\x00 garbage\n\n\r\n\r\n")[:12] in (b"", b"HTTP/1.1 400")
    assert b"200" in probe.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").splitlines()[0]


def test_a_handshake_may_be_refused_with_a_status_and_a_reason(probe: Probe) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(probe.url("/denied"))
    response = refused.value.response
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert json.loads(response.body) == {"code": "no"}


def test_pings_at_full_speed_are_answered_and_others_are_served(probe: Probe) -> None:
    with connect(probe.url("/m")) as flooding, connect(probe.url("/m")) as other:
        other.recv()
        flooding.recv()
        flooding.socket.sendall(b"\x89\x80abcd" * 5000)
        other.send("hello")
        assert other.recv() == "hello"
        flooding.send("still here")
        assert flooding.recv(timeout=30) == "still here"


def test_a_get_with_a_large_body_is_refused_by_daphne_before_it_comes(probe: Probe) -> None:
    if probe.server == "uvicorn":
        return  # there the application is asked as soon as the head has come
    answer = probe.ask(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_websocket_message_above_64_kib_is_refused(probe: Probe) -> None:
    with connect(probe.url("/m"), max_size=None) as client:
        client.recv()
        client.send("a" * listening.INBOUND_BYTES)
        assert len(client.recv()) == listening.INBOUND_BYTES
        client.send("a" * (listening.INBOUND_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("code", [1000, 1012, 1013, 4400, 4508])
def test_the_application_may_close_with_any_of_our_codes(probe: Probe, code: int) -> None:
    with connect(probe.url(f"/close-{code}")) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


def test_a_forwarded_address_is_believed_only_from_a_trusted_proxy(probe: Probe) -> None:
    request = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    )
    stranger = body(probe.ask(request))
    with running(probe.server, "proxy") as behind_proxy:
        friend = body(behind_proxy.ask(request))
    assert (stranger["client"][0], stranger["scheme"]) == ("127.0.0.1", "http")
    assert (friend["client"][0], friend["scheme"]) == ("203.0.113.7", "https")


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_sigterm_tells_every_socket_that_the_server_restarts(server: str) -> None:
    with running(server) as ending:
        half = socket.create_connection(("127.0.0.1", ending.port))
        half.sendall(b"GET / HTTP/1.1\r\n")
        with connect(ending.url("/m")) as client:
            client.recv()
            ending.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv()
        half.close()
        ending.process.wait(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_a_request_that_never_ends_does_not_hold_the_process() -> None:
    with running("uvicorn") as ending, socket.create_connection(("127.0.0.1", ending.port)) as peer:
        peer.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in ending.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        ending.process.send_signal(signal.SIGTERM)
        ending.process.wait(timeout=listening.GRACE_SECONDS + 7)


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the state of a connection is read from Linux")
def test_a_peer_that_never_reads_is_reset_whatever_it_asked_for(probe: Probe) -> None:
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with contextlib.ExitStack() as peers:
        waiting = {}
        for path, headers in (("/flood", ""), ("/events-flood", ""), ("/flood", upgrade)):
            peer = peers.enter_context(socket.create_connection(("127.0.0.1", probe.port)))
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            waiting[peer] = path, headers
        deadline = time.monotonic() + 20
        while waiting and time.monotonic() < deadline:
            waiting = {peer: asked for peer, asked in waiting.items() if not is_reset(peer)}
            time.sleep(0.05)
        assert not list(waiting.values())
    known = body(probe.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert isinstance(known["handed"], int)
    assert known["handed"] <= 3, "the server buffers more than one message for each"


def is_reset(peer: socket.socket) -> bool:
    return peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([7])  # TCP_CLOSE


def test_accepted_connections_inherit_what_bounds_a_reader_that_stops() -> None:
    with listening.listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * listening.SEND_BUFFER_BYTES
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                unsent = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
                assert unsent == listening.UNSENT_BYTES
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert timeout == listening.UNACKNOWLEDGED_MS


def test_a_taken_port_is_named_in_one_sentence() -> None:
    with listening.listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(listening.CannotServe, match=rf"Port {port} is taken .* PORT={port + 1} make run"):
            listening.listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host"])
def test_an_address_of_another_machine_is_named_in_one_sentence(host: str) -> None:
    with pytest.raises(listening.CannotServe, match="SPOT_BIND"):
        listening.listen(host, 0)


def test_an_unknown_server_is_named_with_those_that_exist() -> None:
    listener = listening.listen("127.0.0.1", 0)
    with listener, pytest.raises(listening.CannotServe, match="Use uvicorn or daphne"):
        listening.serve("gunicorn", None, listener)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_addresses_are_told_from_public_ones(host: str, loopback: bool) -> None:
    assert listening.is_loopback(host) is loopback
