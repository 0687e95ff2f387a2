"""What clients may throw at a socket: too much, too small, too clever, or noise."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from spot.clients.limits import Bucket, answering
from spot.dialects.frames import Message
from spot.server import listening
from spot.server.intake import OWN_BURST, OWN_RATE, SHARED_BURST, SHARED_RATE, Intake
from spot.server.listening import INBOUND_BYTES
from tests.fastpath.client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Client,
    Closed,
    deflated,
    framed,
)
from tests.fastpath.gateway import (
    Gateway,
    eventually,
    gateway,
    no_tracebacks,
    put_lists,
    put_market,
    run,
    small_buffers,
)
from tests.live import LiveSite

pytestmark = pytest.mark.flow
DEFLATE = "permessage-deflate"


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog):
    """No test may leave a traceback in the log."""
    yield
    assert no_tracebacks(caplog)


@pytest.fixture
def told(redis):
    """Tells a story that gets a gateway with a market of 12 coins."""

    def tell(story) -> None:
        async def whole() -> None:
            await put_lists()
            await put_market(12)
            async with gateway() as gate:
                await story(gate)

        run(whole())

    return tell


async def reader(gate: Gateway, offer: str = "") -> Client:
    """A client that has its first frame."""
    client = await gate.client("market?envelope=1", offer)
    while b'"type":"snapshot"' not in await client.message():
        pass
    return client


# --- size -------------------------------------------------------------------------------------------------------------

TOO_MUCH = b'"' + b"x" * (INBOUND_BYTES - 1) + b'"'
HALF = len(TOO_MUCH) // 2


@pytest.mark.parametrize(
    "frames",
    [
        framed(TEXT, TOO_MUCH),
        framed(TEXT, TOO_MUCH[:HALF], fin=False) + framed(CONTINUATION, TOO_MUCH[HALF:]),
        framed(TEXT, deflated(TOO_MUCH), rsv1=True),
        framed(BINARY, TOO_MUCH),
        framed(TEXT, b"x" * 16_777_216)[:100_000],
        b"\x81\xff" + (2**63 - 1).to_bytes(8),
    ],
    ids=["one frame", "fragments", "compressed", "binary", "16 MiB", "2^63"],
)
def test_a_message_above_64_kib_is_refused_with_1009(told, frames) -> None:
    async def story(gate: Gateway) -> None:
        client = await reader(gate, DEFLATE)
        await client.send_raw(frames)
        assert await client.closed() == 1009

    told(story)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_message_of_64_kib_is_heard(told, compressed) -> None:
    async def story(gate: Gateway) -> None:
        client = await reader(gate, DEFLATE)
        payload = b'{"search":"bit"}'.ljust(INBOUND_BYTES)
        frame = framed(TEXT, deflated(payload), rsv1=True) if compressed else framed(TEXT, payload)
        await client.send_raw(frame)
        assert json.loads(await client.message())["params"]["search"] == "bit"

    told(story)


def test_deflate_bombs_are_cut_and_weigh_nothing(told) -> None:
    bomb = framed(TEXT, deflated(b"x" * 16_777_216), rsv1=True)

    async def story(gate: Gateway) -> None:
        clients = [await reader(gate, DEFLATE) for _ in range(50)]
        tracemalloc.start()
        try:
            for client in clients:
                await client.send_raw(bomb)
                assert await client.closed() == 1009
            assert tracemalloc.get_traced_memory()[1] < 16_777_216, "all of them together weigh more than one would"
        finally:
            tracemalloc.stop()

    told(story)


@pytest.mark.parametrize("size", [0, 1])
def test_a_hundred_thousand_fragments_weigh_what_they_hold(told, size, monkeypatch) -> None:
    monkeypatch.setattr(Intake, "shared", Bucket(1e9, 1e9))  # how fast they are taken is proven below

    async def story(gate: Gateway) -> None:
        client = await reader(gate)
        connection = gate.connection(client)
        await client.send_raw(framed(TEXT, b'{"search":"bit"}', fin=False))
        many = framed(CONTINUATION, b" " * size, fin=False) * 1000
        for _ in range(100 if size == 0 else 65):
            await client.send_raw(many)
        await client.send_raw(framed(PING, b"heard"))
        while (await client.frame()).payload != b"heard":
            pass
        assert len(connection.frames) == 1
        assert len(connection._continued) == (0 if size == 0 else 65_000)
        await client.send_raw(framed(CONTINUATION))
        assert json.loads(await client.message())["params"]["search"] == "bit"

    told(story)


def test_frames_at_full_speed_are_taken_no_faster_than_is_fair() -> None:
    """A flood is cut into slices, the peer is not read meanwhile, and nothing of it is lost."""
    now, later, parsed, reading = [0.0], [], [], [True]

    def parse(data: bytes) -> None:
        parsed.append(len(data))
        intake.frames += len(data) // 6

    intake = Intake(
        parse,
        lambda: reading.__setitem__(0, False),
        lambda: reading.__setitem__(0, True),
        lambda seconds, step: later.append((seconds, step)),
        clock=lambda: now[0],
    )
    intake.shared = Bucket(SHARED_RATE, SHARED_BURST)
    now[0] = 100.0
    intake.take(framed(PING) * 100_000)
    while later:
        assert not reading[0]
        seconds, step = later.pop(0)
        now[0] += seconds
        step()
    assert max(parsed) <= 1024  # 170 frames
    assert sum(parsed) == 600_000
    assert now[0] - 100.0 >= (100_000 - SHARED_BURST - OWN_BURST) / (SHARED_RATE + OWN_RATE) - 1
    assert reading[0]
    intake.close()
    intake.take(b"more")
    assert sum(parsed) == 600_000


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000",
        b"GET /tzone_apis/services/spot/market HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked",
        b"POST /tzone_apis/services/spot/market HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5",
    ],
)
def test_a_body_that_nobody_reads_is_refused_before_it_comes(told, head) -> None:
    async def story(gate: Gateway) -> None:
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", gate.fast)
        outgoing.write(head + b"\r\n\r\n")
        async with asyncio.timeout(10):
            answer = await incoming.read()  # to the end: the connection is closed
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"body_refused" in answer
        outgoing.close()

    told(story)


def test_http_readers_that_do_not_read_are_counted_and_cut(told, monkeypatch, settings) -> None:
    settings.SPOT_REQUESTS_PER_ADDRESS = 5
    monkeypatch.setattr(listening, "ANSWER_SECONDS", 2)

    async def story(gate: Gateway) -> None:
        await put_market(500)
        small_buffers(gate._listeners[0])
        peers = []
        for _ in range(5):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", gate.fast))
            peer.sendall(b"GET /tzone_apis/services/spot/market HTTP/1.1\r\nHost: localhost\r\n\r\n")
            peers.append(peer)
        await eventually(lambda: len(answering) == 5)
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", gate.fast)
        outgoing.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await incoming.read()
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: " in answer
        outgoing.close()
        await eventually(lambda: len(answering) == 0)
        for peer in peers:
            peer.close()

    told(story)


def test_a_large_first_frame_is_deflated_while_others_are_served(told, monkeypatch) -> None:
    go, deflate = threading.Event(), Message.deflate
    monkeypatch.setattr(Message, "deflate", lambda message: go.wait(20) and deflate(message))

    async def story(gate: Gateway) -> None:
        other = await reader(gate)
        await gate.settled(await put_market(500))
        waiting = await gate.client("market?per_page=500", DEFLATE)
        await eventually(lambda: gate.connection(waiting)._held)
        await other.pong(b"served")
        go.set()
        assert len(json.loads(await waiting.message())["rows"]) == 500

    told(story)


# --- content ----------------------------------------------------------------------------------------------------------


def test_a_binary_message_gets_one_error_and_nothing_is_lost(told) -> None:
    async def story(gate: Gateway) -> None:
        client = await reader(gate)
        await client.send_raw(framed(BINARY, b"\x00\xff"))
        answer = json.loads(await client.message())
        assert (answer["type"], answer["code"]) == ("error", "bad_message")
        await client.send('{"action":"ping"}')
        assert json.loads(await client.message())["type"] == "pong"

    told(story)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (framed(TEXT, b"\xff\xfe"), 1007),
        (framed(TEXT, b"\xff\xfe") + framed(CLOSE, (1000).to_bytes(2)), 1000),
        (framed(TEXT, b"\xff\xfe") * 3 + framed(TEXT, b"{}") * 3, 1007),
        (framed(TEXT, b'{"action":"ping"}') + framed(CLOSE, (1000).to_bytes(2)), 1000),
        (framed(TEXT, b"{", fin=False) + framed(CLOSE, (4242).to_bytes(2)), 4242),
        (framed(CLOSE, (1000).to_bytes(2)) * 2 + framed(TEXT, b"{}"), 1000),
        (framed(CLOSE), 1005),
        (framed(CLOSE, (1005).to_bytes(2)), 1002),
        (framed(CONTINUATION, b"{}"), 1002),
        (b"\x81\x02{}", 1002),
        (framed(TEXT, b"not deflate", rsv1=True), 1002),
        (framed(TEXT, b"{}") * 3000, 4429),
    ],
    ids=[
        "no UTF-8",
        "no UTF-8, then close",
        "no UTF-8, then more",
        "message, then close",
        "close between fragments",
        "close twice",
        "close without a code",
        "close with a code nobody sends",
        "a continuation of nothing",
        "unmasked",
        "RSV1 without compression",
        "a flood",
    ],
)
def test_a_broken_stream_ends_with_the_code_that_says_why(told, frames, code) -> None:
    async def story(gate: Gateway) -> None:
        client = await reader(gate)
        await client.send_raw(frames)
        assert await client.closed() == code

    told(story)


# --- handshakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("search=" + "x" * 9000, (), b"414"),
        ("", tuple(f"X-{n}: {n}" for n in range(200)), b"431"),
        ("", ("X-Long: " + "x" * 9000,), b"431"),
        ("", ("Sec-WebSocket-Version: 12",), b"400"),
        ("", ("Sec-WebSocket-Key: short",), b"400"),
    ],
)
def test_a_handshake_that_cannot_be_is_answered_and_ended(told, query, headers, status) -> None:
    async def story(gate: Gateway) -> None:
        client = await gate.client(f"market?{query}", headers=headers)
        assert client.head.split(b" ")[1] == status
        await eventually(gate.idle)  # while the client still stands there

    told(story)


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A web process."""
    made = LiveSite(tmp_path_factory.mktemp("noise"), REDIS_URL=redis_url, SPOT_DEMO="off")
    try:
        made.start("web")
        yield made
    finally:
        made.close()


