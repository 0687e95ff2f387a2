"""What all stand-ins share, tried with one that is made for the purpose."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import providers
import standins
from standins.base import Peer, Request, Standin

NOW = 1_795_190_412_000
ROOT = Path(__file__).parents[2]


class Example(Standin):
    root, stream_path = "/v1", "/stream"

    def answer(self, request: Request) -> object:
        if request.headers.get("x-api-key") != self.key:
            raise self.refusal(401, "no such key", Retry_After="3")
        if request.path == "/price":
            coin, currency = request.params["coin"], request.params.get("currency", "usd")
            return {"price": self.price(coin, currency), "at": self.now()}
        return super().answer(request)

    def admit(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self.key:
            raise self.refusal(403, "no such key")

    async def opened(self, peer: Peer) -> None:
        await peer.send({"type": "welcome"})

    async def received(self, peer: Peer, message: str | bytes) -> None:
        await peer.send({"heard": str(message)})

    async def pulse(self, peer: Peer) -> None:
        await peer.data({"price": self.price("bitcoin"), "pulse": peer.pulses})


@pytest.fixture
def standin() -> Iterator[Example]:
    with Example(key="k", clock=lambda: NOW, pulse_seconds=0) as running:
        yield running


@pytest.fixture
def socket(standin: Example) -> Iterator[ClientConnection]:
    with connect(standin.stream_url, additional_headers={"x-api-key": "k"}) as client:
        assert heard(client) == {"type": "welcome"}
        yield client


def heard(client: ClientConnection) -> object:
    return json.loads(client.recv(timeout=10))


def get(standin: Standin, path: str = "/price", key: str = "k", **params: str) -> requests.Response:
    query = {"coin": "bitcoin", **params}
    return requests.get(standin.url + path, params=query, headers={"X-Api-Key": key}, timeout=5)


def test_rest_and_stream_share_a_port_and_the_simulated_market(standin: Example, socket: ClientConnection) -> None:
    answer = get(standin).json()
    standin.pulse_now()
    assert heard(socket) == {"price": answer["price"], "pulse": 1}
    assert answer["at"] == NOW
    with standins.get("coingecko")(clock=lambda: NOW) as other:
        row = requests.get(f"{other.url}/coins/markets?vs_currency=usd&ids=bitcoin", timeout=30).json()[0]
    assert row["current_price"] == pytest.approx(answer["price"], rel=1e-3)


def test_errors_are_worded_by_the_standin(standin: Example) -> None:
    refused = get(standin, key="other")
    assert (refused.status_code, refused.headers["retry-after"]) == (401, "3")
    assert refused.json() == {"status": 401, "error": "no such key"}
    assert get(standin, "/nowhere").status_code == 404
    assert [request.path for request in standin.requests] == ["/price", "/nowhere"]


def test_a_handshake_can_be_refused(standin: Example) -> None:
    for path, key, status in (("", "other", 403), ("/elsewhere", "k", 404)):
        with pytest.raises(InvalidStatus) as refusal:
            connect(standin.stream_url + path, additional_headers={"x-api-key": key})
        assert refusal.value.response.status_code == status
    standin.faults.add("/stream", "rate_limited", times=1)
    with pytest.raises(InvalidStatus, match="429"):
        connect(standin.stream_url, additional_headers={"x-api-key": "k"})


@pytest.mark.parametrize(
    ("kind", "options"),
    [("disconnect", {}), ("truncated", {}), ("hang", {"seconds": 0.1})],
)
def test_an_answer_can_fail_to_come(standin: Example, kind: str, options: dict) -> None:
    standin.faults.add("/price", kind, times=1, **options)
    with pytest.raises(requests.RequestException):
        get(standin)
    assert get(standin).status_code == 200


def test_answers_can_be_spoilt(standin: Example) -> None:
    standin.faults.add("/price", "status", times=1, status=502, message="bad gateway")
    standin.faults.add("/price", "strings", times=1)
    standin.faults.add("/price", "broken_json", times=1)
    standin.faults.add("/price", "oversize", times=1, bytes=100)
    first = get(standin)
    assert (first.status_code, first.json()["error"]) == (502, "bad gateway")
    assert isinstance(get(standin).json()["price"], str)
    with pytest.raises(requests.JSONDecodeError):
        get(standin).json()
    assert len(get(standin).content) == 100
    with pytest.raises(ValueError, match="no fault is called"):
        standin.faults.add("/price", "nothing")


def test_a_lie_and_a_skewed_clock_show_in_what_it_says(standin: Example) -> None:
    honest = get(standin).json()
    standin.lies["bitcoin"], standin.skew_ms = 1.5, -90_000
    lying = get(standin).json()
    assert lying["price"] == pytest.approx(honest["price"] * 1.5)
    assert lying["at"] == NOW - 90_000


def test_data_can_be_doubled_or_replaced_and_anything_be_said(standin: Example, socket: ClientConnection) -> None:
    standin.spoil = lambda message: [message, message, {"price": float("nan")}]
    standin.pulse_now()
    first, second, third = (heard(socket) for _ in range(3))
    assert first == second
    assert third["price"] != third["price"]
    standin.say(b"\x00garbage")
    assert socket.recv(timeout=10) == b"\x00garbage"


def test_what_peers_say_is_kept_and_answered(standin: Example, socket: ClientConnection) -> None:
    socket.send('{"hello": 1}')
    standin.until(lambda: standin.messages == [{"hello": 1}])
    assert heard(socket) == {"heard": '{"hello": 1}'}


def test_a_silent_standin_keeps_its_sockets_and_says_nothing(standin: Example, socket: ClientConnection) -> None:
    standin.silent = True
    socket.send("hello?")
    standin.until(lambda: standin.messages)
    standin.pulse_now()
    standin.silent = False
    standin.pulse_now()
    assert heard(socket)["pulse"] == 2


def test_a_socket_can_be_closed_with_a_code_or_cut(standin: Example, socket: ClientConnection) -> None:
    standin.close(1008, "too_slow")
    with pytest.raises(ConnectionClosed) as closing:
        socket.recv(timeout=10)
    assert (closing.value.rcvd.code, closing.value.rcvd.reason) == (1008, "too_slow")
    standin.until(lambda: not standin.peers)
    with connect(standin.stream_url, additional_headers={"x-api-key": "k"}) as another:
        heard(another)
        standin.cut()
        with pytest.raises(ConnectionClosed) as cutting:
            another.recv(timeout=10)
    assert cutting.value.rcvd is None
    assert standin.connections == 2


def test_it_pushes_by_itself_at_its_pulse() -> None:
    with Example(key="k", pulse_seconds=0.01) as standin:
        with connect(standin.stream_url, additional_headers={"x-api-key": "k"}) as client:
            assert [heard(client) for _ in range(3)][2]["pulse"] == 2
        standin.until(lambda: not standin.peers)


def test_waiting_for_what_does_not_happen_ends(standin: Example) -> None:
    with pytest.raises(TimeoutError):
        standin.until(lambda: standin.peers, seconds=0.01)


def test_stopping_ends_a_hanging_answer_and_frees_the_port(standin: Example) -> None:
    standin.faults.add("/price", "hang")

    async def ask() -> None:
        asking = asyncio.create_task(asyncio.to_thread(get, standin))
        await asyncio.to_thread(standin.until, lambda: standin.requests)
        await asyncio.to_thread(standin.stop)
        with pytest.raises(requests.RequestException):
            await asking

    asyncio.run(ask())
    with pytest.raises(RuntimeError, match="not running"):
        _ = standin.port


def test_the_folder_is_the_registry_of_standins() -> None:
    assert "coingecko" in standins.names()
    assert set(standins.names()) <= {provider.name for provider in providers.all()}
    with pytest.raises(KeyError):
        standins.get("base")


@pytest.mark.parametrize("name", standins.names())
def test_every_standin_starts_says_where_it_is_and_stops(name: str) -> None:
    with standins.get(name)(key="some-key", seed=7, host="127.0.0.1", port=0) as standin:
        assert standin.url or standin.stream_url
        assert str(standin.port) in standin.url + standin.stream_url


def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    file = tmp_path / "port"
    command = [sys.executable, "manage.py", "standin", "coingecko", "--key", "canary", "--announce", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    deadline = time.monotonic() + 60
    while not file.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    port = int(file.read_text())
    answer = requests.get(f"http://127.0.0.1:{port}/api/v3/ping", headers={"x-cg-demo-api-key": "canary"}, timeout=10)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert (answer.status_code, process.returncode) == (200, 0)
    assert f"COINGECKO_BASE_URL=http://127.0.0.1:{port}/api/v3" in said
    assert "canary" not in said
