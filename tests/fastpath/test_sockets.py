"""Sockets that misbehave while a broadcast goes out: they are bounded, cut, forgotten, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from typing import Any

import pytest

from spot.hub.hub import Hub
from spot.server import wheel
from spot.server.frames import FrameProtocol, _Connection
from spot.web import exports
from spot.web.consumers import Connection as Served
from tests.fastpath.client import CLOSE, CONTINUATION, PING, PONG, TEXT, Client, framed
from tests.fastpath.gateway import Gateway, alive, eventually, gateway, no_tracebacks, put_lists, put_market, run
from tests.fastpath.markets import asked
from tests.spot.watcher import Watcher

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]
WISH = "market?page_size=200&envelope=1"
both_paths = pytest.mark.parametrize("plain", [False, True], ids=["finished frames", "plain sends"])


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog):
    """No test may leave a traceback in the log."""
    yield
    assert no_tracebacks(caplog)


def told(story, *, small: bool = True) -> None:
    """Tell a story that gets a gateway with a market of 200 coins, and whose sockets fill up soon."""

    async def whole() -> None:
        await put_lists()
        await put_market(200)
        async with gateway(small=small) as gate:
            await story(gate)

    run(whole())


async def reader(gate: Gateway, wish: str = WISH, **options: Any) -> Client:
    """A client that has its first frame."""
    client = await gate.client(wish, receive_buffer=4096, **options)
    while b'"type":"snapshot"' not in await client.message():
        pass
    return client


async def stalled(gate: Gateway, wish: str = WISH, **options: Any) -> tuple[Client, FrameProtocol]:
    """A client that has stopped reading, and its connection, whose last frame did not go out whole."""
    client = await reader(gate, wish, **options)
    connection = gate.connection(client)
    shift = 100
    while connection.writable.is_set():
        shift += 1
        await gate.settled(await put_market(200, shift))
    return client, connection


async def newest(client: Client) -> Any:
    """The frame of the newest snapshot, whatever comes before it."""
    version = Hub.current().topics["markets:usd"].version
    while True:
        frame = json.loads(await client.message())
        if frame.get("version") == version:
            return frame


# --- what an idle socket holds ----------------------------------------------------------------------------------------


def test_an_idle_socket_holds_neither_its_handshake_nor_the_way_to_its_consumer() -> None:
    async def story(gate: Gateway) -> None:
        before = asyncio.all_tasks()
        client = await reader(gate)
        connection = gate.connection(client)
        begun = [task.get_coro() for task in asyncio.all_tasks() - before]
        (awaited,) = [coro for coro in begun if getattr(coro, "__qualname__", "") == "FrameProtocol.run_asgi"]
        names = []
        while asyncio.iscoroutine(awaited):
            names.append(awaited.__qualname__)
            awaited = awaited.cr_await
        assert names == ["FrameProtocol.run_asgi", "BaseConsumer.serve", "FrameProtocol.receive"]
        assert vars(connection) == {} == vars(connection.conn)  # all attributes have slots, those of libraries too
        assert not {"scope", "request", "response"} & {name for name in dir(connection) if hasattr(connection, name)}
        assert isinstance(connection.ping_timer, wheel.Timer)

    told(story)


# --- pings ------------------------------------------------------------------------------------------------------------


@both_paths
def test_pings_inside_a_fragmented_message_are_answered_at_once(plain) -> None:
    async def story(gate: Gateway) -> None:
        client = await reader(gate, plain=plain)
        await client.send_raw(framed(TEXT, b'{"act', fin=False))
        assert await client.pong(b"one") == []
        await client.send_raw(framed(CONTINUATION, b"", fin=False) + framed(CONTINUATION, b'ion":"pi', fin=False))
        assert await client.pong(b"two") == []
        await client.send_raw(framed(CONTINUATION, b'ng"}'))
        assert json.loads(await client.message())["type"] == "pong"

    told(story)


@both_paths
def test_pings_of_a_stalled_client_fill_no_memory_and_the_newest_is_answered(plain) -> None:
    async def story(gate: Gateway) -> None:
        client, connection = await stalled(gate, plain=plain)
        held = connection.transport.get_write_buffer_size()
        for number in range(40):
            await client.send_raw(b"".join(framed(PING, b"%d-%d" % (number, n)) for n in range(50)))
        await client.send_raw(framed(PING, b"the last"))
        await eventually(lambda: connection._pong.endswith(b"the last"))
        assert connection.transport.get_write_buffer_size() <= held
        await gate.settled(await put_market(200, 1))
        await newest(client)
        assert [frame.payload for frame in client.controls if frame.opcode == PONG][-1:] == [b"the last"]
        assert len(client.controls) == 1

    told(story)


def test_a_ping_during_a_large_broadcast_is_answered_in_between() -> None:
    async def story(gate: Gateway) -> None:
        client, happened, crowd = await reader(gate, WISH + "&search=bit"), [], []

        class Witness(Watcher):
            def flush(self) -> None:
                super().flush()
                if len(crowd) == 10_000 and not happened:
                    client.peer.send(framed(PING, b"in between"))
                happened.append("push")

        hub = Hub.current()
        view, dialect = asked("market?page_size=5")
        for _ in range(10_000):
            hub.join(witness := Witness(dialect), view)
            crowd.append(witness)
        happened.clear()
        listener = asyncio.create_task(_pong_of(client, happened))
        await put_market(200, 7)
        await eventually(lambda: happened.count("push") == len(crowd))
        await listener
        for one in crowd:
            hub.leave(one)
        assert 0 < happened.index("pong") < len(crowd) - 1

    told(story, small=False)


async def _pong_of(client: Client, happened: list[str]) -> None:
    while (await client.frame()).opcode != PONG:
        pass
    happened.append("pong")


# --- endings ----------------------------------------------------------------------------------------------------------


@both_paths
def test_a_client_may_close_while_a_frame_is_on_its_way(plain) -> None:
    async def story(gate: Gateway) -> None:
        client, _ = await stalled(gate, plain=plain)
        await client.send_raw(framed(CLOSE, (4321).to_bytes(2)))
        assert await client.closed() == 4321
        await gate.settled(await put_market(200, 1))

    told(story)


@both_paths
def test_a_client_may_vanish_in_every_way_while_others_are_served(monkeypatch, settings, plain) -> None:
    settings.SPOT_SEND_SECONDS = 1.0
    monkeypatch.setattr(FrameProtocol, "send_seconds", 1.0)

    async def story(gate: Gateway) -> None:
        steady = await reader(gate, plain=plain)
        listening = asyncio.create_task(listen(steady))
        tasks = len(asyncio.all_tasks())
        for way in (Client.reset, Client.close, half_close, half_a_frame):
            for client in [(await stalled(gate, plain=plain))[0], await reader(gate, plain=plain)]:
                way(client)
        await eventually(lambda: len(gate.sockets) == 1)
        await eventually(lambda: len(asyncio.all_tasks()) == tasks)
        last = await put_market(200, 1)
        await eventually(lambda: json.loads(steady.heard[-1])["version"] == last)
        listening.cancel()

    told(story)


async def listen(client: Client) -> None:
    """Hear everything."""
    while True:
        client.heard.append(await client.message())


def half_close(client: Client) -> None:
    client.peer.shutdown(socket.SHUT_WR)


def half_a_frame(client: Client) -> None:
    client.peer.send(framed(TEXT, b"never to be finished")[:-3])
    client.reset()


@both_paths
def test_a_restart_is_told_to_everybody_even_when_one_is_half_closed(plain) -> None:
    async def story() -> None:
        await put_lists()
        await put_market(200)
        gate = Gateway()
        await gate.start(small=True)
        try:
            (closing, held), steady, (slow, _) = (
                await stalled(gate, plain=plain),
                await reader(gate, plain=plain),
                await stalled(gate, plain=plain),
            )
            await closing.send_raw(framed(CLOSE, (1000).to_bytes(2)))
            await eventually(held.transport.is_closing)
            stopping = asyncio.create_task(gate.server.shutdown(sockets=gate._listeners))
            codes = await asyncio.gather(closing.closed(), steady.closed(), slow.closed())
            assert codes == [1000, 1012, 1012]
            await stopping
        finally:
            for client in gate.clients:
                client.close()

    run(story())


def test_nothing_of_a_connection_waits_for_the_garbage_collector(monkeypatch) -> None:
    monkeypatch.setattr(FrameProtocol, "send_seconds", 0.2)

    async def story(gate: Gateway) -> None:
        gc.collect()
        gc.disable()
        try:
            for offer in ("", "permessage-deflate"):
                slow, gone, bad = (await stalled(gate, offer=offer))[0], await reader(gate), await reader(gate)
                await gone.send('{"search":"b"}')
                await bad.send_raw(framed(TEXT, b"x" * 70_000))
                assert await bad.closed() == 1009
                slow.reset()
                await stalled(gate, offer=offer)
            await gate.forget()
            await eventually(lambda: alive(FrameProtocol) == alive(_Connection) == alive(Served) == 0)
        finally:
            gc.enable()

    told(story)


# --- slow readers -----------------------------------------------------------------------------------------------------


@both_paths
@pytest.mark.parametrize("chatter", [False, True], ids=["silent", "chattering"])
def test_who_never_reads_is_told_4508_and_gone_while_others_get_everything(
    monkeypatch, settings, plain, chatter
) -> None:
    settings.SPOT_SEND_SECONDS = 0.5
    monkeypatch.setattr(FrameProtocol, "send_seconds", 0.5)

    async def story(gate: Gateway) -> None:
        steady = await reader(gate)
        silent, connection = await stalled(gate, plain=plain)
        while not connection.close_sent:
            if chatter:
                await silent.send_raw(b"\x8a\x80mask")  # a pong nobody asked for: a sign of life, but no reading
            await gate.settled(await put_market(200, 3))
            frame = await newest(steady)
            assert connection.transport.get_write_buffer_size() <= len(json.dumps(frame)) + 200
        assert await silent.closed() == 4508
        await eventually(lambda: connection not in gate.sockets)
        await gate.settled(await put_market(200, 4))
        await newest(steady)

    told(story)


@both_paths
def test_who_never_reads_not_even_the_close_is_cut(monkeypatch, settings, plain) -> None:
    settings.SPOT_SEND_SECONDS = 0.2
    monkeypatch.setattr(FrameProtocol, "send_seconds", 0.2)

    async def story(gate: Gateway) -> None:
        client, connection = await stalled(gate, plain=plain)
        await eventually(gate.idle)  # although the client still stands there
        assert connection.transport.is_closing()
        assert client.is_reset

    told(story)


@both_paths
@pytest.mark.parametrize("dialect", ["", "&delta=1"])
def test_who_reads_again_gets_the_newest_state_whole_and_nothing_older(plain, dialect) -> None:
    async def story(gate: Gateway) -> None:
        client, _ = await stalled(gate, WISH + dialect, plain=plain)
        in_flight = Hub.current().topics["markets:usd"].version
        for shift in range(6):
            last = await put_market(200, shift)
            await gate.settled(last)
        frames = []
        while not frames or frames[-1]["version"] < last:
            frames.append(json.loads(await client.message()))
        later = [frame["version"] for frame in frames if frame["version"] > in_flight]
        assert len(later) <= 1 + plain  # a plain send may be waiting already
        assert frames[-1]["type"] == "snapshot"
        await gate.settled(await put_market(200, 9))
        assert (await newest(client))["type"] == ("delta" if dialect else "snapshot")

    told(story)


def test_exports_for_a_client_that_does_not_read_are_not_made(monkeypatch) -> None:
    made = []
    write_csv = exports.csv_of
    monkeypatch.setattr(exports, "csv_of", lambda *asked: made.append(1) or write_csv(*asked))

    async def story(gate: Gateway) -> None:
        client, connection = await stalled(gate)
        for _ in range(5):
            await client.send('{"action":"export"}')
        await eventually(lambda: connection.queue.empty() and not connection.read_paused)
        await client.send_raw(framed(PING, b"heard"))
        await eventually(lambda: connection._pong.endswith(b"heard"))
        assert made == []
        exports = 0
        while exports < 5:
            exports += b'"type":"export"' in await client.message()
        assert len(made) == 5

    told(story)