def test_random_bytes_end_nothing_but_their_own_connection(site: LiveSite, redis) -> None:
    chance = random.Random(6455)

    async def story() -> None:
        await put_lists()
        await put_market(12)
        for turn in range(300):
            await noise(site.port, chance, greeted=turn % 3 > 0)
        client = await Client.open(site.port, "market")
        assert b'"headers"' in await client.message()
        client.close()

    asyncio.run(story())
    assert site.processes["web"].poll() is None
    assert "Traceback" not in site.log("web")


async def noise(port: int, chance: random.Random, *, greeted: bool) -> None:
    """One session of random bytes, or of frames with random heads, before or after the handshake."""
    if greeted:
        client = await Client.open(port, "market", chance.choice(["", DEFLATE]))
    else:
        client = await Client.connect(port)
    try:
        for _ in range(chance.randint(1, 5)):
            junk = chance.randbytes(chance.choice([1, 2, 7, 126, 1000, 20_000]))
            frame = framed(chance.randrange(16), junk, fin=chance.random() < 0.5, rsv1=chance.random() < 0.3)
            await client.send_raw(chance.choice([junk, frame, frame[:-1], b"GET / HTTP/1.1\r\n" + junk]))
    except (ConnectionError, Closed):
        pass  # it has been thrown out already
    finally:
        client.close()
