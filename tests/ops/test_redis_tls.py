"""A Redis behind TLS with an authority of one's own: every kind of connection, and what is said when it fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from kombu import Connection

from spot.processes.redis_server import trouble
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.providers.test_reachable import certificate


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
    sink.close()


@pytest.fixture
def address(redis_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a port that ends TLS before this worker's Redis. The certificate is for localhost."""
    context, _ = certificate(tmp_path, "localhost")
    loop, ports = asyncio.new_event_loop(), []

    async def serve(near: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        far, asked = await asyncio.open_unix_connection(redis_url.removeprefix("unix://"))
        try:
            await asyncio.gather(_pass_on(near, asked), _pass_on(far, answers), return_exceptions=True)
        finally:
            for end in (asked, answers):
                end.transport.abort()

    async def listen() -> asyncio.Server:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        ports.append(server.sockets[0].getsockname()[1])
        return server

    server = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"rediss://localhost:{ports[0]}/0"

    async def end() -> None:
        server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for _ in range(3):  # in which the transports close
            await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_store_channel_layer_and_queue_connect_by_tls(address: str, tmp_path: Path, settings) -> None:
    server = Server(parse(f"{address}?ssl_ca_certs={tmp_path / 'cert.pem'}"))
    assert trouble(server) == ""
    settings.REDIS = server

    async def story() -> None:
        layer = RedisPubSubChannelLayer(hosts=[server.async_pool])
        channel = await layer.new_channel()
        await layer.group_add("tls", channel)
        await layer.group_send("tls", {"type": "news"})
        async with asyncio.timeout(5):
            assert await layer.receive(channel) == {"type": "news"}
        await layer.flush()
        client = server.async_blocking_client(2, 1)
        assert await client.ping()
        await client.aclose()

    asyncio.run(story())
    with Connection("gateway://redis") as connection, connection.SimpleQueue("tls") as queue:
        queue.put({"n": 1})
        assert queue.get(timeout=5).payload == {"n": 1}


UNKNOWN = "a certificate of an authority that is unknown here: name the authority's file as ssl_ca_certs in REDIS_URL"


@pytest.mark.parametrize(
    ("host", "query", "words"),
    [
        ("localhost", "", f"it has {UNKNOWN}"),
        ("127.0.0.1", "?ssl_ca_certs=F/cert.pem", "it has a certificate for another name than the one in REDIS_URL"),
        (
            "localhost",
            "?ssl_ca_certs=F/none.pem",
            "ssl_ca_certs is F/none.pem, which cannot be read (No such file or directory)",
        ),
        ("localhost", "?ssl_ca_certs=F/key.pem", "ssl_ca_certs is F/key.pem, which has no certificate in PEM"),
        ("localhost", "?ssl_keyfile=F/cert.pem", "ssl_keyfile is F/cert.pem, which has no key in PEM"),
    ],
)
def test_what_is_wrong_with_certificates_is_said(
    address: str, tmp_path: Path, host: str, query: str, words: str
) -> None:
    url = address.replace("localhost", host) + query.replace("F/", f"{tmp_path}/")
    assert trouble(Server(parse(url))) == words.replace("F/", f"{tmp_path}/")
